import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { type VaultFiles, vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";
import { loginFile } from "../support/age.ts";
import { logIn } from "../support/login.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";

/** Threat: somebody who can write the files, or a disk that forgets, changes what lies in the vault. */

const home = mkdtempSync(join(tmpdir(), "codemie-tamper-"));
const files: VaultFiles = vaultFiles(home, {});
const open = () => new Vault(files, Date.now);
const text = z.string();
const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
afterAll(() => rmSync(home, { recursive: true }));

const recordFiles = () => readdirSync(files.folder).filter((name) => name !== "data-key.json");

test("any byte flipped, anywhere in a record, is noticed", async () => {
  await open().write("a", "a secret of some length");
  const file = join(files.folder, recordFiles()[0] ?? "");
  const whole = readFileSync(file);
  for (let at = 0; at < whole.length; at++) {
    for (const bit of [1, 4, 32]) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ bit;
      writeFileSync(file, changed);
      await expect(open().read("a", text)).rejects.toMatchObject({ code: "vault_damaged" });
    }
  }
  for (const cut of [0, 1, whole.length - 1]) {
    writeFileSync(file, whole.subarray(0, cut));
    await expect(open().read("a", text)).rejects.toMatchObject({ code: "vault_damaged" });
  }
  writeFileSync(file, whole);
  expect(await open().read("a", text)).toBe("a secret of some length");
});

test("a record put in another one's place does not open", async () => {
  const [own] = recordFiles();
  await open().write("b", "b's");
  const [other] = recordFiles().filter((name) => name !== own);
  copyFileSync(join(files.folder, own ?? ""), join(files.folder, other ?? ""));
  await expect(open().read("b", text)).rejects.toMatchObject({ code: "vault_damaged" });
});

test("the data key flipped anywhere, another vault's, or without its master key does not open", async () => {
  const whole = readFileSync(files.dataKey);
  for (let at = 0; at < whole.length; at += 3) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 1;
    writeFileSync(files.dataKey, changed);
    await expect(open().read("a", text)).rejects.toMatchObject({
      code: expect.stringMatching(/^vault_(key|damaged)$/),
    });
  }
  writeFileSync(files.dataKey, whole);
  const key = readFileSync(files.masterKey);
  for (const [content, code] of [
    [Buffer.from(`${"A".repeat(43)}\n`), "vault_key"],
    [Buffer.from("short\n"), "vault_key"],
  ] as const) {
    writeFileSync(files.masterKey, content);
    await expect(open().read("a", text)).rejects.toMatchObject({ code });
  }
  rmSync(files.masterKey);
  await expect(open().read("a", text)).rejects.toMatchObject({ code: "vault_key" });
  // and nothing makes a new key over it, which would lose the records for good
  await expect(open().write("a", "new")).rejects.toMatchObject({ code: "vault_key" });
  expect(() => statSync(files.masterKey)).toThrow();
  writeFileSync(files.masterKey, key, { mode: 0o600 });
  expect(await open().read("a", text)).toBe("a secret of some length");
});

test("folders are 0700 and files 0600, also where they stood open", async () => {
  chmodSync(files.folder, 0o755);
  await open().write("a", "again");
  for (const folder of [files.folder, files.run]) expect(statSync(folder).mode & 0o777).toBe(0o700);
  for (const file of [files.masterKey, files.dataKey, ...recordFiles().map((name) => join(files.folder, name))]) {
    expect(statSync(file).mode & 0o777).toBe(0o600);
  }
});

test("the command line: a damaged login is exit 6 with the way out, and logging in again keeps it aside", async () => {
  const person = loggedIn.copy();
  const vault = join(person.codemieHome, "vault");
  writeFileSync(loginFile(person), "{}");
  const status = await person.run(["models"]);
  expect(status.code).toBe(6);
  expect(status.err).toMatch(/^error: the stored record .* is damaged .*\nhint: log in again/);
  const again = await logIn(person, sandbox);
  expect(again.code).toBe(0);
  expect(again.err).toContain("is kept as");
  expect(readdirSync(vault).filter((entry) => entry.includes("damaged")).length).toBe(1);
  expect((await person.run(["models"])).code).toBe(0);
  person.remove();
});

test("the command line: a login that cannot be read is exit 6 and is left alone", async () => {
  const person = loggedIn.copy();
  rmSync(loginFile(person));
  mkdirSync(loginFile(person));
  for (const args of [["models"], ["profile", "status"], ["profile", "login"]]) {
    const { code, err } = await person.run(args);
    expect({ args, code }).toEqual({ args, code: 6 });
    expect(err).toContain(`error: cannot read ${loginFile(person)}: `);
    expect(err).toContain("hint: check the owner and mode of the file");
  }
  expect(statSync(loginFile(person)).isDirectory()).toBe(true);
  person.remove();
});

test("the command line: a missing key is exit 6, nothing is overwritten, and logout still removes the login", async () => {
  const person = loggedIn.copy();
  const key = join(person.codemieHome, "vault.key");
  rmSync(key);
  for (const args of [["models"], ["profile", "status"], ["profile", "login"]]) {
    const { code, err } = await person.run(args);
    expect({ args, code }).toEqual({ args, code: 6 });
    expect(err).toContain("error: the vault's key");
    expect(err).toContain("hint: restore it from a backup");
  }
  expect((await person.run(["profile", "logout"])).code).toBe(0);
  expect(existsSync(loginFile(person))).toBe(false);
  person.remove();
});
