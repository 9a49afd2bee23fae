import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundledPackages, licencesOf } from "../../release/bundled.ts";
import { compile, editionOf } from "../../release/compile.ts";
import { releaseKey, sshPublicKey } from "../../release/signature.ts";
import { codemie } from "../support/codemie.ts";
import { faultsOfSignature } from "../support/mach-o.ts";
import { ownTarget } from "../support/release.ts";
import { ciTest } from "../support/tiers.ts";

/** What a build says of itself, and the files of a release. */

const top = join(import.meta.dir, "../..");
const run = (command: string[]) => Bun.spawnSync(command, { stderr: "ignore" }).stdout.toString();

test("--licenses shows the licence of the program and of each package inside", async () => {
  const { version, signingKey } = JSON.parse(run([codemie, "--version", "--json"]));
  expect(signingKey).toBeNull();
  const licences = await licencesOf(version, await bundledPackages());
  expect(JSON.parse(run([codemie, "--licenses", "--json"]))).toEqual(licences);
  expect(licences.filter(({ text }) => text.length < 200)).toEqual([]);
  const text = run([codemie, "--licenses"]);
  expect(text).toStartWith(`codemie ${version}: Apache-2.0\n`);
  expect(text).toContain("\nbun 1.4.5: MIT\n\nBun is the runtime inside this program.");
});

/** Builds a release of two targets in a folder with the sources. */
function build(folder: string, privateKey: string): string {
  const built = Bun.spawnSync([process.execPath, "build.ts", "--all", "--only", `${ownTarget},${other}`], {
    cwd: folder,
    env: { ...process.env, CODEMIE_RELEASE_KEY: privateKey, CODEMIE_INSTALL_BASE_URL: base },
  });
  expect({ code: built.exitCode, err: built.exitCode === 0 ? "" : built.stderr.toString() }).toEqual({
    code: 0,
    err: "",
  });
  return built.stdout.toString();
}
const other = ownTarget === "linux-arm64" ? "linux-x64" : "linux-arm64";
const base = "http://127.0.0.1:9/releases";

ciTest(
  "two targets, signed: the contract's files, the key in program and installer; the same bytes in another folder",
  async () => {
    const { privateKey } = generateKeyPairSync("ed25519", {
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    expect(build(top, privateKey)).not.toContain("unsigned");
    const release = join(top, "dist/release");
    const archives = [ownTarget, other].flatMap((name) => [`codemie-${name}.tar.gz`, `codemie-${name}.tar.zst`]);
    const rest = ["SHA256SUMS", "SHA256SUMS.sig", "SHA256SUMS.sshsig", "VERSION", "codemie.cdx.json", "install.sh"];
    expect(readdirSync(release).sort()).toEqual([...archives, ...rest].sort());
    const key = releaseKey(privateKey);
    if (!key) throw new Error("no key");
    const script = await Bun.file(join(release, "install.sh")).text();
    expect(script).toContain(`key_ssh='${sshPublicKey(key)}'`);
    expect(script).toContain(`built_base='${base}'`);

    const unpacked = join(top, "dist/unpacked");
    Bun.spawnSync(["mkdir", "-p", unpacked]);
    Bun.spawnSync(["tar", "-xzf", join(release, `codemie-${ownTarget}.tar.gz`), "-C", unpacked]);
    expect(JSON.parse(run([join(unpacked, "codemie"), "--version", "--json"])).signingKey).toBe(key.publicKey);
    Bun.spawnSync(["tar", "-xzf", join(release, `codemie-${other}.tar.gz`), "-C", unpacked]);
    const machine = await Bun.file(join(unpacked, "codemie")).slice(18, 20).bytes();
    expect([...machine]).toEqual(other === "linux-arm64" ? [183, 0] : [62, 0]); // e_machine of an ELF header

    const elsewhere = join(top, "dist/elsewhere/with sources");
    Bun.spawnSync(["mkdir", "-p", elsewhere]);
    const sources = ["build.ts", "bun.lock", "package.json", "LICENSE", "README.md", "src", "release"];
    Bun.spawnSync(["cp", "-R", ...sources, elsewhere], { cwd: top });
    Bun.spawnSync(["cp", "-Rl", "node_modules", elsewhere], { cwd: top });
    build(elsewhere, privateKey);
    const sums = await Bun.file(join(release, "SHA256SUMS")).text();
    expect(await Bun.file(join(elsewhere, "dist/release/SHA256SUMS")).text()).toBe(sums);
    Bun.spawnSync(["rm", "-rf", unpacked, release, join(top, "dist/elsewhere")]);
  },
);

for (const name of ["darwin-x64", "darwin-arm64"] as const) {
  ciTest(`${name}: signed under our name, and the hash of every page is right`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "codemie-macos-"));
    const program = join(folder, "codemie");
    await compile(await editionOf(undefined), program, name);
    const bytes = await Bun.file(program).bytes();
    expect(faultsOfSignature(bytes)).toEqual({ identifier: "codemie", pages: expect.any(Number), wrong: [] });
    expect(faultsOfSignature(bytes).pages).toBeGreaterThan(10_000);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    expect(faultsOfSignature(bytes).wrong).toHaveLength(1);
    rmSync(folder, { recursive: true });
  });
}
