import { afterAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loginRecord } from "../../src/auth/credential.ts";
import { Secret } from "../../src/core/secret.ts";
import { vaultFiles } from "../../src/vault/key.ts";
import { openExport } from "../../src/vault/portable.ts";
import { Vault } from "../../src/vault/vault.ts";
import { loginFile, storedLoginOf } from "../support/age.ts";
import { Person } from "../support/codemie.ts";
import { logIn, secretsOf } from "../support/login.ts";
import { runOnFullDisk, testWithMounts } from "../support/namespace.ts";
import { Pty } from "../support/pty.ts";
import { sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";
import { rekeyCheaply, sealCheaply } from "../support/vault-access.ts";

/** Logins go to another machine in one sealed file, and take nothing away there. */

const passphrase = "a passphrase for the way";
const stdin = `${passphrase}\n`;
const sandbox = await sharedSandbox();
const second = await sharedSandbox();

const { from, file, cookie, result, cheap } = await exported();
afterAll(() => from.remove());

/** Somebody logged in to two hosts, and the file of it; beside it one of the same content that opens with less work. */
async function exported() {
  const from = new Person();
  const { cookie } = await logIn(from, sandbox, "ada");
  await logIn(from, second, "ada", ["--profile", "work"]);
  const file = join(from.root, "logins.codemie");
  const result = await from.run(["vault", "export", file, "--passphrase-stdin"], { stdin });
  const opened = await openExport(readFileSync(file, "utf8"), async () => new Secret(passphrase));
  if (!("plain" in opened)) throw new Error(opened.failed);
  const cheap = join(from.root, "cheap.codemie");
  writeFileSync(cheap, await sealCheaply(opened.plain, passphrase, "codemie vault 1 export"));
  return { from, file, cookie, result, cheap };
}

test("export and import: the logins work on the other machine, and only they went along", async () => {
  expect({ code: result.code, err: result.err }).toEqual({ code: 0, err: "" });
  expect(result.out).toContain(`✓ 2 logins written to ${file}`);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const text = readFileSync(file, "latin1");
  for (const secret of secretsOf(cookie)) expect(text).not.toContain(secret);
  expect(text).not.toContain(Buffer.from("example.com").toString("base64url").slice(0, 12));

  const to = new Person();
  const { code, out } = await to.run(["vault", "import", file, "--passphrase-stdin"], { stdin });
  expect(code).toBe(0);
  expect(out).toBe(
    `✓ login default (Ada <ada@example.com> at ${sandbox.origin}): imported\n` +
      `✓ login work (Ada <ada@example.com> at ${second.origin}): imported\n`,
  );
  for (const profile of ["default", "work"]) {
    expect((await to.run(["profile", "status", "--profile", profile])).code).toBe(0);
    expect(await storedLoginOf(to, profile)).toEqual(await storedLoginOf(from, profile));
  }
  // each has an audit trail of its own
  const trail = JSON.parse((await to.run(["audit", "export", "--json"])).out) as { seq: number; event: string }[];
  expect(trail.map(({ seq, event }) => ({ seq, event }))).toEqual([{ seq: 1, event: "vault-imported" }]);
  for (const person of [from, to]) expect((await person.run(["audit", "verify"])).code).toBe(0);
  expect((await from.run(["audit", "list", "--event", "vault-exported", "--json"])).out).toContain('"records":2');

  const again = await to.run(["vault", "import", file, "--passphrase-stdin", "--json"], { stdin });
  expect(JSON.parse(again.out)).toEqual({
    file,
    records: [
      { name: "login default", outcome: "same", leftOut: [] },
      { name: "login work", outcome: "same", leftOut: [] },
    ],
  });
  to.remove();
});

test("another login that is there stays; --replace takes the file's and keeps it aside, sealed and whole", async () => {
  const to = new Person();
  await logIn(to, sandbox, "grace");
  const before = readFileSync(loginFile(to));
  const kept = await to.run(["vault", "import", cheap, "--passphrase-stdin"], { stdin });
  expect(kept.code).toBe(0);
  expect(kept.out).toContain("- login default (Ada <ada@example.com> at");
  expect(kept.out).toContain("left out: there is another login here (--replace imports the file's");
  expect(kept.out).toContain("✓ login work");
  expect(readFileSync(loginFile(to))).toEqual(before);
  const replaced = await to.run(["vault", "import", cheap, "--passphrase-stdin", "--replace", "--yes"], { stdin });
  expect(replaced.out).toContain("imported; the login that was here is kept aside");
  expect((await to.run(["profile", "status"])).out).toContain("Ada");
  const [aside] = readdirSync(join(to.codemieHome, "vault")).filter((name) => name.includes(".replaced-"));
  expect(readFileSync(join(to.codemieHome, "vault", aside ?? ""))).toEqual(before);
  expect((await to.run(["vault", "status"])).out).toContain("kept aside   1");
  to.remove();
});

test("a profile of that name for another host is not given another host's login", async () => {
  const to = new Person();
  await logIn(to, second, "grace");
  const before = readFileSync(loginFile(to));
  const { out } = await to.run(["vault", "import", cheap, "--passphrase-stdin", "--replace"], { stdin });
  expect(out).toContain("- login default (Ada <ada@example.com> at");
  expect(out).toContain("left out: the profile here belongs to another host");
  expect(readFileSync(loginFile(to))).toEqual(before);
  expect((await to.run(["profile", "status"])).out).toContain("Grace");
  to.remove();
});

test("a file that is there is not overwritten, nor a link followed", async () => {
  const person = from.copy();
  const before = readFileSync(file);
  const link = join(person.root, "link");
  symlinkSync("/tmp/codemie-not-there", link);
  for (const path of [file, link]) {
    const { code, err } = await person.run(["vault", "export", path, "--passphrase-stdin"], { stdin });
    expect(code).toBe(1);
    expect(err).toContain(`error: ${path} exists, and is not overwritten`);
  }
  expect(readFileSync(file)).toEqual(before);
  expect(await Bun.file("/tmp/codemie-not-there").exists()).toBe(false);
  person.remove();
});

ciTest(
  "what is no export, half of one, changed, or opened with another passphrase: exit 6, nothing is imported",
  async () => {
    const whole = readFileSync(cheap, "utf8");
    const to = new Person();
    const bad = join(to.root, "bad");
    const twice = '{"records":[{"name":"login a","record":1},{"name":"login a","record":2}],"profiles":{}}';
    const odd = (content: string) =>
      sealCheaply(new TextEncoder().encode(content), passphrase, "codemie vault 1 export");
    const middle = whole.indexOf('"ciphertext":"') + 200;
    const flipped = `${whole.slice(0, middle)}${whole[middle] === "A" ? "B" : "A"}${whole.slice(middle + 1)}`;
    for (const [content, says] of [
      ["", "is not an export of a vault, or is damaged"],
      ["{}", "is not an export of a vault, or is damaged"],
      [whole.slice(0, 500), "is not an export of a vault, or is damaged"],
      [readFileSync(loginFile(from), "utf8"), "is not an export of a vault, or is damaged"],
      [readFileSync(join(from.codemieHome, "vault/data-key.json"), "utf8"), "is not an export of a vault"],
      [flipped, "that passphrase does not open"],
      [await odd('{"records":1}'), "is not an export of a vault"],
      [await odd(twice), "is not an export of a vault"],
    ] as const) {
      writeFileSync(bad, content);
      const { code, out, err } = await to.run(["vault", "import", bad, "--passphrase-stdin"], { stdin });
      expect({ says, code, out }).toEqual({ says, code: 6, out: "" });
      expect(err).toContain(says);
    }
    const wrong = await to.run(["vault", "import", cheap, "--passphrase-stdin"], { stdin: "another passphrase" });
    expect(wrong.code).toBe(6);
    expect(wrong.err).toContain("that passphrase does not open");
    expect((await to.run(["vault", "import", "/nowhere"])).err).toContain(
      "error: cannot read /nowhere: there is no such",
    );
    for (const args of [["import"], ["export"], ["export", "a", "b"]]) {
      expect((await to.run(["vault", ...args])).code).toBe(2);
    }
    expect((await to.run(["vault", "export", bad, "--passphrase-stdin"], { stdin })).err).toContain(
      "there is no vault yet",
    );
    expect(readdirSync(to.home)).toEqual([]);
    to.remove();
  },
);

test("a file made by somebody else: what is no login of ours is left out, and the end of the audit trail stays", async () => {
  const to = new Person();
  await logIn(to, sandbox);
  const login = await storedLoginOf(to);
  const records = [
    { name: "audit head", record: { key: "A".repeat(43), seq: 0, mac: "" } },
    { name: loginRecord("../../etc/passwd"), record: login },
    { name: loginRecord("__proto__"), record: login },
    { name: loginRecord("elsewhere"), record: { ...login, origin: "http://evil.example" } },
    { name: loginRecord("half"), record: { method: "sso" } },
    { name: "something new", record: {} },
    { name: loginRecord("good"), record: login },
  ];
  // a profile cannot lead a login to another host, nor bring what we do not know
  const good = { codeMieUrl: "https://evil.example", baseUrl: "https://evil.example", hook: "evil", model: "m1" };
  const profiles = { good };
  const file = join(to.root, "theirs");
  const content = new TextEncoder().encode(JSON.stringify({ records, profiles }));
  writeFileSync(file, await sealCheaply(content, passphrase, "codemie vault 1 export"));
  const { code, out } = await to.run(["vault", "import", file, "--passphrase-stdin", "--replace", "--json"], { stdin });
  expect(code).toBe(0);
  const outcomes = JSON.parse(out).records.map(({ outcome }: { outcome: string }) => outcome);
  expect(outcomes).toEqual(["unknown", "unknown", "unknown", "unknown", "unknown", "unknown", "imported"]);
  expect((await to.run(["audit", "verify"])).code).toBe(0);
  expect((await to.run(["profile", "status", "--profile", "good"])).code).toBe(0);
  expect(readFileSync(to.configFile, "utf8")).not.toContain("evil");
  expect((await to.run(["profile", "list"])).out).toMatch(/good .* m1/);
  to.remove();
});

test("at a terminal the passphrase of an export is typed twice, of an import once", async () => {
  const from = new Person();
  await logIn(from, sandbox);
  const file = join(from.root, "typed");
  const out = new Pty(from, ["vault", "export", file]);
  await out.shows(/passphrase for the export/);
  out.type(`${passphrase}\r`);
  await out.shows(/the same again/);
  out.type(`${passphrase}\r`);
  await out.shows(/1 login written/);
  expect(await out.ended()).toBe(0);
  rmSync(loginFile(from));
  const back = new Pty(from, ["vault", "import", file]);
  await back.shows(/passphrase of the export/);
  back.type(`${passphrase}\r`);
  await back.shows(/imported/);
  expect(await back.ended()).toBe(0);
  expect(out.screen + back.screen).not.toContain(passphrase);
  from.remove();
});

ciTest("a passphrase that is typed: its rule comes first, and there are three tries", async () => {
  const from = new Person();
  await logIn(from, sandbox);
  const file = join(from.root, "typed");
  const out = new Pty(from, ["vault", "export", file]);
  await out.shows(/passphrase for the export \(at least 12 characters/);
  out.type("short\r");
  await out.shows(/needs at least 12 characters; once more/);
  out.type(`${passphrase}\r`);
  await out.shows(/the same again/);
  out.type("another one altogether\r");
  await out.shows(/not the same; once more[\s\S]*passphrase for the export/);
  out.type(`${passphrase}\r`);
  await out.shows(/not the same; once more[\s\S]*the same again/);
  out.type(`${passphrase}\r`);
  await out.shows(/1 login written/);
  expect(await out.ended()).toBe(0);

  const back = new Pty(from, ["vault", "import", file]);
  await back.shows(/passphrase of the export/);
  back.type("wrong\r");
  await back.shows(/does not open it; once more[\s\S]*passphrase of the export/);
  back.type(`${passphrase}\r`);
  await back.shows(/is here\s+already/);
  expect(await back.ended()).toBe(0);

  await rekeyCheaply(from, passphrase);
  const opened = new Pty(from, ["profile", "status", "--offline"]);
  await opened.shows(/passphrase of the vault/);
  opened.type("wrong\r");
  await opened.shows(/does not open the vault; once more[\s\S]*passphrase of the vault/);
  opened.type(`${passphrase}\r`);
  await opened.shows(/a stored login/);
  expect(await opened.ended()).toBe(0);
  const failing = new Pty(from, ["profile", "status", "--offline"]);
  for (let n = 1; n <= 3; n++) {
    await failing.shows(new RegExp(`(passphrase of the vault[\\s\\S]*){${n}}`));
    failing.type("wrong\r");
  }
  await failing.shows(/the passphrase you typed does not open this\s+vault/);
  expect(await failing.ended()).toBe(6);
  expect((await from.run(["profile", "list"])).out).toMatch(/sso +- +- +-$/m);
  from.remove();
});

test("vault export looks at FILE before anybody types", async () => {
  const from = new Person();
  await logIn(from, sandbox);
  for (const [file, says] of [
    [from.configFile, "exists, and is not overwritten"],
    [join(from.root, "none", "logins"), "the folder does not exist hint: make the folder first"],
  ] as const) {
    const pty = new Pty(from, ["vault", "export", file]);
    expect(await pty.ended()).toBe(1);
    expect(Bun.stripANSI(pty.screen).replace(/\s+/g, " ")).toContain(says);
    expect(pty.screen).not.toContain("passphrase");
  }
  from.remove();
});

ciTest("two hundred logins: one is damaged, one is another's; the rest open, go along and are all there", async () => {
  const from = new Person();
  await logIn(from, sandbox);
  const login = await storedLoginOf(from);
  const vault = new Vault(vaultFiles(from.codemieHome, {}), Date.now);
  for (let i = 0; i < 200; i++) await vault.write(loginRecord(`p${i}`), { ...login, loggedInAt: i });
  writeFileSync(loginFile(from, "p7"), readFileSync(loginFile(from, "p8")));
  writeFileSync(loginFile(from, "p9"), readFileSync(loginFile(from, "p9")).subarray(0, 300));
  const status = await from.run(["vault", "status", "--json"]);
  expect(status.code).toBe(6);
  const { opens, records, damaged } = JSON.parse(status.out);
  // 200 - 2, the login itself, and the end of the audit trail
  expect({ opens, records: records.length, damaged: damaged.length }).toEqual({
    opens: true,
    records: 200,
    damaged: 2,
  });
  expect((await from.run(["profile", "status"])).code).toBe(0);

  const file = join(from.root, "all");
  const result = await from.run(["vault", "export", file, "--passphrase-stdin"], { stdin });
  expect(result.code).toBe(6);
  expect(result.out).toContain("199 logins written");
  expect(result.err.match(/warning: left out: /g)?.length).toBe(2);
  const to = new Person();
  const done = await to.run(["vault", "import", file, "--passphrase-stdin"], { stdin });
  expect(done.code).toBe(0);
  expect(done.out.match(/: imported$/gm)?.length).toBe(199);
  expect(await storedLoginOf(to, "p123")).toMatchObject({ loggedInAt: 123 });
  expect(Object.keys(JSON.parse((await to.run(["profile", "list", "--json"])).out)).length).toBe(199);
  from.remove();
  to.remove();
});

testWithMounts("a full disk: no half export, no half import", async () => {
  const person = from.copy();
  const { out, err } = await runOnFullDisk(
    person,
    200,
    `echo '${passphrase}' | "$0" vault export $CODEMIE_HOME/logins --passphrase-stdin; echo "export $?"
    test -e $CODEMIE_HOME/logins; echo "half $?"
    echo '${passphrase}' | "$0" vault import ${cheap} --passphrase-stdin --replace >/dev/null; echo "import $?"
    rm $CODEMIE_HOME/filler; "$0" profile status >/dev/null; echo "status $?"`,
  );
  expect(out).toBe("export 1\nhalf 1\nimport 1\nstatus 0\n");
  expect(err).toContain("the disk is full");
  person.remove();
});
