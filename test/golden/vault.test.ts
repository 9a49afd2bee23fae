import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { base64url } from "jose";
import { auditHead } from "../../src/audit/events.ts";
import { storedLogin } from "../../src/auth/credential.ts";
import { Secret } from "../../src/core/secret.ts";
import { deriveKey, kdf } from "../../src/vault/kdf.ts";
import { keyFileOnly, vaultFiles } from "../../src/vault/key.ts";
import { openExport } from "../../src/vault/portable.ts";
import { unseal } from "../../src/vault/seal.ts";
import { Vault } from "../../src/vault/vault.ts";
import { Person } from "../support/codemie.ts";
import { remembering } from "../support/remembering.ts";
import { passphraseAccess } from "../support/vault-access.ts";
import {
  goldenExportPassphrase,
  goldenKeysAndTokens,
  goldenPassphrase,
  goldenProfiles,
  goldenRecords,
  goldenRemembering,
} from "./expected.ts";

/** Files written by an earlier version open, hold what they held, and no byte of them can change unnoticed. */

const root = mkdtempSync(join(tmpdir(), "codemie-golden-"));
beforeAll(() => {
  cpSync(import.meta.dir, root, { recursive: true });
  // git keeps no modes
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o700 : 0o600);
  }
});
afterAll(() => rmSync(root, { recursive: true }));

const kinds = {
  "key-file": { access: keyFileOnly, env: {} },
  passphrase: { access: passphraseAccess(goldenPassphrase), env: { CODEMIE_VAULT_PASSPHRASE: goldenPassphrase } },
} as const;

for (const [kind, { access, env }] of Object.entries(kinds)) {
  test(`the frozen vault sealed with a ${kind} opens`, async () => {
    const vault = new Vault(vaultFiles(join(root, kind), {}), Date.now, access);
    for (const [name, record] of Object.entries(goldenRecords)) {
      const shape = name === "audit head" ? auditHead : storedLogin;
      expect({ name, record: await vault.read<unknown>(name, shape) }).toEqual({ name, record });
    }
    expect((await vault.records()).length).toBe(Object.keys(goldenRecords).length);
  });

  test(`the frozen vault sealed with a ${kind} opens with the binary`, async () => {
    const person = new Person();
    cpSync(join(root, kind), person.codemieHome, { recursive: true });
    writeFileSync(
      join(person.codemieHome, "codemie-cli.config.json"),
      JSON.stringify({ version: 2, activeProfile: "default", profiles: goldenProfiles }),
    );
    const { code, out, err } = await person.run(["profile", "status", "--offline"], { env });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("Ada L <ada@example.com>");
    person.remove();
  });
}

test("the frozen vault with a token and a key opens", async () => {
  const vault = new Vault(vaultFiles(join(root, "keys-and-tokens"), {}), Date.now);
  for (const [name, record] of Object.entries(goldenKeysAndTokens)) {
    expect({ name, record: await vault.read<unknown>(name, storedLogin) }).toEqual({ name, record });
  }
});

test("the frozen login that remembers the trail opens, and the trail is the one it remembers", async () => {
  const home = join(root, "remembering");
  const { vault, trail } = remembering(home);
  const { mark, "login ci": login } = goldenRemembering;
  expect(await vault.read<unknown>("login ci", storedLogin)).toEqual(login);
  expect((await vault.records()).at(-1)).toEqual({ name: "login ci", value: login, mark });
  expect(await trail.verify()).toEqual({ ok: true, entries: 2 });
  rmSync(join(home, "audit"), { recursive: true });
  rmSync(vault.fileOf("audit head"));
  expect(await trail.verify()).toMatchObject({ ok: false, why: expect.stringContaining("profile ci was sealed when") });
});

test("the frozen export opens", async () => {
  const text = readFileSync(join(root, "export.codemie"), "utf8");
  const opened = await openExport(text, async () => new Secret(goldenExportPassphrase));
  const { "audit head": _, ...logins } = goldenRecords;
  const records = Object.entries(logins).map(([name, record]) => ({ name, record }));
  if (!("plain" in opened)) throw new Error(opened.failed);
  expect(JSON.parse(new TextDecoder().decode(opened.plain))).toEqual({ records, profiles: goldenProfiles });
  expect(await openExport(text, async () => new Secret("another passphrase"))).toEqual({ failed: "wrong" });
});

for (const [file, passphrase, name] of [
  ["passphrase/vault/data-key.json", goldenPassphrase, "codemie vault 1 data key"],
  ["export.codemie", goldenExportPassphrase, "codemie vault 1 export"],
] as const) {
  test(`any byte flipped in ${file} is noticed`, async () => {
    const whole = readFileSync(join(root, file));
    const header = JSON.parse(new TextDecoder().decode(base64url.decode(JSON.parse(whole.toString()).protected)));
    const key = await deriveKey(new Secret(passphrase), kdf.parse(header.kdf));
    expect("plain" in (await unseal(whole.toString(), key, name))).toBe(true);
    for (let at = 0; at < whole.length; at++) {
      for (const bit of [1, 4, 32]) {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] ?? 0) ^ bit;
        // the key is given: also parameters that lead to it all the same must not pass
        expect(await unseal(changed.toString("latin1"), key, name)).toHaveProperty("failed");
      }
    }
  });
}

test("a vault of a later format says so and is left alone", async () => {
  const home = join(root, "later");
  cpSync(join(root, "passphrase"), home, { recursive: true });
  const file = join(home, "vault/data-key.json");
  const text = readFileSync(file, "utf8");
  const encode = (part: string) => base64url.encode(part);
  const name = encode("codemie vault 1 data key");
  for (const later of [
    text.replace(name, encode("codemie vault 2 data key")),
    text.replace(
      /"protected":"[^"]+"/,
      `"protected":"${encode('{"alg":"dir","enc":"A256GCM","kdf":{"name":"new"}}')}"`,
    ),
  ]) {
    expect(later).not.toBe(text);
    writeFileSync(file, later);
    const vault = new Vault(vaultFiles(home, {}), Date.now, passphraseAccess(goldenPassphrase));
    for (const call of [() => vault.exists(), () => vault.prepare(), () => vault.write("a", 1)]) {
      await expect(call()).rejects.toMatchObject({ message: expect.stringContaining("this version of codemie") });
    }
    expect(readFileSync(file, "utf8")).toBe(later);
  }
});

test("Argon2id is the standard's (RFC 9106, known answer of the reference implementation)", async () => {
  // echo -n password | argon2 somesaltsomesalt -id -v 13 -t 2 -m 16 -p 1 -l 32 -r
  const derived = await deriveKey(new Secret("password"), {
    name: "argon2id",
    memoryKiB: 65_536,
    passes: 2,
    lanes: 1,
    salt: base64url.encode("somesaltsomesalt"),
  });
  expect(Buffer.from(derived).toString("hex")).toBe("fc33b78139231d34b71626bd6245c1d72efa190ad605c3d8166a72adcedfa2c2");
});
