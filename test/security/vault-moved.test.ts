import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { Secret } from "../../src/core/secret.ts";
import { keyFileOnly, type VaultAccess, vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";
import type { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { startDetached } from "../support/proxy.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** Threat: after the vault's folder was moved away, a gateway that still runs seals with its key, and nothing opens it. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = loggedIn.copy();
});
afterEach(() => person.remove());

const folder = () => join(person.codemieHome, "vault");

test("a vault that was moved away is not begun anew with the old key", async () => {
  await startDetached(person);
  renameSync(folder(), `${folder()}.old`);
  expect((await person.run(["proxy", "stop"])).code).toBe(0);
  expect(existsSync(folder())).toBe(false);
  expect((await logIn(person, sandbox)).code).toBe(0);
  expect((await person.run(["vault", "status"])).code).toBe(0);
});

test("a new vault in its place is the one the gateway goes on with", async () => {
  const { url, key } = await startDetached(person);
  renameSync(folder(), `${folder()}.old`);
  expect((await logIn(person, sandbox, "grace")).code).toBe(0);
  const ask = { method: "POST", body: '{"model":"m","messages":[]}', headers: { "x-api-key": key } };
  expect((await fetch(`${url}/v1/messages`, ask)).status).toBe(200);
  expect((await person.run(["proxy", "stop"])).code).toBe(0);
  const status = await person.run(["vault", "status"]);
  expect({ code: status.code, err: status.err }).toEqual({ code: 0, err: "" });
});

const withPassphrase = (text: string): VaultAccess => ({
  passphrase: { variable: "X", read: async () => new Secret(text) },
  note: () => undefined,
});

ciTest("a vault sealed anew meanwhile, with a passphrase nobody gave to us, goes on being used", async () => {
  const files = vaultFiles(join(person.root, "other"), {});
  const [first, second] = ["the first passphrase", "the second passphrase"] as const;
  const runs = new Vault(files, Date.now, withPassphrase(first));
  await runs.write("a", 1);
  const rekeys = new Vault(files, Date.now, withPassphrase(first));
  await rekeys.rekey(async () => ({ with: "passphrase", passphrase: new Secret(second) }));
  await runs.write("a", 2);
  expect(await new Vault(files, Date.now, withPassphrase(second)).read("a", z.number())).toBe(2);
  // nothing shows that a record that is not there would be sealed with the same key
  expect(runs.write("b", 1)).rejects.toThrow("does not open");
});

test("a vault that is gone, or another one, is not written with the old key", async () => {
  const files = vaultFiles(join(person.root, "other"), {});
  const runs = new Vault(files, Date.now, keyFileOnly);
  await runs.write("a", 1);
  renameSync(files.folder, `${files.folder}.old`);
  expect(runs.write("a", 2)).rejects.toThrow("the vault was moved away while codemie was running");
  expect(await runs.exists()).toBe(false);
  expect(existsSync(files.folder)).toBe(false);
  const other = new Vault(files, Date.now, keyFileOnly);
  await other.write("a", 3);
  expect(await runs.read("a", z.number())).toBe(3);
  await runs.write("b", 4);
  expect(await other.read("b", z.number())).toBe(4);
});
