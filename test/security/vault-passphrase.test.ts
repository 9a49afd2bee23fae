import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandWords } from "../../src/access/passphrase.ts";
import { loginFile } from "../support/age.ts";
import { type Finished, Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { otherProcesses, shownOf } from "../support/processes.ts";
import { Pty } from "../support/pty.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";
import { rekeyCheaply } from "../support/vault-access.ts";

/**
 * Threat: whoever has a copy of the whole home has the key file with it. A passphrase that is not in the home keeps such
 * a copy shut; where it comes from must not leak it, hang, or be steered by the current directory.
 */

const passphrase = "correct horse battery é";
/** seconds nobody else on this machine sleeps */
const longNap = `600.${process.pid}`;
const sandbox = await sharedSandbox();
/** whose first login made a vault with a passphrase */
const first = await sharedLogin(sandbox, { CODEMIE_VAULT_PASSPHRASE: passphrase });
/** who has the same, but opens it with less work: most of this file is not about the derivation */
const person = await sharedLogin(sandbox);
await rekeyCheaply(person, passphrase);
// started now, so that its minute passes while the other tests run
const hungAt = performance.now();
const hung = withCommand(`sh -c 'exec sleep ${longNap}'`);

function status(env: Record<string, string> = {}, args = ["profile", "status"]): Promise<Finished> {
  return person.run(args, { env });
}
function withCommand(command: string, args?: string[]): Promise<Finished> {
  return status({ CODEMIE_VAULT_PASSPHRASE_COMMAND: command }, args);
}
const script = (name: string, text: string) => {
  const file = join(person.root, name);
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
  return file;
};

ciTest("made with a passphrase, the vault has no key in the home", async () => {
  expect(existsSync(join(first.codemieHome, "vault.key"))).toBe(false);
  expect((await first.run(["profile", "status"])).code).toBe(0);
  const file = join(person.root, "passphrase");
  for (const [content, ok] of [
    [passphrase, true],
    [`${passphrase}\nsecond line\n`, true],
    [`\ufeff${passphrase}\r\n`, true],
    [passphrase.normalize("NFD"), true],
    [`${passphrase} `, false],
    [passphrase.toUpperCase(), false],
  ] as const) {
    writeFileSync(file, content);
    const { code } = await status({ CODEMIE_VAULT_PASSPHRASE_FILE: file });
    expect({ content, code }).toEqual({ content, code: ok ? 0 : 6 });
  }
  expect((await status({ CODEMIE_VAULT_PASSPHRASE: passphrase })).code).toBe(0);
});

test("profile list says why it shows no login; a script reads that in null", async () => {
  const said = await status({}, ["profile", "list"]);
  expect([said.code, said.err]).toEqual([0, expect.stringContaining("no logins are shown")]);
  expect((await status({}, ["profile", "list", "--json"])).err).toBe("");
  expect((await status({ CODEMIE_VAULT_PASSPHRASE: passphrase }, ["profile", "list"])).err).not.toContain("no logins");
});

test("Escape and Ctrl-C at the question: nothing was read, so nobody is said to be logged out", async () => {
  for (const key of ["\u001b", "\u0003"]) {
    const pty = new Pty(person, ["status"]);
    await pty.shows(/passphrase of the vault/);
    pty.type(key);
    expect(await pty.ended()).toBe(130);
    expect(pty.screen).toContain("if there is one, cannot be opened now");
    expect(pty.screen).not.toContain("not logged in");
  }
});

ciTest("none, a wrong one, an empty or missing file: each has its own words, exit 6, nothing changes", async () => {
  const before = readFileSync(loginFile(person));
  const empty = join(person.root, "empty");
  writeFileSync(empty, "\n");
  const binary = join(person.root, "binary");
  writeFileSync(binary, Buffer.from([0xff, 0xfe, 0x80, 0x81, 0x0a]));
  for (const [env, says] of [
    [{}, "this vault is sealed with a passphrase, and none was given"],
    [
      { CODEMIE_VAULT_PASSPHRASE: "not the right one" },
      "the passphrase from CODEMIE_VAULT_PASSPHRASE does not open this vault",
    ],
    [{ CODEMIE_VAULT_PASSPHRASE_FILE: empty }, "its first line is empty"],
    [{ CODEMIE_VAULT_PASSPHRASE_FILE: binary }, "it is not text (UTF-8)"],
    [{ CODEMIE_VAULT_PASSPHRASE_FILE: "/nowhere/passphrase" }, "there is no such file"],
    [{ CODEMIE_VAULT_PASSPHRASE_FILE: person.root }, "it is a folder"],
  ] as [Record<string, string>, string][]) {
    for (const args of [["models"], ["profile", "login"]]) {
      const { code, out, err } = await status(env, args);
      expect({ env, args, code, out }).toEqual({ env, args, code: 6, out: "" });
      expect(err).toContain(says);
      expect(err).not.toContain("not the right one");
      expect(err).not.toContain("open this address");
    }
  }
  expect(readFileSync(loginFile(person))).toEqual(before);
});

test("a vault with a key file is not passed off as one with a passphrase", async () => {
  const other = new Person();
  await logIn(other, sandbox);
  const { code, err } = await other.run(["models"], { env: { CODEMIE_VAULT_PASSPHRASE: passphrase } });
  expect(code).toBe(6);
  expect(err).toContain("is sealed with the key file");
  expect(err).toContain("hint: run codemie vault rekey");
  other.remove();
});

test("a short passphrase makes no vault", async () => {
  const other = new Person();
  const args = ["profile", "login", "--url", sandbox.origin];
  const { code, err } = await other.run(args, { env: { CODEMIE_VAULT_PASSPHRASE: "short" } });
  expect(code).toBe(2);
  expect(err).toContain("a new passphrase needs at least 12 characters");
  expect(existsSync(join(other.codemieHome, "vault/data-key.json"))).toBe(false);
  other.remove();
});

test("a command's words: quotes keep together, nothing else has a meaning", () => {
  for (const [text, words] of [
    ["pass show codemie", ["pass", "show", "codemie"]],
    ["  op read 'op://vault/my item/password' ", ["op", "read", "op://vault/my item/password"]],
    [`say "it's" 'a "b"' x"y z"w ''`, ["say", "it's", 'a "b"', "xy zw", ""]],
    [
      "a $HOME ~ `b` | c; d && e \\n > f *",
      ["a", "$HOME", "~", "`b`", "|", "c;", "d", "&&", "e", "\\n", ">", "f", "*"],
    ],
    ["C:\\bin\\pass.exe\tshow\nx", ["C:\\bin\\pass.exe", "show", "x"]],
    ["pass 'show", undefined],
    ['pass "show', undefined],
    ["", []],
  ] as const) {
    expect({ text, words: commandWords(text) as readonly string[] | undefined }).toEqual({ text, words });
  }
});

test("a command gives the passphrase: its first line, without a shell, and its standard error is seen", async () => {
  const give = script("give me", `echo "unlocking for $1" >&2; printf '%s\\nlogin: ada\\n' "$2"`);
  const { code, err } = await withCommand(`'${give}' '$(touch x)' '${passphrase}'`);
  expect({ code, err }).toEqual({ code: 0, err: "unlocking for $(touch x)\n" });
  expect(existsSync(join(person.cwd, "x"))).toBe(false);
});

test("the current directory and our own secrets have no part in it", async () => {
  const tool = "give-passphrase";
  const bin = join(person.root, "bin");
  mkdirSync(bin, { recursive: true });
  const say = `pwd >&2; env | grep -c CODEMIE_JWT >&2; printf '%s' '${passphrase}'`;
  writeFileSync(join(bin, tool), `#!/bin/sh\n${say}\n`, { mode: 0o755 });
  writeFileSync(join(person.cwd, tool), "#!/bin/sh\necho hijacked >&2\n", { mode: 0o755 });
  const PATH = `.:${bin}:${person.env.PATH}`;
  // the audit trail opens the vault, also where a token is given for the run
  const env = { PATH, CODEMIE_VAULT_PASSPHRASE_COMMAND: tool, CODEMIE_JWT_TOKEN_FILE: "/nowhere" };
  const { code, err } = await status(env, ["vault", "status"]);
  expect({ code, err }).toEqual({ code: 0, err: "/\n0\n" });
  const relative = await status({ PATH: ".", CODEMIE_VAULT_PASSPHRASE_COMMAND: tool }, ["models"]);
  expect(relative.code).toBe(6);
  expect(relative.err).toContain("is not on PATH");
});

test("nor has the variable in which a profile finds its token", async () => {
  person.editConfig(({ profiles }) => {
    profiles.ci = { codeMieUrl: "https://codemie.example.com", jwtConfig: { tokenEnvVar: "CI_TOKEN" } };
  });
  const look = script("look", `echo "\${CI_TOKEN-none} \${KEPT-none}" >&2; printf '%s' '${passphrase}'`);
  const env = { CI_TOKEN: "secret", KEPT: "kept", CODEMIE_VAULT_PASSPHRASE_COMMAND: look };
  expect((await status(env, ["vault", "status"])).err).toBe("none kept\n");
});

test("a passphrase file has a longest length, and a note when others may read it", async () => {
  const file = join(person.root, "passphrase");
  writeFileSync(file, `${passphrase}\n`, { mode: 0o640 });
  const open = await status({ CODEMIE_VAULT_PASSPHRASE_FILE: file });
  const note = `note: other users of this machine may read ${file} (CODEMIE_VAULT_PASSPHRASE_FILE)\n`;
  expect({ code: open.code, err: open.err }).toEqual({ code: 0, err: note });
  chmodSync(file, 0o600);
  expect((await status({ CODEMIE_VAULT_PASSPHRASE_FILE: file })).err).toBe("");
  for (const endless of ["/dev/zero", join(person.root, "long")]) {
    writeFileSync(join(person.root, "long"), `${passphrase}\n${"x".repeat(64 * 1024)}`);
    const { code, err } = await status({ CODEMIE_VAULT_PASSPHRASE_FILE: endless });
    expect({ code, err }).toEqual({ code: 6, err: expect.stringContaining("it is longer than 64 KiB") });
  }
});

test("a program that a command leaves behind does not hold it up", async () => {
  const give = script("leaves", `sleep 20 2>&- & printf '%s' '${passphrase}'`);
  const start = performance.now();
  expect((await withCommand(give)).code).toBe(0);
  expect(performance.now() - start).toBeLessThan(15_000);
});

test("what is piped in is not the command's", async () => {
  const reads = script("reads", `read -r line; echo "read: $line" >&2; printf '%s' '${passphrase}'`);
  const options = { env: { CODEMIE_VAULT_PASSPHRASE_COMMAND: reads }, stdin: "for codemie\n" };
  const { err } = await person.run(["profile", "status"], options);
  expect(err).toBe("read: \n");
});

for (const [what, command, says] of cases([
  ["fails", "sh -c 'echo locked >&2; echo half; exit 3'", "sh ended with exit code 3"],
  ["prints nothing", "true", "its first line is empty"],
  ["is missing", "no-such-program --x", "no-such-program is not on PATH"],
  ["is no program", "/etc/hostname", "/etc/hostname could not be started"],
  ["floods", "sh -c 'exec yes'", "sh printed more than 64 KiB and was killed"],
  ["is not written right", "pass 'show", "a quote in it is not closed"],
] as const)) {
  test(`a command that ${what}: exit 6 and why`, async () => {
    const { code, out, err } = await withCommand(command, ["models"]);
    expect({ code, out }).toEqual({ code: 6, out: "" });
    expect(err).toContain("error: cannot get a passphrase from CODEMIE_VAULT_PASSPHRASE_COMMAND: ");
    expect(err).toContain(says);
    expect(err).not.toContain("half");
  });
}

test("it is asked for once in a process, however often it is needed", async () => {
  const count = join(person.root, "count");
  const give = script("counting", `echo x >> '${count}'; printf '%s' '${passphrase}'`);
  expect((await withCommand(give, ["models"])).code).toBe(0);
  expect((await withCommand(script("wrong", `echo x >> '${count}'; echo wrong`), ["profile", "status"])).code).toBe(6);
  expect(readFileSync(count, "utf8")).toBe("x\nx\n");
});

ciTest("at a terminal it is asked for, shown to nobody, and Ctrl-C ends it", async () => {
  const wrong = "wrong passphrase\r";
  for (const [keys, code, says] of [
    [[`${passphrase}\r`], 0, /✓ logged in/],
    [[wrong, `${passphrase}\r`], 0, /✓ logged in/],
    [[wrong, wrong, wrong], 6, /the passphrase you typed does not open this\s+vault/],
    [["\r"], 6, /nothing was typed/],
    [["\u0003"], 130, /interrupted/],
    [[wrong, "\u0003"], 130, /interrupted/],
  ] as const) {
    const pty = new Pty(person, ["profile", "status"]);
    for (const [i, typed] of keys.entries()) {
      await pty.shows(new RegExp(`(passphrase of the vault \\(nothing will be shown\\): [\\s\\S]*){${i + 1}}`));
      pty.type(typed);
    }
    await pty.shows(says);
    expect(await pty.ended()).toBe(code);
    expect(pty.screen).not.toContain("correct horse");
    expect(pty.screen).not.toContain("wrong passphrase");
  }
});

test("what is typed while a passphrase is tried is not shown either: it is the next try", async () => {
  const pty = new Pty(person, ["profile", "status"]);
  await pty.shows(/nothing will be shown\): /);
  pty.type("wrong passphrase\r");
  pty.type("also wrong, and early");
  await pty.shows(/once more:[\s\S]*nothing will be shown\): /);
  pty.type("also wrong\r");
  await pty.shows(/(once more:[\s\S]*){2}nothing will be shown\): /);
  pty.type(`${passphrase}\r`);
  await pty.shows(/✓ logged in/);
  expect(await pty.ended()).toBe(0);
  expect(pty.screen).not.toMatch(/wrong|early/);
});

test("what is told of it on the screen and in the process list holds no passphrase", async () => {
  const list = join(person.root, "list");
  const give = script("listing", `ps -eo args > '${list}'; cat '${join(person.root, "passphrase")}'`);
  writeFileSync(join(person.root, "passphrase"), passphrase);
  const other = first.copy();
  delete other.env.CODEMIE_VAULT_PASSPHRASE;
  const env = { CODEMIE_VAULT_PASSPHRASE_COMMAND: give };
  const { code, out, err } = await other.run(["vault", "status", "--json"], { env });
  expect(code).toBe(0);
  expect(readFileSync(list, "utf8")).toContain("vault status --json");
  expect(readFileSync(list, "utf8")).not.toContain("correct horse");
  expect(JSON.parse(out)).toMatchObject({
    sealedWith: "passphrase",
    passphraseFrom: "CODEMIE_VAULT_PASSPHRASE_COMMAND",
    kdf: { name: "argon2id", memoryKiB: 65_536, passes: 3, lanes: 1 },
    opens: true,
    damaged: [],
  });
  expect(out + err).not.toContain("correct horse");
  other.remove();
});

ciTest("a command that hangs is killed after a minute, and said", async () => {
  const { code, err } = await hung;
  expect(code).toBe(6);
  expect(err).toContain("sh did not end within 60 s and was killed");
  expect(performance.now() - hungAt).toBeGreaterThan(59_000);
  const left = otherProcesses().filter((pid) => shownOf(pid, "cmdline").includes(`sleep\n${longNap}`));
  expect(left).toEqual([]);
});
