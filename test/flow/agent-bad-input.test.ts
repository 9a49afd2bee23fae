import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { allAgents } from "../../src/cli/commands/agent/agents.ts";
import { codemieFor, threeMakers } from "../support/agents.ts";
import type { Finished, Person } from "../support/codemie.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Whatever is wrong with an agent or its settings: an error and a hint, and nothing is left behind. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
const agents = await allAgents();
let person: Person;
beforeEach(() => {
  threeMakers(sandbox);
  person = loggedIn.copy();
});
afterEach(() => person.remove());

const run = (agent: string, args: readonly string[] = ["--task", "x"], env: Record<string, string> = {}) =>
  person.run(args, { program: codemieFor(agent), env });

/** The run says what happened and what to do, once, and leaves neither a folder nor a lock. */
function expectRefusal({ code, out, err }: Finished, exit: number, message: string | RegExp): void {
  expect(err).toMatch(message);
  expect([code, out, err.match(/^error: /gm)?.length, err.match(/^hint: /gm)?.length]).toEqual([exit, "", 1, 1]);
  expectNothingLeft();
}

/** Files of locks stay, since a lock dies with its owner; nothing else of a run does. */
function expectNothingLeft(): void {
  const names = readdirSync(join(person.codemieHome, "run"));
  expect(names.filter((name) => !/\.lock$|^models-/.test(name))).toEqual([]);
}

/** A program that would say so if it were run. */
const ran = "#!/bin/sh\necho it ran\n";

for (const { name, title, binary, package: packageName, versions } of cases(agents, 1)) {
  const missing = `error: ${title} (${binary}) is not on PATH\nhint: install it: codemie install ${binary}`;

  test(`${name}: missing, a folder, or a file that nobody may run`, async () => {
    const folder = join(person.root, "bin");
    const env = { PATH: folder };
    mkdirSync(folder);
    expectRefusal(await run(name, undefined, env), 1, missing);
    mkdirSync(join(folder, binary));
    expectRefusal(await run(name, undefined, env), 1, missing);
    const other = join(person.root, "other");
    mkdirSync(other);
    writeFileSync(join(other, binary), ran, { mode: 0o644 });
    expectRefusal(await run(name, undefined, { PATH: `${folder}:${other}` }), 1, missing);
  });

  test(`${name}: in the current directory it is not found, whatever PATH says`, async () => {
    writeFileSync(join(person.cwd, binary), ran, { mode: 0o755 });
    for (const PATH of [".", "", ":/nowhere", "./", `../${person.cwd.split("/").at(-1)}`])
      expectRefusal(await run(name, undefined, { PATH }), 1, missing);
  });

  test(`${name}: too old, by the package it came in`, async () => {
    const folder = join(person.root, "lib");
    mkdirSync(join(folder, "bin"), { recursive: true });
    const at = packageName.lastIndexOf("@");
    writeFileSync(
      join(folder, "package.json"),
      JSON.stringify({ name: at > 0 ? packageName.slice(0, at) : packageName, version: "0.0.9" }),
    );
    writeFileSync(join(folder, "bin", binary), ran, { mode: 0o755 });
    const PATH = `${join(folder, "bin")}:${person.env.PATH}`;
    const finished = await run(name, undefined, { PATH });
    expectRefusal(finished, 1, `error: ${title} 0.0.9 is not supported\nhint: it takes ${versions[0]} or later`);
    expect(finished.err).toContain("npm install -g");
  });

  test(`${name}: a program that cannot be started`, async () => {
    for (const content of ["#!/nowhere/sh\n", "\u007fELF garbage"]) {
      person.install(binary, content);
      const { code, out, err } = await run(name);
      expect({ content, code, out, err }).toEqual({
        content,
        code: 1,
        out: "",
        err: expect.stringMatching(/^error: .*\nhint: /m),
      });
      expectNothingLeft();
    }
  });

  test(`${name}: killed in mid-run, its exit code is ours and nothing is left`, async () => {
    for (const [signal, code] of [
      ["KILL", 137],
      ["TERM", 143],
      ["SEGV", 139],
    ] as const) {
      person.install(binary, `#!/bin/sh\nkill -${signal} $$\n`);
      expect((await run(name)).code).toBe(code);
      expectNothingLeft();
    }
    // No lock is held: this one takes all that a run takes.
    expect((await person.run(["config", "set", "timeout", "5"])).code).toBe(0);
  });
}

/** Makes what is no settings file at the place, or one that is too long. */
const wrong: [string, (file: string) => void][] = [
  ["a pipe", (file) => Bun.spawnSync(["mkfifo", file])],
  ["a gigabyte", (file) => [writeFileSync(file, "{"), truncateSync(file, 2 ** 30)]],
  ["a folder", (file) => mkdirSync(file)],
  ["no JSON", (file) => writeFileSync(file, "{")],
];

for (const [what, make] of cases(wrong, 1)) {
  // A pipe that the person names has its time: test/security/endless-files.test.ts.
  if (what !== "a pipe")
    test(`--settings of Claude Code that is ${what}`, async () => {
      person.install("claude", ran);
      const file = join(person.root, "settings.json");
      make(file);
      const finished = await run("claude", ["--task", "x", "--settings", file]);
      expectRefusal(finished, 2, "error: --settings is neither a readable settings file nor JSON\nhint: ");
    });

  test(`the user's settings of Gemini CLI that are ${what}`, async () => {
    person.install("gemini", ran);
    const file = join(person.home, ".gemini/settings.json");
    mkdirSync(dirname(file));
    make(file);
    expectRefusal(await run("gemini"), 2, `error: ${file} is not a readable settings file\nhint: `);
  });

  test(`what Claude Code remembers of folders is ${what}: the folder counts as not trusted`, async () => {
    person.install("claude", `#!/bin/sh\nfor one; do echo "$one"; done\n`);
    make(join(person.home, ".claude.json"));
    const { code, out } = await run("claude");
    expect([code, out]).toEqual([0, expect.stringContaining("--setting-sources\nuser\n")]);
    expectNothingLeft();
  });
}

test("settings that nobody may write are read, and stay as they are", async () => {
  const own = join(person.root, "settings.json");
  const gemini = join(person.home, ".gemini/settings.json");
  mkdirSync(dirname(gemini));
  for (const file of [own, gemini]) {
    writeFileSync(file, '{"ui":{"theme":"x"}}');
    chmodSync(file, 0o444);
  }
  person.install("claude", ran);
  person.install("gemini", ran);
  expect(await run("claude", ["--task", "x", "--settings", own])).toMatchObject({ code: 0, out: "it ran\n" });
  expect(await run("gemini")).toMatchObject({ code: 0, out: "it ran\n" });
  for (const file of [own, gemini]) expect(await Bun.file(file).text()).toBe('{"ui":{"theme":"x"}}');
  expectNothingLeft();
});
