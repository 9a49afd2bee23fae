import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import { unzipSync } from "fflate";
import { pack } from "../../release/archive.ts";
import { bundledPackages } from "../../release/bundled.ts";
import { installer } from "../../release/installer.ts";
import { signMachO } from "../../release/macho.ts";
import { seal } from "../../release/release.ts";
import { billOfMaterials } from "../../release/sbom.ts";
import { pemBody, rawSignature, releaseKey, sshPublicKey, sshSignature } from "../../release/signature.ts";
import { namedTargets, targets } from "../../release/targets.ts";
import { faultsOfSignature, smallMachO } from "../support/mach-o.ts";
import { newKey } from "../support/release.ts";

/** What a release is made of: archives, sums, signatures, the bill of materials. */

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "codemie-release-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (command: string[], stdin = "") => {
  const { exitCode, stdout } = Bun.spawnSync(command, { stdin: Buffer.from(stdin), stderr: "ignore" });
  return { exitCode, out: stdout.toString() };
};
const file = (name: string, content: string | Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

test("the real openssl and ssh-keygen accept both signatures, and neither for another text", () => {
  const key = newKey();
  const text = "# codemie 1.2.3\nsums\n";
  const pem = file("key.pem", `-----BEGIN PUBLIC KEY-----\n${pemBody(key)}\n-----END PUBLIC KEY-----\n`);
  const raw = file("text.sig", rawSignature(Buffer.from(text), key));
  const ssh = file("text.sshsig", sshSignature(Buffer.from(text), key));
  const signers = file("signers", `codemie namespaces="file" ${sshPublicKey(key)}\n`);
  const openssl = (content: string) =>
    run([
      "openssl",
      "pkeyutl",
      "-verify",
      "-pubin",
      "-inkey",
      pem,
      "-rawin",
      "-in",
      file("text", content),
      "-sigfile",
      raw,
    ]);
  const keygen = (content: string, what = "file") =>
    run(["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "codemie", "-n", what, "-s", ssh], content);
  expect([openssl(text).exitCode, keygen(text).exitCode]).toEqual([0, 0]);
  expect(openssl(`${text} `).exitCode).not.toBe(0);
  expect(keygen(`${text} `).exitCode).not.toBe(0);
  expect(keygen(text, "git").exitCode).not.toBe(0);
});

test("only an Ed25519 key signs; an error does not repeat it", () => {
  expect(releaseKey(undefined)).toBeUndefined();
  expect(releaseKey(" \n")).toBeUndefined();
  expect(() => releaseKey("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----")).toThrow(
    "CODEMIE_RELEASE_KEY is not a private key in PEM",
  );
  const { out } = run(["openssl", "genpkey", "-algorithm", "X25519"]);
  expect(() => releaseKey(out)).toThrow("CODEMIE_RELEASE_KEY is not an Ed25519 key");
});

test("archives hold program and documents, and the same program makes the same bytes at any time", async () => {
  const program = file("program", "#!/bin/sh\necho hello\n");
  const packed = async (name: string) => {
    const to = join(folder, name);
    const names = [...(await pack("linux-x64", program, to)), ...(await pack("windows-arm64", program, to))];
    return await Promise.all(names.map(async (one) => [one, await Bun.file(join(to, one)).bytes()] as const));
  };
  const first = await packed("first");
  chmodSync(program, 0o700);
  utimesSync(program, 1, 1);
  expect(await packed("second")).toEqual(first);
  expect(first.map(([name]) => name)).toEqual([
    "codemie-linux-x64.tar.gz",
    "codemie-linux-x64.tar.zst",
    "codemie-windows-arm64.exe.zip",
  ]);
  const listed = run(["tar", "--numeric-owner", "--utc", "-tvzf", join(folder, "first/codemie-linux-x64.tar.gz")]).out;
  const line = /^(\S+) (\S+) +\d+ (\S+ \S+) (\S+)$/gm;
  expect([...listed.matchAll(line)].map(([, ...parts]) => parts.join(" "))).toEqual([
    "-rwxr-xr-x 0/0 1980-01-01 00:00 codemie",
    "-rw-r--r-- 0/0 1980-01-01 00:00 LICENSE",
    "-rw-r--r-- 0/0 1980-01-01 00:00 README.md",
  ]);
  const zip = unzipSync(first[2]?.[1] ?? new Uint8Array());
  expect(Object.keys(zip)).toEqual(["codemie.exe", "LICENSE", "README.md"]);
  expect(Buffer.from(zip["codemie.exe"] ?? "").toString()).toBe("#!/bin/sh\necho hello\n");
  const tar = Bun.zstdDecompressSync(first[1]?.[1] ?? new Uint8Array());
  expect(tar).toEqual(Buffer.from(Bun.gunzipSync(first[0]?.[1] ?? new Uint8Array())));
});

test("the bill of materials names what is bundled, and nothing else", async () => {
  const packages = await bundledPackages();
  const names = packages.map(({ name }) => name);
  expect(names).toContain("@clack/prompts");
  expect(names).toContain("tldts"); // a package that only another package needs
  expect(names.at(-1)).toBe("bun");
  for (const absent of ["express", "typescript", "tar"]) expect(names).not.toContain(absent);
  const bill = billOfMaterials("1.2.3", packages) as {
    specVersion: string;
    components: { "bom-ref": string; hashes: { content: string }[] }[];
    dependencies: { ref: string; dependsOn: string[] }[];
  };
  const folder = join(
    dirname(Bun.resolveSync("@cyclonedx/cyclonedx-library/package.json", import.meta.dir)),
    "res/schema",
  );
  const schema = (name: string) => Bun.file(join(folder, `${name}.SNAPSHOT.schema.json`)).json();
  const ajv = new Ajv({ strict: false, formats: { "iri-reference": true, "idn-email": true } });
  addFormats(ajv);
  for (const name of ["spdx", "jsf-0.82"])
    ajv.addSchema(await schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  const isRight = ajv.compile(await schema("bom-1.6"));
  expect([isRight(bill), isRight.errors]).toEqual([true, null]);
  expect(isRight({ ...bill, components: [{ type: "thing" }] })).toBe(false);
  const refs = bill.components.map((one) => one["bom-ref"]);
  expect(refs).toContain(`pkg:npm/%40clack/core@${packages[0]?.version}`);
  expect(bill.components.every(({ hashes }) => /^[0-9a-f]{128}$/.test(hashes[0]?.content ?? ""))).toBe(true);
  const led = new Set(bill.dependencies.flatMap(({ dependsOn }) => dependsOn));
  expect([...led].sort()).toEqual([...refs].sort());
});

test("the list of sums begins with the version, and sha256sum reads it; without a key nothing is signed", async () => {
  const to = join(folder, "sealed");
  mkdirSync(to);
  writeFileSync(join(to, "codemie-linux-x64.tar.gz"), "an archive");
  const edition = { version: "1.2.3", commit: "unknown", baseUrl: "https://example.com/releases", packages: [] };
  await seal(to, { ...edition, key: undefined });
  const unsigned = ["SHA256SUMS", "VERSION", "codemie-linux-x64.tar.gz", "codemie.cdx.json", "install.sh"];
  expect(readdirSync(to).sort()).toEqual(unsigned);
  await seal(to, { ...edition, key: newKey() });
  expect(readdirSync(to).sort()).toEqual([...unsigned, "SHA256SUMS.sig", "SHA256SUMS.sshsig"].sort());
  const sums = await Bun.file(join(to, "SHA256SUMS")).text();
  expect(sums).toStartWith("# codemie 1.2.3\n");
  const checked = Bun.spawnSync(["sha256sum", "--strict", "-c", "SHA256SUMS"], { cwd: to }).stdout.toString();
  expect(checked).toBe("VERSION: OK\ncodemie-linux-x64.tar.gz: OK\ncodemie.cdx.json: OK\ninstall.sh: OK\n");
});

test("an address that would end the quotes it stands in gets no installer", async () => {
  const of = (baseUrl: string) => ({ version: "1.2.3", commit: "unknown", packages: [], key: undefined, baseUrl });
  expect(await installer(of("https://example.com/$HOME"))).toContain("built_base='https://example.com/$HOME'\n");
  await expect(installer(of("https://example.com/'; id; '"))).rejects.toThrow(
    "the installer cannot hold this BASE_URL",
  );
});

test("a program for macOS is signed ad hoc: the hash of every page, over what the old signature covered", () => {
  for (const length of [4096, 4112, 20_000]) {
    const program = smallMachO(length);
    const signed = signMachO(program, "codemie");
    const pages = Math.ceil(length / 4096);
    expect(faultsOfSignature(signed)).toEqual({ identifier: "codemie", pages, wrong: [] });
    expect(signMachO(signed, "codemie")).toEqual(signed);
    signed[length - 1] = 1;
    expect(faultsOfSignature(signed).wrong).toEqual([pages - 1]);
  }
  expect(() => signMachO(new Uint8Array(100), "codemie")).toThrow("no 64-bit Mach-O file");
});

test("targets are named as the archives are; a wrong name is refused with the right ones", () => {
  expect(Object.keys(targets)).toHaveLength(10);
  expect(namedTargets("darwin-x64, linux-x64")).toEqual(["linux-x64", "darwin-x64"]);
  expect(() => namedTargets("linux-x86")).toThrow('no target "linux-x86": there are linux-x64, ');
});
