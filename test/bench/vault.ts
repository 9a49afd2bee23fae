/**
 * What reading a sealed record costs against reading a plain file of the same size, at 1, 100 and 1,000 records, and
 * what `codemie token` costs against `codemie --version`, with a key file and with a passphrase. Ratios of medians in one
 * run; the numbers are kept in dist/bench-vault.json.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { loginRecord } from "../../src/auth/credential.ts";
import { Secret } from "../../src/core/secret.ts";
import { deriveKey, freshKdf } from "../../src/vault/kdf.ts";
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";

const rounds = 200;
const bytes = 8_000; // a session in two parts
const record = z.object({ filler: z.string() });
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function time(count: number, work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = -20; round < count; round++) {
    const start = performance.now();
    await work();
    if (round >= 0) times.push(performance.now() - start);
  }
  return median(times);
}

const result: Record<string, unknown>[] = [];
for (const size of [1, 100, 1000]) {
  const home = mkdtempSync(join(tmpdir(), "codemie-bench-"));
  const files = vaultFiles(home, {});
  const vault = new Vault(files, Date.now);
  await vault.prepare();
  for (let i = 0; i < size; i++) await vault.write(`record ${i}`, { filler: "x".repeat(bytes) });
  await Bun.write(join(home, "plain"), "x".repeat(bytes));
  const any = () => `record ${Math.floor(Math.random() * size)}`;
  const plain = await time(rounds, () => readFile(join(home, "plain"), "utf8"));
  // a vault opened anew each time, as each command does
  const opened = await time(rounds, () => new Vault(files, Date.now).read(any(), record));
  const warm = await time(rounds, () => vault.read(any(), record));
  result.push({ records: size, plainMs: plain, openAndReadMs: opened, readMs: warm });
  console.log(
    `${String(size).padStart(5)} records: open and read ${(opened / plain).toFixed(1)}×, read ${(warm / plain).toFixed(1)}× a plain file (${plain.toFixed(3)} ms)`,
  );
  rmSync(home, { recursive: true });
}

const home = mkdtempSync(join(tmpdir(), "codemie-bench-"));
const vault = new Vault(vaultFiles(join(home, ".codemie"), {}), Date.now);
await vault.prepare();
const origin = "http://127.0.0.1:9";
const identity = { id: "1", name: "Ada", email: "ada@example.com" };
const tokens = { issuer: origin, clientId: "c", scope: "openid", accessToken: "a".repeat(1000) };
await vault.write(loginRecord("default"), { method: "oidc", origin, identity, loggedInAt: Date.now(), ...tokens });
const config = { version: 2, activeProfile: "default", profiles: { default: { codeMieUrl: origin } } };
await Bun.write(join(home, ".codemie/codemie-cli.config.json"), JSON.stringify(config));
const codemie = join(import.meta.dir, "../../dist/codemie");
const passphrase = "a passphrase for the bench";
const start = (args: string[]) => async () => {
  const env = { HOME: home, PATH: "", ...sealedWith };
  const { exitCode } = Bun.spawnSync([codemie, ...args], { env, stdout: "ignore" });
  if (exitCode !== 0) throw new Error(`codemie ${args.join(" ")} failed`);
};
let sealedWith: Record<string, string> = {};
const version = await time(40, start(["--version"]));
const token = await time(40, start(["token"]));
await vault.rekey(async () => ({ with: "passphrase", passphrase: new Secret(passphrase) }));
sealedWith = { CODEMIE_VAULT_PASSPHRASE: passphrase };
const withPassphrase = await time(40, start(["token"]));
const derived = await time(40, () => deriveKey(new Secret(passphrase), freshKdf()));
result.push({ versionMs: version, tokenMs: token, tokenWithPassphraseMs: withPassphrase, deriveMs: derived });
console.log(
  `codemie token ${(token / version).toFixed(1)}× codemie --version (${token.toFixed(1)} ms, ${version.toFixed(1)} ms)`,
);
console.log(
  `with a passphrase ${(withPassphrase / token).toFixed(1)}× with a key file (${withPassphrase.toFixed(1)} ms, ${derived.toFixed(1)} ms of it to derive the key)`,
);
await Bun.write(
  join(import.meta.dir, "../../dist/bench-vault.json"),
  JSON.stringify({ rounds, bytes, result }, null, 2),
);
rmSync(home, { recursive: true });
