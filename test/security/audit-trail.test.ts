import { beforeEach, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linesPerFile, longestFile, macOf, endName as sealedEnd } from "../../src/audit/chain.ts";
import { type AuditHead, auditHead, entryOf } from "../../src/audit/events.ts";
import { AuditTrail } from "../../src/audit/trail.ts";
import { longest } from "../../src/platform/private.ts";
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";
import { ageLogin } from "../support/age.ts";
import { claudeFolder, codemieClaude, Person } from "../support/codemie.ts";
import { beginLogin, handOff, logIn, secretsOf } from "../support/login.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: somebody hides what was done, or makes something up. */

let home: string;
let vault: Vault;
const sandbox = await sharedSandbox();
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "codemie-audit-"));
  vault = new Vault(vaultFiles(home, {}), Date.now);
});

const head = () => ({
  file: vault.fileOf("audit head"),
  read: () => vault.read("audit head", auditHead),
  write: (value: AuditHead) => vault.write("audit head", value),
  remembered: async () => [],
});
const trail = () => new AuditTrail(home, head(), Date.now);
const fact = { event: "login", profile: "p", host: "https://h", outcome: "ok" } as const;
const file = () => join(home, "audit", "audit-000001.jsonl");

async function ten(): Promise<string[]> {
  for (let i = 0; i < 10; i++) await trail().append({ ...fact, detail: { i } });
  expect(await trail().verify()).toEqual({ ok: true, entries: 10 });
  return readFileSync(file(), "utf8").trimEnd().split("\n");
}

const changes: [string, (lines: string[]) => string[], number][] = [
  ["a changed word", (lines) => lines.with(4, (lines[4] ?? "").replace('"ok"', '"no"')), 5],
  ["a removed line", (lines) => lines.toSpliced(4, 1), 5],
  ["two lines swapped", (lines) => lines.with(4, lines[5] ?? "").with(5, lines[4] ?? ""), 5],
  ["a line twice", (lines) => lines.toSpliced(4, 0, lines[4] ?? ""), 6],
  ["a made-up line", (lines) => lines.toSpliced(4, 0, '{"event":"login"}'), 5],
  ["other spelling of the same", (lines) => lines.with(4, ` ${lines[4]}`), 5],
  ["the first line gone", (lines) => lines.slice(1), 1],
  ["the last line gone", (lines) => lines.slice(0, -1), 9],
  ["all lines gone", () => [], 0],
];
for (const [what, change, line] of cases(changes)) {
  test(`${what} is found, at line ${line}`, async () => {
    const lines = await ten();
    const changed = change(lines);
    writeFileSync(file(), changed.length ? `${changed.join("\n")}\n` : "");
    expect(await trail().verify()).toMatchObject({ ok: false, file: file(), line });
    rmSync(home, { recursive: true });
  });
}

test("another key proves nothing: a trail rewritten with one is found", async () => {
  await ten();
  const own = await vault.read("audit head", auditHead);
  let forged: AuditHead | undefined;
  rmSync(join(home, "audit"), { recursive: true });
  const store = {
    file: "",
    read: async () => forged,
    write: async (value: AuditHead) => {
      forged = value;
    },
    remembered: async () => [],
  };
  const forger = new AuditTrail(home, store, Date.now);
  for (let i = 0; i < 10; i++) await forger.append(fact);
  expect(own?.key).toHaveLength(43);
  expect(await trail().verify()).toMatchObject({ ok: false, line: 1 });
  rmSync(home, { recursive: true });
});

const endName = () => readdirSync(join(home, "audit")).find((name) => name.startsWith("end-")) ?? "";
const endFile = () => join(home, "audit", endName());
const ends: [string, () => void, RegExp][] = [
  ["missing", () => rmSync(endFile()), /sealed end is missing/],
  ["missing, and all lines", () => rmSync(join(home, "audit"), { recursive: true }), /sealed end is missing/],
  [
    "made for an earlier line, which is the last one now",
    () => {
      const lines = readFileSync(file(), "utf8").split("\n").slice(0, 9);
      writeFileSync(file(), `${lines.join("\n")}\n`);
      renameSync(endFile(), endFile().replace("end-000000000010", "end-000000000009"));
    },
    /it was changed, or belongs elsewhere/,
  ],
  [
    "another key's",
    () => renameSync(endFile(), join(home, "audit", `end-000000000010-${"0".repeat(64)}`)),
    /was changed/,
  ],
];
for (const [what, change, why] of cases(ends)) {
  test(`a sealed end that is ${what} is found`, async () => {
    await ten();
    change();
    const verdict = await trail().verify();
    expect("why" in verdict ? verdict.why : "").toMatch(why);
    rmSync(home, { recursive: true });
  });
}

const made = (seq: number) => join(home, "audit", `end-${String(seq).padStart(12, "0")}-${"0".repeat(64)}`);
const attacks: [string, (lines: string[]) => void][] = [
  [
    "lines cut off, and an end made up for one that is left",
    (lines) => {
      writeFileSync(file(), `${lines.slice(0, 6).join("\n")}\n`);
      renameSync(endFile(), made(5));
    },
  ],
  [
    "all lines removed, and an end made up for none",
    () => {
      rmSync(file());
      renameSync(endFile(), made(0));
    },
  ],
  ["an end made up far beyond the last line", () => renameSync(endFile(), made(999_999_999_999))],
  ["the last line removed, the end left", (lines) => writeFileSync(file(), `${lines.slice(0, 9).join("\n")}\n`)],
  ["the first lines removed", (lines) => writeFileSync(file(), `${lines.slice(2).join("\n")}\n`)],
  [
    "a line changed that is not the last",
    (lines) => writeFileSync(file(), `${lines.join("\n").replace('"ok"', '"no"')}\n`),
  ],
];
for (const [what, attack] of cases(attacks)) {
  test(`${what}: found before and after more is written`, async () => {
    attack(await ten());
    expect((await trail().verify()).ok).toBe(false);
    for (let i = 0; i < 3; i++) {
      await trail().append({ ...fact, detail: { later: i } });
      expect((await trail().verify()).ok).toBe(false);
      expect((await trail().entries()).at(-1)?.detail).toEqual({ later: i });
    }
    rmSync(home, { recursive: true });
  });
}

test("a second end beside the sealed one: found, and nothing is written where nobody would read it", async () => {
  await ten();
  for (const seq of [0, 5, 999_999_999_999]) {
    writeFileSync(made(seq), "");
    expect(await trail().verify()).toMatchObject({ ok: false, why: expect.stringContaining("more than one") });
    expect(trail().append(fact)).rejects.toMatchObject({ code: "vault_damaged" });
    rmSync(made(seq));
  }
  expect((await trail().entries()).length).toBe(10);
  rmSync(home, { recursive: true });
});

/** Far longer than what a line takes; each character of the last two takes six bytes in JSON. */
const giants = ["a", '"', "\u20ac", "\u{1f600}", "\u0001", "\ud800"].map((one) => one.repeat(100_000));

test("texts of any length: a file full of the longest lines can be read", () => {
  const lines = giants.map((giant) => {
    const detail = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`detail-${i}`, giant]));
    const entry = entryOf({ ...fact, profile: giant, host: giant, outcome: giant, detail }, 1e12, 8e15, giant);
    return `${JSON.stringify({ ...entry, mac: macOf("", "", entry) })}\n`;
  });
  const bytes = Math.max(...lines.map((line) => Buffer.byteLength(line)));
  expect(bytes * linesPerFile).toBeLessThan(longest);
  // A file of an earlier version, up to its limit and one line made of a whole answer; then lines of ours.
  expect(longest + 3 * 8 * 1024 * 1024 + bytes * linesPerFile).toBeLessThan(longestFile);
});

test("texts that servers chose are cut when they are written, and the trail stays whole", async () => {
  for (const issuer of giants) await trail().append({ ...fact, profile: issuer, detail: { issuer } });
  expect(statSync(file()).size).toBeLessThan(giants.length * 10_000);
  expect(await trail().verify()).toEqual({ ok: true, entries: giants.length });
  rmSync(home, { recursive: true });
});

test("a trail that grew too long before its lines were bounded is read, verified and written on", async () => {
  await trail().append(fact);
  const { key } = (await vault.read("audit head", auditHead)) ?? { key: "" };
  let last = JSON.parse(readFileSync(file(), "utf8"));
  for (let seq = 2; seq <= 20; seq++) {
    const entry = { ...entryOf(fact, seq, Date.now(), "ada"), detail: { issuer: "a".repeat(900_000) } };
    last = { ...entry, mac: macOf(key, last.mac, entry) };
    appendFileSync(file(), `${JSON.stringify(last)}\n`);
  }
  renameSync(endFile(), join(home, "audit", sealedEnd(key, last)));
  expect(statSync(file()).size).toBeGreaterThan(longest);
  await trail().append(fact);
  expect(await trail().verify()).toEqual({ ok: true, entries: 21 });
  expect((await trail().entries()).length).toBe(21);
  rmSync(home, { recursive: true });
});

test("notes of missing lines that somebody made up stop nothing", async () => {
  await ten();
  for (const note of ["missed-10000000000000000-login-aaaaaaaaaaaa", "missed-x", "missed-1764000000000-login-b"]) {
    writeFileSync(join(home, "audit", note), "");
  }
  mkdirSync(join(home, "audit/missed-1764000000000-login-aaaaaaaaaaaa"));
  for (let i = 0; i < 2; i++) await trail().append(fact);
  expect((await trail().entries()).slice(10).map(({ event }) => event)).toEqual(["lines-missing", "login", "login"]);
  expect(await trail().verify()).toEqual({ ok: true, entries: 13 });
  rmSync(home, { recursive: true });
});

test("a trail that cannot be read for a moment is not taken for an empty one", async () => {
  const lines = await ten();
  rmSync(file());
  mkdirSync(file());
  expect(trail().append(fact)).rejects.toMatchObject({ code: "vault_unreadable" });
  rmSync(file(), { recursive: true });
  writeFileSync(file(), `${lines.join("\n")}\n`);
  await trail().append(fact);
  expect(await trail().verify()).toEqual({ ok: true, entries: 12 });
  rmSync(home, { recursive: true });
});

test("without its sealed end the trail is not written on: that would hide what is gone", async () => {
  await ten();
  rmSync(endFile());
  expect(trail().append(fact)).rejects.toMatchObject({ code: "vault_damaged" });
  expect((await trail().entries()).length).toBe(10);
  rmSync(home, { recursive: true });
});

test("a trail that was changed is written on, and the change is found all the same", async () => {
  const lines = await ten();
  writeFileSync(file(), `${lines.slice(0, 8).join("\n")}\n`);
  for (let i = 0; i < 3; i++) await trail().append(fact);
  expect((await trail().entries()).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(await trail().verify()).toMatchObject({ ok: false, line: 9, why: "it was changed, or belongs elsewhere" });
  rmSync(home, { recursive: true });
});

test("a process killed while it wrote: half a line is cut off, whole ones count, and the chain goes on", async () => {
  await ten();
  const before = endFile();
  for (let i = 0; i < 3; i++) await trail().append(fact);
  renameSync(endFile(), before); // the lines were written, the end was not moved
  expect(await trail().verify()).toEqual({ ok: true, entries: 13 });
  await trail().append(fact);
  appendFileSync(file(), '{"seq":15,"ti');
  expect(await trail().verify()).toEqual({ ok: true, entries: 14 });
  await trail().append(fact);
  expect(await trail().verify()).toEqual({ ok: true, entries: 15 });
  expect(endName()).toStartWith("end-000000000015-");
  rmSync(home, { recursive: true });
});

test("a process killed at its very first line: the trail begins all the same", async () => {
  mkdirSync(join(home, "audit"), { mode: 0o700 });
  writeFileSync(file(), '{"seq":1,"ti');
  writeFileSync(join(home, "audit", `end-000000000000-${"0".repeat(64)}`), "");
  for (let i = 0; i < 2; i++) await trail().append(fact);
  expect(await trail().verify()).toEqual({ ok: true, entries: 2 });
  rmSync(home, { recursive: true });
});

test("a trail of the first version, whose end lies in the vault, goes on", async () => {
  const lines = await ten();
  const { key } = (await vault.read("audit head", auditHead)) ?? { key: "" };
  const old = { key, seq: 10, mac: JSON.parse(lines.at(-1) ?? "").mac };
  rmSync(endFile());
  await vault.write("audit head", old);
  expect(await trail().verify()).toEqual({ ok: true, entries: 10 });
  writeFileSync(file(), `${lines.slice(0, 9).join("\n")}\n`);
  expect(await trail().verify()).toMatchObject({ ok: false, line: 9 });
  writeFileSync(file(), `${lines.join("\n")}\n`);
  await Promise.all(Array.from({ length: 5 }, () => trail().append(fact)));
  expect(await trail().verify()).toEqual({ ok: true, entries: 15 });
  // the old end is no way back
  expect(await vault.read("audit head", auditHead)).toEqual({ key });
  rmSync(endFile());
  expect(await trail().verify()).toMatchObject({ ok: false });
  rmSync(home, { recursive: true });
});

ciTest(
  "a trail that is being written is whole at every look",
  async () => {
    await trail().append(fact);
    let isOver = false;
    const writing = (async () => {
      for (let i = 0; i < 300; i++) await trail().append(fact);
      isOver = true;
    })();
    let looks = 0;
    for (; !isOver; looks++) expect((await trail().verify()).ok).toBe(true);
    await writing;
    expect(looks).toBeGreaterThan(3);
    rmSync(home, { recursive: true });
  },
  120_000,
);

ciTest(
  "40 at once, over several files: one chain",
  async () => {
    await Promise.all(Array.from({ length: 40 }, () => trail().append(fact)));
    expect((await trail().entries()).map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    // the next file begins with line 1001
    const many = new AuditTrail(home, head(), Date.now);
    for (let i = 41; i <= 1000; i++) await many.append(fact);
    // a process was killed at the first line of the second file
    writeFileSync(join(home, "audit/audit-000002.jsonl"), '{"seq":1001,"ti');
    for (let i = 1001; i <= 1002; i++) await many.append(fact);
    expect(readdirSync(join(home, "audit")).sort()).toEqual([
      "audit-000001.jsonl",
      "audit-000002.jsonl",
      expect.stringMatching(/^end-000000001002-[0-9a-f]{64}$/),
    ]);
    expect(await trail().verify()).toEqual({ ok: true, entries: 1002 });
    rmSync(join(home, "audit/audit-000001.jsonl"));
    expect(await trail().verify()).toMatchObject({ ok: false, line: 1 });
    rmSync(home, { recursive: true });
  },
  120_000,
);

test("the command line: everything that was done is there, in order, and no secret", async () => {
  const person = new Person();
  person.env.USER = "forged";
  const hour = 3_600_000;
  const { login, url } = await beginLogin(person, sandbox);
  const { cookie } = sandbox.front.issue("ada", hour);
  await fetch(await handOff(url, cookie));
  await login.finished();
  await logIn(person, sandbox, "mallory");
  sandbox.settings.refreshMs = hour / 2;
  await ageLogin(person);
  await person.run(["models"]);
  sandbox.settings.refreshMs = 0;
  await person.run(["token", "--format", "header"]);
  const env = { PATH: `${claudeFolder}:${person.env.PATH}` };
  await person.run(["--task", "hello"], { program: codemieClaude, env });
  await person.run(["profile", "logout"]);

  const entries = JSON.parse((await person.run(["audit", "list", "--json"])).out) as Record<string, unknown>[];
  expect(entries.map(({ event, outcome }) => `${event} ${outcome}`)).toEqual([
    "login ok",
    "login other_person",
    "refresh ok",
    "token-printed ok",
    "agent-run ok",
    "logout ok",
  ]);
  const uid = process.getuid?.();
  expect(entries.every(({ actor }) => String(actor).endsWith(`(${uid})`) && actor !== "forged")).toBe(true);
  expect(entries.every(({ host, profile }) => host === sandbox.origin && profile === "default")).toBe(true);
  expect((await person.run(["audit", "list", "--event", "login", "--last", "1", "--json"])).out).toContain(
    "other_person",
  );
  expect((await person.run(["audit", "list", "--event", "nonsense"])).code).toBe(2);
  const exported = (await person.run(["audit", "export"])).out;
  expect(exported.trim().split("\n").length).toBe(6);
  for (const secret of secretsOf(cookie)) expect(exported.includes(secret)).toBe(false);
  expect((await person.run(["audit", "verify"])).out).toContain("the trail is whole: 6 lines");

  const lines = join(person.codemieHome, "audit/audit-000001.jsonl");
  expect(statSync(lines).mode & 0o777).toBe(0o600);
  writeFileSync(lines, readFileSync(lines, "utf8").replace("other_person", "ok"));
  const broken = await person.run(["audit", "verify"]);
  expect(broken.code).toBe(1);
  expect(broken.err).toContain(`error: the audit trail is broken at ${lines}:2: it was changed`);
  person.remove();
});
