import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Edition } from "./compile.ts";
import { installer } from "./installer.ts";
import { billOfMaterials } from "./sbom.ts";
import { rawSignature, sshSignature } from "./signature.ts";

/** The list of sums and its signatures: the files that the list does not name. */
const seals = ["SHA256SUMS", "SHA256SUMS.sig", "SHA256SUMS.sshsig"];

/**
 * Makes a release of a folder with archives: adds the version, the bill of materials, the installer, the sums and, where there is
 * a key, their signatures.
 */
export async function seal(folder: string, edition: Edition): Promise<void> {
  await Bun.write(join(folder, "VERSION"), `${edition.version}\n`);
  const bill = billOfMaterials(edition.version, edition.packages);
  await Bun.write(join(folder, "codemie.cdx.json"), `${JSON.stringify(bill, undefined, 2)}\n`);
  await Bun.write(join(folder, "install.sh"), await installer(edition));
  await sign(folder, edition);
}

/**
 * Writes the sums of all files of a folder, and their signatures.
 *
 * The first line names the version, so that nobody passes off the signed list of another release.
 */
export async function sign(folder: string, { version, key }: Edition): Promise<void> {
  const names = (await readdir(folder)).filter((name) => !seals.includes(name)).sort();
  const lines = [`# codemie ${version}`];
  for (const name of names) {
    const hasher = new Bun.CryptoHasher("sha256");
    for await (const chunk of Bun.file(join(folder, name)).stream()) hasher.update(chunk);
    lines.push(`${hasher.digest("hex")}  ${name}`);
  }
  const sums = Buffer.from(`${lines.join("\n")}\n`);
  await Bun.write(join(folder, "SHA256SUMS"), sums);
  if (!key) return;
  await Bun.write(join(folder, "SHA256SUMS.sig"), rawSignature(sums, key));
  await Bun.write(join(folder, "SHA256SUMS.sshsig"), sshSignature(sums, key));
}
