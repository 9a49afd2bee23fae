import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loginFile } from "../support/age.ts";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { runReadOnly, testWithMounts } from "../support/namespace.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";
import { rekeyCheaply } from "../support/vault-access.ts";

/** Whatever is wrong with the vault: its own words, exit 6, a next step, and nothing is lost. */

const passphrase = "correct horse battery";
const sandbox = await sharedSandbox();
const keyFile = await sharedLogin(sandbox);
const sealed = keyFile.copy();
await rekeyCheaply(sealed, passphrase);
sealed.env.CODEMIE_VAULT_PASSPHRASE = passphrase;
afterAll(() => sealed.remove());

const dataKey = (person: Person) => join(person.codemieHome, "vault/data-key.json");
const key = (person: Person) => join(person.codemieHome, "vault.key");
const half = (file: string) => writeFileSync(file, readFileSync(file).subarray(0, readFileSync(file).length / 2));
const folderInstead = (file: string) => {
  rmSync(file);
  mkdirSync(file);
};

test("every way a vault stays shut has its own words, and a next step", async () => {
  const seen = new Set<string>();
  for (const [model, breakIt] of [
    [keyFile, (person) => rmSync(key(person))],
    [keyFile, (person) => writeFileSync(key(person), `${"A".repeat(43)}\n`)],
    [keyFile, (person) => half(key(person))],
    [keyFile, (person) => writeFileSync(key(person), "")],
    [keyFile, (person) => half(dataKey(person))],
    [keyFile, (person) => half(loginFile(person))],
    [keyFile, (person) => folderInstead(loginFile(person))],
    [keyFile, (person) => rmSync(dataKey(person))],
    [keyFile, (person) => (person.env.CODEMIE_VAULT_PASSPHRASE = passphrase)],
    [sealed, (person) => delete person.env.CODEMIE_VAULT_PASSPHRASE],
    [sealed, (person) => (person.env.CODEMIE_VAULT_PASSPHRASE = "wrong")],
    [sealed, (person) => half(dataKey(person))],
  ] as [Person, (person: Person) => unknown][]) {
    const person = model.copy();
    breakIt(person);
    const { code, out, err } = await person.run(["models"]);
    expect({ code, out }).toEqual({ code: 6, out: "" });
    expect(err).toMatch(/^error: .+\nhint: .+\n$/);
    seen.add(err.replaceAll(person.root, "").replace(/^(note|warning).*\n/gm, ""));
    const json = await person.run(["models", "--json"]);
    expect(JSON.parse(json.out).error.code).toStartWith("vault_");
    person.remove();
  }
  // a short key file and an empty one hold no key; half a data key is half one, whatever sealed it
  expect(seen.size).toBe(10);
});

ciTest("a vault that another process keeps to itself: exit 6 after ten seconds, and nothing happened", async () => {
  const person = keyFile.copy();
  const lock = join(person.codemieHome, "run/vault-key.lock");
  const { withLock } = await import("../../src/platform/lock.ts");
  const before = readFileSync(key(person));
  await withLock(lock, "the vault", async () => {
    const { code, err } = await person.run(["vault", "rekey"]);
    expect(code).toBe(6);
    expect(err).toContain("error: the vault has been locked by another codemie for 10 s\nhint: ");
  });
  expect(readFileSync(key(person))).toEqual(before);
  expect((await person.run(["vault", "rekey"])).code).toBe(0);
  person.remove();
});

test("a first login that was killed half-way: the next one goes on with the key that is there", async () => {
  const person = new Person();
  mkdirSync(person.codemieHome, { mode: 0o700 });
  const line = `${"A".repeat(43)}\n`;
  writeFileSync(key(person), line, { mode: 0o600 });
  expect((await logIn(person, sandbox)).code).toBe(0);
  expect(readFileSync(key(person), "utf8")).toBe(line);
  person.remove();
});

ciTest("a damaged end of the audit trail is said, stops nobody, and is not written over", async () => {
  const person = keyFile.copy();
  const vault = join(person.codemieHome, "vault");
  const records = readdirSync(vault).filter((name) => name !== "data-key.json");
  const head = join(vault, records.find((name) => join(vault, name) !== loginFile(person)) ?? "");
  half(head);
  const before = readFileSync(head);
  const login = await logIn(person, sandbox);
  expect(login.code).toBe(0);
  expect(login.err).toContain(
    "warning: the audit trail could not be written: the sealed end of the audit trail is damaged",
  );
  expect(readFileSync(head)).toEqual(before);
  const verify = await person.run(["audit", "verify"]);
  expect(verify.code).toBe(6);
  expect(verify.err).toContain(`hint: move that file and the folder ${join(person.codemieHome, "audit")} away`);
  const status = await person.run(["vault", "status"]);
  expect(status.code).toBe(6);
  expect(status.out).toContain("the vault opens, but not everything in it: 1 damaged");
  // what the hint says works: events are written down again, though the trail is not whole
  rmSync(head);
  rmSync(join(person.codemieHome, "audit"), { recursive: true });
  const again = await logIn(person, sandbox);
  expect(again.code).toBe(0);
  expect(again.err).toContain("warning: the audit trail is broken");
  const events = JSON.parse((await person.run(["audit", "list", "--json"])).out) as { event: string }[];
  expect(events.map(({ event }) => event)).toEqual(["trail-broken", "login"]);
  expect((await person.run(["audit", "verify"])).code).toBe(1);
  // and so does what the document says
  for (const folder of ["audit", "vault"]) rmSync(join(person.codemieHome, folder), { recursive: true });
  expect((await logIn(person, sandbox)).err).not.toContain("warning");
  expect((await person.run(["audit", "verify"])).code).toBe(0);
  person.remove();
});

test("logging out works while the vault stays shut", async () => {
  const person = sealed.copy();
  person.env.CODEMIE_VAULT_PASSPHRASE = "wrong";
  const { code, out, err } = await person.run(["profile", "logout"]);
  expect(code).toBe(0);
  expect(out).toContain("profile default is logged out (the host could not be asked to end the session)");
  expect(err).toContain("warning: the passphrase from CODEMIE_VAULT_PASSPHRASE does not open this vault");
  expect(await Bun.file(loginFile(person)).exists()).toBe(false);
  person.remove();
});

testWithMounts("a read-only disk: reading works, also where a mode cannot be put right; a login says so", async () => {
  for (const model of [keyFile, sealed]) {
    const person = model.copy();
    chmodSync(dataKey(person), 0o644);
    const models = await runReadOnly(person, ["models"]);
    expect(models.code).toBe(0);
    const note = `note: ${dataKey(person)} is open to other users of this machine and cannot be closed (EROFS)\n`;
    expect(models.err.split(note).length).toBe(2);
    expect((await runReadOnly(person, ["vault", "status"])).code).toBe(0);
    const login = await runReadOnly(person, ["profile", "login"]);
    expect(login.code).toBe(1);
    expect(login.err).toContain("the file system is read-only\nhint: ");
    expect(login.err).not.toContain("open this address");
    person.remove();
  }
});

test("an export into a file that is there is refused before anybody is asked for the vault's passphrase", async () => {
  const person = sealed.copy();
  delete person.env.CODEMIE_VAULT_PASSPHRASE;
  const { code, err } = await person.run(["vault", "export", person.configFile]);
  expect([code, err]).toEqual([1, expect.stringContaining("exists, and is not overwritten")]);
  person.remove();
});
