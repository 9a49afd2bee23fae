import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { loginFile } from "../support/age.ts";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: another user of the machine reads the vault's files, or lays files or links of their own in their place. */

const sandbox = await sharedSandbox();
const model = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = model.copy();
});
afterEach(() => person.remove());

const parts = {
  "the vault's folder": () => join(person.codemieHome, "vault"),
  "a record": () => loginFile(person),
  "the wrapped data key": () => join(person.codemieHome, "vault/data-key.json"),
  "the key file": () => join(person.codemieHome, "vault.key"),
};
const modeOf = (path: string) => statSync(path).mode & 0o777;
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: only root can give a file to another user");

for (const [what, path] of cases(Object.entries(parts))) {
  test(`${what} that stands open is closed, with a note, once`, async () => {
    const open = what.includes("folder") ? 0o777 : 0o666;
    chmodSync(path(), open);
    const { code, err } = await person.run(["profile", "status"]);
    expect(code).toBe(0);
    expect(err).toBe(`note: ${path()} was open to other users of this machine; it is closed now\n`);
    expect(modeOf(path())).toBe(what.includes("folder") ? 0o700 : 0o600);
    expect((await person.run(["profile", "status"])).err).toBe("");
  });

  test(`${what} that is a symbolic link is not followed, read or written`, async () => {
    const real = join(person.root, "elsewhere");
    renameSync(path(), real);
    symlinkSync(real, path());
    const before = statSync(real);
    for (const args of [["models"], ["profile", "login"], ["vault", "rekey"]]) {
      const { code, err } = await person.run(args);
      // a new key does not read the records
      if (what === "a record" && args[1] === "rekey") expect(code).toBe(0);
      else {
        expect({ args, code }).toEqual({ args, code: 6 });
        expect(err).toContain(`error: ${path()} is a symbolic link, and is not followed\nhint: `);
      }
    }
    expect(statSync(real).mtimeMs).toBe(before.mtimeMs);
  });

  test.skipIf(!isRoot)(`${what} of another user is not used`, async () => {
    chownSync(path(), 12_345, 12_345);
    for (const args of [["models"], ["profile", "login"]]) {
      const { code, err } = await person.run(args);
      expect({ args, code }).toEqual({ args, code: 6 });
      expect(err).toContain(`error: ${path()} belongs to another user (12345), and is not used\nhint: `);
    }
  });
}

test("a pipe in a record's place does not hang it", async () => {
  const file = loginFile(person);
  renameSync(file, join(person.root, "kept"));
  Bun.spawnSync(["mkfifo", "-m", "600", file]);
  const { code, err } = await person.run(["models"]);
  expect(code).toBe(6);
  expect(err).toContain(`error: cannot read ${file}: it is not a file`);
});

test("the base folder may be a link", async () => {
  const real = join(person.root, "big disk");
  renameSync(person.codemieHome, real);
  symlinkSync(real, person.codemieHome);
  expect((await person.run(["profile", "status"])).code).toBe(0);
  expect((await logIn(person, sandbox)).code).toBe(0);
});

test("a base folder that others may write in is closed, with a note", async () => {
  chmodSync(person.codemieHome, 0o777);
  const { code, err } = await person.run(["profile", "status"]);
  expect(code).toBe(0);
  expect(err).toContain(`note: ${person.codemieHome} was open to other users of this machine; it is closed now`);
  expect(modeOf(person.codemieHome)).toBe(0o700);
});

test("a folder that everybody shares is no base folder, and is left as it is", async () => {
  const shared = join(person.root, "shared");
  mkdirSync(shared);
  chmodSync(shared, 0o1777);
  const login = ["profile", "login", "--url", sandbox.origin];
  const { code, err } = await person.run(login, { env: { CODEMIE_HOME: shared } });
  expect(code).toBe(6);
  expect(err).toContain(`error: others may write in ${shared}, so codemie reads and stores nothing there`);
  expect(statSync(shared).mode & 0o7777).toBe(0o1777);
  expect(readdirSync(shared)).toEqual([]);
});

test.skipIf(!isRoot)("another user's base folder is not used", async () => {
  chownSync(person.codemieHome, 12_345, 12_345);
  const { code, err } = await person.run(["models"]);
  expect(code).toBe(6);
  expect(err).toContain(`error: ${person.codemieHome} belongs to another user (12345), and is not used`);
});

test("another place for the key file: made there, for its owner only; a folder that is missing is said", async () => {
  const other = new Person();
  const missing = { CODEMIE_VAULT_KEY_FILE: join(other.root, "stick/vault.key") };
  const failed = await other.run(["profile", "login", "--url", sandbox.origin], { env: missing });
  expect(failed.code).toBe(1);
  expect(failed.err).toContain(`error: cannot write ${missing.CODEMIE_VAULT_KEY_FILE}: the folder does not exist`);
  mkdirSync(join(other.root, "stick"), { mode: 0o755 });
  Object.assign(other.env, missing);
  expect((await logIn(other, sandbox)).code).toBe(0);
  expect(modeOf(missing.CODEMIE_VAULT_KEY_FILE)).toBe(0o600);
  expect(modeOf(join(other.root, "stick"))).toBe(0o755);
  expect(existsSync(join(other.codemieHome, "vault.key"))).toBe(false);
  other.remove();
});

test("a missing data key makes no new one while there are logins that only it opens", async () => {
  const file = join(person.codemieHome, "vault/data-key.json");
  const kept = readFileSync(file);
  renameSync(file, join(person.root, "kept"));
  for (const args of [["models"], ["profile", "login"], ["vault", "status"], ["vault", "rekey"]]) {
    const { code, err } = await person.run(args);
    expect({ args, code }).toEqual({ args, code: 6 });
    expect(err).toContain(`error: the vault holds logins, but ${file}, which opens them, is missing`);
  }
  expect(readdirSync(join(person.codemieHome, "vault"))).not.toContain("data-key.json");
  writeFileSync(file, kept, { mode: 0o600 });
  expect((await person.run(["models"])).code).toBe(0);
});
