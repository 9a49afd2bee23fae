import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readRepository } from "../../src/agents/repository.ts";
import { readNamed } from "../../src/platform/foreign-files.ts";
import { codemie, type Person } from "../support/codemie.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: a cloned repository, or a link to a device or a pipe, makes the program wait for ever or fill the memory. */

const sandbox = await sharedSandbox();
const model = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = model.copy();
  person.install("claude", "#!/bin/sh\nexit 0\n");
});
afterEach(() => person.remove());

/** What never ends, or never begins; a program that reads it as a whole does not come back. */
const endless = {
  "a link to a device without end": (path: string) => symlinkSync("/dev/zero", path),
  "a link to a pipe": (path: string) => {
    Bun.spawnSync(["mkfifo", join(person.root, "pipe")]);
    symlinkSync(join(person.root, "pipe"), path);
  },
  "a pipe": (path: string) => void Bun.spawnSync(["mkfifo", path]),
  "a link to the kernel's log": (path: string) => symlinkSync("/proc/kmsg", path),
  "a link to a terminal": (path: string) => symlinkSync("/dev/ptmx", path),
  "a file of a terabyte": (path: string) => void Bun.spawnSync(["truncate", "-s", "1T", path]),
};

/** Runs codemie with 2 GB of address space for data, far less than a device without end fills. */
const bounded = (args: readonly string[], env: Record<string, string> = {}) =>
  person.run(["-c", 'ulimit -d 2000000; exec "$0" "$@"', codemie, ...args], { program: "bash", env });

/** Files of the current folder that are read unasked. */
const unasked = [".codemie/codemie-cli.config.json", ".git", ".git/HEAD", ".git/config", ".git/commondir"];

for (const [what, make] of cases(Object.entries(endless), 3)) {
  for (const place of unasked) {
    test(`${what} as ${place} of a repository counts as missing`, async () => {
      mkdirSync(join(person.cwd, place, ".."), { recursive: true });
      make(join(person.cwd, place));
      expect((await bounded(["claude", "--task", "x"])).code).toBe(0);
    });
  }

  test(`${what} that a link of git's leads to counts as missing`, async () => {
    writeFileSync(join(person.cwd, ".git"), `gitdir: ${join(person.root, "git")}\n`);
    mkdirSync(join(person.root, "git"));
    writeFileSync(join(person.root, "git/commondir"), "..\n");
    make(join(person.root, "config"));
    expect((await readRepository(person.cwd)).name).toEndWith("/cwd");
  });

  // A pipe that a person names has its time: see below.
  if (what === "a pipe") continue;

  test(`${what} that a person names is an error`, async () => {
    const path = join(person.cwd, "named");
    make(path);
    const passphrase = { CODEMIE_VAULT_PASSPHRASE_FILE: path, CODEMIE_HOME: join(person.root, "new") };
    for (const [args, env] of [
      [["claude", "--settings", "named", "--task", "x"]],
      [["claude", "--jwt-token-file", "named", "--task", "x"]],
      [["models"], { CODEMIE_JWT_TOKEN_FILE: path }],
      [["models"], { CODEMIE_CA_CERTS: path }],
      [["vault", "import", "named"]],
      [["profile", "login", "--url", sandbox.origin], passphrase],
    ] as const) {
      const { code, out, err } = await bounded(args, env);
      expect({ args, env, out }).toEqual({ args, env, out: "" });
      // Who may read the kernel's log finds something in it, and then its content is refused.
      expect([2, 4, 6]).toContain(code);
      expect(err).toMatch(/^error: /m);
    }
  });
}

test("a pipe that nobody writes to has its time, and one that somebody opens late is read", async () => {
  const path = join(person.root, "pipe");
  Bun.spawnSync(["mkfifo", path]);
  expect(readNamed(path, 1_000, 20)).rejects.toMatchObject({ code: "ETIMEDOUT" });
  const reading = readNamed(path, 1_000);
  Bun.spawn(["sh", "-c", `printf 'first '; sleep 0.05; printf second`], { stdout: Bun.file(path) });
  expect(Buffer.from((await reading).content ?? []).toString()).toBe("first second");
  rmSync(path);
  expect(readNamed(path, 1_000)).rejects.toMatchObject({ code: "ENOENT" });
});

test("pipes that a shell names are read: settings, token, passphrase; one that is too long is refused", async () => {
  const token = await sandbox.front.mintToken("ci");
  const shell = (command: string) => person.run(["-c", command, codemie, token], { program: "bash" });
  for (const command of [
    '"$0" claude --settings <(echo {}) --task x',
    '"$0" claude --task x --jwt-token-file <(sleep 0.1; printf %s "$1")',
    'printf %s "$1" | "$0" claude --task x --jwt-token-file /dev/stdin',
    'mkfifo token; (printf %s "$1" > token) & "$0" claude --task x --jwt-token-file token',
    'CODEMIE_JWT_TOKEN_FILE=<(printf %s "$1") "$0" models',
  ]) {
    const { code, err } = await shell(command);
    expect({ command, code, err }).toMatchObject({ command, code: 0 });
  }
  const { code, err } = await shell('"$0" claude --task x --jwt-token-file <(cat /dev/zero)');
  expect(code).toBe(6);
  expect(err).toContain("it is too long");
});

test("a settings file of git made to keep an expression busy costs no time", async () => {
  mkdirSync(join(person.cwd, ".git"));
  const config = join(person.cwd, ".git/config");
  const origin = '[remote "origin"]\n';
  const hosts = [
    `${origin}url = ${"a/".repeat(120_000)}\n`,
    `${origin}url = ${"a/b".repeat(80_000)} x\n`,
    `${origin}${"\n".repeat(240_000)}x`,
    `${origin}${" ".repeat(240_000)}url`,
    `${origin}url${" ".repeat(240_000)}x`,
    `${origin}url =${" \t".repeat(120_000)}\n`,
    `${origin}url = ${"/".repeat(240_000)}`,
    `${origin}url = ${".git".repeat(60_000)}`,
    origin.repeat(12_000),
    "[".repeat(240_000),
  ];
  const began = performance.now();
  for (const text of hosts) {
    writeFileSync(config, text);
    const { name = "" } = await readRepository(person.cwd);
    expect(name.length).toBeLessThan(300);
  }
  // One of these took 46 s.
  expect(performance.now() - began).toBeLessThan(20_000);
});

test("the name of a repository is read as git writes it, without a password", async () => {
  mkdirSync(join(person.cwd, ".git"));
  for (const [url, name] of [
    ["git@host.example:owner/name.git", "owner/name"],
    ["https://host.example/group/owner/name", "owner/name"],
    ["https://user:password@host.example/owner/name.git/", "owner/name"],
    ["https://user:password@host.example/name.git", "host.example/name"],
    ["https://host.example/owner/name?private_token=secret", "owner/name"],
    ["https://host.example/owner/name.git#secret", "owner/name"],
    ["ssh://git@host.example:22/owner/name.git", "owner/name"],
    ["https://user:password@host.example", undefined],
    ["git@host.example:name.git", undefined],
    [`https://host.example/owner/${"x".repeat(300)}`, undefined],
  ] as const) {
    const other = '[remote "fork"]\n\turl = https://host.example/fork/fork\n';
    writeFileSync(
      join(person.cwd, ".git/config"),
      `[core]\r\n\tbare = false\n${other}[remote "origin"]\n\tfetch = +refs/heads/*\n\turl = ${url}\n${other}`,
    );
    const found = await readRepository(person.cwd);
    expect(name === undefined ? found.name?.endsWith("/cwd") : found.name).toBe(name ?? true);
  }
});
