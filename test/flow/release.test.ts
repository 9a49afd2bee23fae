import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { bundledPackages, licencesOf } from "../../release/bundled.ts";
import { releaseKey, sshPublicKey } from "../../release/signature.ts";
import { codemie } from "../support/codemie.ts";
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

ciTest("two targets, signed: the files of the contract, and the key in program and installer", async () => {
  const { privateKey } = generateKeyPairSync("ed25519", {
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const other = ownTarget === "linux-arm64" ? "linux-x64" : "linux-arm64";
  const base = "http://127.0.0.1:9/releases";
  const built = Bun.spawnSync(["bun", "build.ts", "--all", "--only", `${ownTarget},${other}`], {
    cwd: top,
    env: { ...process.env, CODEMIE_RELEASE_KEY: privateKey, CODEMIE_INSTALL_BASE_URL: base },
  });
  expect({ code: built.exitCode, err: built.exitCode === 0 ? "" : built.stderr.toString() }).toEqual({
    code: 0,
    err: "",
  });
  expect(built.stdout.toString()).not.toContain("unsigned");
  const release = join(top, "dist/release");
  const archives = [ownTarget, other].flatMap((name) => [`codemie-${name}.tar.gz`, `codemie-${name}.tar.zst`]);
  const rest = ["SHA256SUMS", "SHA256SUMS.sig", "SHA256SUMS.sshsig", "VERSION", "codemie.cdx.json", "install.sh"];
  expect(readdirSync(release).sort()).toEqual([...archives, ...rest].sort());
  const key = releaseKey(privateKey);
  if (!key) throw new Error("no key");
  const script = await Bun.file(join(release, "install.sh")).text();
  expect(script).toContain(`key_ssh='${sshPublicKey(key)}'`);
  expect(script).toContain(`built_base='${base}'`);
  const to = join(top, "dist/release.test");
  Bun.spawnSync(["mkdir", "-p", to]);
  Bun.spawnSync(["tar", "-xzf", join(release, `codemie-${ownTarget}.tar.gz`), "-C", to]);
  const said = JSON.parse(run([join(to, "codemie"), "--version", "--json"]));
  expect(said.signingKey).toBe(key.publicKey);
  Bun.spawnSync(["tar", "-xzf", join(release, `codemie-${other}.tar.gz`), "-C", to]);
  const head = (await Bun.file(join(to, "codemie")).slice(0, 20).bytes()).subarray(18);
  expect([...head]).toEqual(other === "linux-arm64" ? [183, 0] : [62, 0]); // ELF e_machine
  Bun.spawnSync(["rm", "-rf", to, release]);
  expect(existsSync(codemie)).toBe(true);
});
