import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { auditHead } from "../../src/audit/events.ts";
import { loginRecord, storedLogin } from "../../src/auth/credential.ts";
import { keyFileOnly, vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";
import { ageLogin, loginFile, vaultOf } from "../support/age.ts";
import type { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { remembering } from "../support/remembering.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { slowDisk } from "../support/slow-disk.ts";
import { cases, ciTest } from "../support/tiers.ts";
import { passphraseAccess } from "../support/vault-access.ts";
import { Worker } from "../support/worker.ts";

/** Threat: somebody puts an earlier, shorter trail in the place of the trail, or none, or another vault. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = loggedIn.copy();
});
afterEach(() => person.remove());

const at = (...names: string[]) => join(person.codemieHome, ...names);
const lines = () => readFileSync(at("audit/audit-000001.jsonl"), "utf8").trimEnd().split("\n");
const endName = () => readdirSync(at("audit")).find((name) => name.startsWith("end-")) ?? "";
const headFile = () => vaultOf(person).fileOf("audit head");

/** Writes a line into the trail. */
const use = async () => expect((await person.run(["token", "--format", "header"])).code).toBe(0);

/** Has the program seal the login again. */
async function renew(): Promise<void> {
  await ageLogin(person);
  expect((await person.run(["models"])).code).toBe(0);
}

/** Takes everything that somebody who looks into the trail's folder now can put back later. */
function look(): () => void {
  const [kept, end] = [lines(), endName()];
  return () => {
    writeFileSync(at("audit/audit-000001.jsonl"), `${kept.join("\n")}\n`);
    for (const name of readdirSync(at("audit"))) {
      if (/^audit-(?!000001)/.test(name)) rmSync(at("audit", name));
      if (name.startsWith("end-")) renameSync(at("audit", name), at("audit", end));
    }
  };
}

const removeTrail = () => {
  rmSync(at("audit"), { recursive: true });
  rmSync(headFile());
};

async function verdict(): Promise<{ code: number; said: string }> {
  const { code, out, err } = await person.run(["audit", "verify"]);
  return { code, said: `${out}${err}`.replaceAll(/\s+/g, " ") };
}

const numbers = async () =>
  (JSON.parse((await person.run(["audit", "list", "--json"])).out) as { seq: number }[]).map(({ seq }) => seq);

async function warning(...args: string[]): Promise<string> {
  const { code, err } = await person.run(args);
  expect(code).toBe(0);
  return err.replaceAll(/\s+/g, " ");
}

test("the trail and its key removed: found, and the login that remembers them is named", async () => {
  await use();
  await renew();
  const before = lines().length;
  removeTrail();
  const { code, said } = await verdict();
  expect(code).toBe(1);
  expect(said).toContain(
    `the vault knows no trail: the login of profile default was sealed when the trail had ${before} lines`,
  );
});

test("removed right after the first login, which no line was written before", async () => {
  removeTrail();
  expect((await verdict()).said).toContain("the vault knows no trail: the login of profile default was sealed");
  const warned = await warning("token", "--format", "header");
  expect(warned).toContain("warning: the audit trail is broken");
  expect((await verdict()).code).toBe(1);
});

test("after that the numbers go on, the first line says why, and the person is told once", async () => {
  for (let i = 0; i < 3; i++) await use();
  await renew();
  const before = lines().length;
  removeTrail();
  expect(await warning("token", "--format", "header")).toContain(
    `warning: the audit trail is broken: its lines up to ${before} are gone`,
  );
  expect(await warning("token", "--format", "header")).not.toContain("broken");
  await renew();
  const [first, ...others] = JSON.parse((await person.run(["audit", "list", "--json"])).out);
  expect(first).toMatchObject({ event: "trail-broken", outcome: "broken", detail: { "up-to": before } });
  expect(first.seq).toBeGreaterThan(before);
  for (const [i, { seq }] of others.entries()) expect(seq).toBe(first.seq + 1 + i);
  const { code, said } = await verdict();
  expect(code).toBe(1);
  expect(said).toContain("line 1 is missing before it: the login of profile default was sealed when");
});

test("cut off behind an earlier end: found before, and after more was written and the login sealed again", async () => {
  const putBack = look();
  for (let i = 0; i < 2; i++) await use();
  await renew();
  const before = lines().length;
  await use();
  putBack();
  const wanted = `the lines after it are missing: the login of profile default was sealed when the trail had ${before} lines`;
  expect(await verdict()).toMatchObject({ code: 1, said: expect.stringContaining(wanted) });
  // The login is sealed before the line about it is written.
  await renew();
  putBack();
  expect(await verdict()).toMatchObject({ code: 1, said: expect.stringContaining(wanted) });
  expect(await warning("token", "--format", "header")).toContain("warning: the audit trail is broken");
  expect((await numbers()).filter((seq) => seq > lines().length).every((seq) => seq > before)).toBe(true);
  for (let i = 0; i < 2; i++) {
    await renew();
    await use();
    expect(await verdict()).toMatchObject({ code: 1, said: expect.stringContaining("is missing before it") });
  }
});

test("an end that somebody made up is not remembered: put right again, the trail is whole", async () => {
  const end = endName();
  renameSync(at("audit", end), at("audit", `end-000999999999-${"0".repeat(64)}`));
  await renew();
  renameSync(at("audit", endName()), at("audit", end));
  // A renewal that the host did not ask for writes no line.
  expect(await verdict()).toEqual({ code: 0, said: "✓ the trail is whole: 1 line " });
});

ciTest("a login from another machine remembers nothing of the trail there", async () => {
  for (let i = 0; i < 3; i++) await use();
  await renew();
  const stdin = "correct horse battery staple\n";
  const file = join(person.root, "logins");
  expect((await person.run(["vault", "export", file, "--passphrase-stdin"], { stdin })).code).toBe(0);
  const own = person;
  person = loggedIn.copy();
  const args = ["vault", "import", file, "--passphrase-stdin", "--replace", "--yes"];
  expect((await person.run(args, { stdin })).code).toBe(0);
  expect((await verdict()).code).toBe(0);
  own.remove();
});

test("a login of an earlier version, which remembers nothing, changes nothing; the next renewal has it remember", async () => {
  const plain = new Vault(vaultFiles(person.codemieHome, {}), Date.now);
  const name = loginRecord("default");
  const login = await plain.read(name, storedLogin);
  await plain.write(name, login);
  expect((await verdict()).code).toBe(0);
  const marks = async () => (await plain.records()).map((one) => ("mark" in one ? one.mark : undefined));
  expect(await marks()).toEqual([undefined, undefined]);
  await renew();
  expect(await marks()).toEqual([undefined, endName()]);
  // An earlier version ignores the mark.
  expect(await plain.read(name, storedLogin)).toMatchObject({ ...login, confirmedAt: expect.any(Number) });
});

test("another key of the vault changes nothing", async () => {
  await use();
  await renew();
  const putBack = look();
  expect((await person.run(["vault", "rekey"])).code).toBe(0);
  expect((await verdict()).code).toBe(0);
  await renew();
  putBack();
  expect((await verdict()).said).toContain("the lines after it are missing: the login of profile default");
});

for (const [what, replace] of [
  ["moved away", () => undefined],
  ["replaced by an empty one, whose key somebody has", () => new Vault(vaultFiles(person.codemieHome, {}), Date.now)],
] as const) {
  test(`a vault that was ${what}: the next login says so, and the trail shows it for ever`, async () => {
    await use();
    for (const name of ["vault", "vault.key"]) rmSync(at(name), { recursive: true });
    await replace()?.prepare();
    expect((await verdict()).said).toContain("the vault knows no trail");
    const { code, err } = await logIn(person, sandbox);
    expect(code).toBe(0);
    expect(err.replaceAll(/\s+/g, " ")).toContain(
      "warning: the audit trail is broken: its lines up to 2 are gone, or another vault's key wrote them",
    );
    for (let i = 0; i < 2; i++) {
      await use();
      expect((await verdict()).code).toBe(1);
    }
    const events = JSON.parse((await person.run(["audit", "list", "--json"])).out);
    expect(events.slice(2, 4)).toMatchObject([{ event: "trail-broken", detail: { "up-to": 2 } }, { event: "login" }]);
  });
}

test("where the key is not in the home, a vault that somebody put in its place does not open", async () => {
  const { home } = person;
  const theirs = new Vault(vaultFiles(home, {}), Date.now);
  await theirs.prepare();
  const elsewhere = vaultFiles(home, { CODEMIE_VAULT_KEY_FILE: join(person.root, "stick.key") });
  await new Vault({ ...elsewhere, folder: at("other"), dataKey: at("other/data-key.json") }, Date.now).prepare();
  expect(new Vault(elsewhere, Date.now).prepare()).rejects.toThrow("does not open this vault");
  const access = passphraseAccess("a passphrase of ours");
  expect(new Vault(vaultFiles(home, {}), Date.now, access).prepare()).rejects.toThrow("not with a passphrase");
});

test("the limit: everything of one moment put back together is that moment, and shows nothing", async () => {
  const before = join(person.root, "before");
  cpSync(person.codemieHome, before, { recursive: true });
  await use();
  await renew();
  rmSync(person.codemieHome, { recursive: true });
  cpSync(before, person.codemieHome, { recursive: true });
  expect(await verdict()).toEqual({ code: 0, said: "✓ the trail is whole: 1 line " });
});

/** A login twice: somebody who noted the end after the first cuts off what was written since. */
async function cutBehindTheNewestLogin(): Promise<void> {
  const putBack = look();
  await use();
  expect((await logIn(person, sandbox)).code).toBe(0);
  putBack();
}

ciTest(
  "cut off, and the login that remembers is removed or damaged: the trail's own record remembers the newest login",
  async () => {
    await cutBehindTheNewestLogin();
    const wanted = "the lines after it are missing: the trail's own record was sealed when the trail had 3 lines";
    const text = readFileSync(loginFile(person), "utf8");
    rmSync(loginFile(person));
    expect(await verdict()).toMatchObject({ code: 1, said: expect.stringContaining(wanted) });
    writeFileSync(loginFile(person), `${text.slice(0, -20)}${text.slice(-19)}`);
    expect(await verdict()).toMatchObject({ code: 1, said: expect.stringContaining(wanted) });
    const { code, err } = await logIn(person, sandbox);
    expect(code).toBe(0);
    expect(err.replaceAll(/\s+/g, " ")).toContain("warning: the audit trail is broken: its lines up to 3 are gone");
    expect((await verdict()).code).toBe(1);
  },
);

const relink = (file: string) => {
  rmSync(file);
  symlinkSync("nowhere", file);
};
for (const [how, spoil] of [
  [
    "damaged",
    (file: string) =>
      writeFileSync(
        file,
        readFileSync(file, "utf8").replace(/"ciphertext":\s*"./, (text) => `${text}AAAA`),
      ),
  ],
  ["empty", (file: string) => writeFileSync(file, "")],
  ["under another record's name", (file: string) => renameSync(file, join(file, `../${"0".repeat(32)}.json`))],
  ["a link to nowhere", (file: string) => relink(file)],
] as const) {
  test(`a login's record that is ${how}: the trail is not called whole, and the record is named`, async () => {
    await use();
    await renew();
    spoil(loginFile(person));
    const { code, said } = await verdict();
    expect(code).toBe(1);
    expect(said).toContain("nothing proves that the audit trail is whole");
    const own = how !== "empty" && how !== "a link to nowhere" ? "the login of profile default (" : "a record (";
    expect(said).toContain(own);
    expect(said).toContain(how.startsWith("under") ? "0".repeat(32) : basename(loginFile(person)));
    if (how !== "damaged") return;
    // A new login puts it aside.
    expect((await logIn(person, sandbox)).code).toBe(0);
    expect((await verdict()).said).toContain("the trail is whole");
  });
}

const fact = { event: "login", profile: "p", host: "", outcome: "ok" } as const;

test("a power cut took back the end's last name: the line is there, so nothing is missing", async () => {
  const { vault, trail } = remembering(mkdtempSync(join(person.root, "cut-")));
  await trail.append(fact);
  const folder = join(vault.folder, "../audit");
  const [early = ""] = readdirSync(folder).filter((name) => name.startsWith("end-"));
  await trail.append(fact);
  await vault.write("login p", {});
  const [late = ""] = readdirSync(folder).filter((name) => name.startsWith("end-"));
  renameSync(join(folder, late), join(folder, early));
  expect(await trail.verify()).toEqual({ ok: true, entries: 2 });
  await vault.write("login p", {});
  expect(await trail.append(fact)).toBeUndefined();
  expect(await trail.verify()).toEqual({ ok: true, entries: 3 });
});

test("the first version's end, in the record with the key, is no way back either", async () => {
  const home = mkdtempSync(join(person.root, "first-"));
  const { vault, trail } = remembering(home);
  for (let i = 0; i < 4; i++) await trail.append(fact);
  await vault.write("login p", {});
  const kept = (await trail.entries()).slice(0, 2);
  const { key } = (await vault.read("audit head", auditHead)) ?? { key: "" };
  for (const name of readdirSync(join(home, "audit"))) rmSync(join(home, "audit", name));
  writeFileSync(join(home, "audit/audit-000001.jsonl"), kept.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  await vault.write("audit head", { key, seq: 2, mac: kept[1]?.mac });
  expect(await trail.verify()).toMatchObject({
    ok: false,
    line: 2,
    why: expect.stringContaining("profile p was sealed"),
  });
  expect(await trail.append(fact)).toMatchObject({ event: "trail-broken", detail: { "up-to": 4 } });
  expect((await trail.entries()).slice(2).map(({ seq }) => seq)).toEqual([1001, 1002]);
  await vault.write("login p", {});
  for (let i = 0; i < 2; i++) expect(await trail.append(fact)).toBeUndefined();
  expect(await trail.verify()).toMatchObject({
    ok: false,
    why: expect.stringContaining("line 3 is missing before it"),
  });
});

ciTest(
  "logins sealed, removed and looked at while lines are written: the trail is whole at every look",
  async () => {
    const home = mkdtempSync(join(tmpdir(), "codemie-sealed-"));
    const one = () => remembering(home);
    let isOver = false;
    const writing = (async () => {
      for (let i = 0; i < 60; i++) await Promise.all([one().trail.append(fact), one().trail.append(fact)]);
      isOver = true;
    })();
    const sealing = [1, 2].map(async (n) => {
      const { vault } = one();
      while (!isOver) {
        await vault.locked(`login ${n}`, () => vault.write(`login ${n}`, {}));
        if (n === 2) await vault.locked("login 2", () => vault.remove("login 2"));
      }
    });
    let looks = 0;
    for (; !isOver; looks++) expect((await one().trail.verify()).ok).toBe(true);
    await Promise.all([writing, ...sealing]);
    expect(looks).toBeGreaterThan(3);
    expect(await one().trail.verify()).toEqual({ ok: true, entries: 120 });
    expect((await one().vault.read("audit head", auditHead))?.seen).toStartWith("end-");
    rmSync(home, { recursive: true });
  },
  120_000,
);

ciTest("to remember costs no sync", async () => {
  const root = mkdtempSync(join(tmpdir(), "codemie-syncs-"));
  const { env, syncs } = slowDisk(root, 0);
  const cost = async (word: string) => {
    const before = syncs();
    const worker = new Worker("append-lines.ts", [join(root, "home"), word], env);
    expect({ code: await worker.ended, said: worker.output }).toEqual({ code: 0, said: `${word} done\n` });
    return syncs() - before;
  };
  await cost("1");
  // file and folder
  expect(await cost("sealed=10")).toBe(20);
  expect(await cost("1")).toBe(1);
  rmSync(root, { recursive: true });
});

test("a vault without a mark for its records stays as it was", async () => {
  const home = mkdtempSync(join(person.root, "plain-"));
  const plain = new Vault(vaultFiles(home, {}), Date.now, keyFileOnly);
  await plain.write("login p", { trail: 5 });
  expect(await plain.records()).toEqual([{ name: "login p", value: { trail: 5 }, mark: undefined }]);
  expect(await remembering(home).trail.verify()).toEqual({ ok: true, entries: 0 });
});

// From here on the session of the tests above has ended: a logout ends it for all.
const loginAnew = async () => expect((await logIn(person, sandbox)).code).toBe(0);

const ways: [string, () => Promise<unknown>][] = [
  ["logged out", () => person.run(["profile", "logout"])],
  ["renamed", () => person.run(["profile", "rename", "default", "other"])],
  ["removed with its profile", () => person.run(["profile", "delete", "default", "--yes"])],
  ["replaced by a new login", loginAnew],
];
for (const [what, change] of cases(ways, 1)) {
  test(`found also once the login that remembers is ${what}`, async () => {
    await loginAnew();
    const putBack = look();
    await use();
    await renew();
    putBack();
    await change();
    expect((await verdict()).code).toBe(1);
    // The line about it says so too; without it, the vault still does.
    putBack();
    expect((await verdict()).code).toBe(1);
    removeTrailFiles();
    expect((await verdict()).code).toBe(1);
  });
}
const removeTrailFiles = () => rmSync(at("audit"), { recursive: true });

test("cut off after the logout: the vault remembers for the login that is gone", async () => {
  const putBack = look();
  await use();
  await person.run(["profile", "logout"]);
  putBack();
  const { code, said } = await verdict();
  expect(code).toBe(1);
  expect(said).toContain(
    "the lines after it are missing: the trail's own record was sealed when the trail had 2 lines",
  );
  expect(await warning("profile", "delete", "default", "--yes")).toContain("warning: the audit trail is broken");
  expect((await verdict()).code).toBe(1);
});
