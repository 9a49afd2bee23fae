import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { layOutOpencodePlugin } from "../../src/agents/opencode-plugin.ts";
import { appendToFile, replaceFile } from "../../src/platform/files.ts";
import { putFreshCopy } from "../../src/platform/fresh-copy.ts";
import { readOwn, readPrivate, silently } from "../../src/platform/private.ts";
import { loginFile } from "../support/age.ts";
import { codemieFor } from "../support/agents.ts";
import { codemie, codemieClaude, codemieMcpProxy, type Person } from "../support/codemie.ts";
import { commandOf, someoneElse, testWithOthers } from "../support/other-user.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";
import { adasToken } from "../support/token.ts";
import { metricsOf, trackedAgent } from "../support/tracked-agent.ts";

/**
 * Threat: our base folder stood open once, and somebody else left files, links, pipes and folders in it: a configuration
 * that sends a token to him, a log that is one of our other files.
 */

const sandbox = await sharedSandbox();
const model = await sharedLogin(sandbox);
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: only root can give a file to another user");
const stranger = 12_345;

let person: Person;
let elsewhere: string;
beforeEach(() => {
  person = model.copy();
  elsewhere = join(person.root, "elsewhere");
});
afterEach(() => person.remove());

const at = (path: string) => join(person.codemieHome, path);
const fifo = (path: string) => Bun.spawnSync(["mkfifo", "-m", "600", path]);

/** Each makes something of another user's, or no plain file or folder, out of what lies at a path; and what is said of it. */
const swaps = {
  "a link": (path: string) => {
    renameSync(path, elsewhere);
    symlinkSync(elsewhere, path);
    return `${path} is a symbolic link, and is not followed`;
  },
  "another user's": (path: string) => {
    chownSync(path, stranger, stranger);
    return `${path} belongs to another user (${stranger}), and is not used`;
  },
  "a hard link to another user's": (path: string) => {
    renameSync(path, elsewhere);
    chownSync(elsewhere, stranger, stranger);
    linkSync(elsewhere, path);
    return `${path} belongs to another user (${stranger}), and is not used`;
  },
  "a pipe": (path: string) => {
    rmSync(path, { recursive: true });
    fifo(path);
    return statKind(path);
  },
  "a link to a device without end": (path: string) => {
    rmSync(path, { recursive: true });
    symlinkSync("/dev/zero", path);
    return `${path} is a symbolic link, and is not followed`;
  },
} as const;
const folders = ["run", "audit", "logs", "vault"];
const statKind = (path: string) =>
  `cannot read ${path}: it is not a ${folders.includes(basename(path)) ? "folder" : "file"}`;
const needsRoot = (how: string) => how.includes("another user's") && !isRoot;
/** No folder has a second name. */
const cannotBe = (place: string, how: string) =>
  needsRoot(how) || (folders.includes(place) && how.startsWith("a hard link"));

for (const [how, swap] of cases(Object.entries(swaps), 3)) {
  test.skipIf(needsRoot(how))(`a configuration that is ${how}: no token goes anywhere, and a reset helps`, async () => {
    chmodSync(person.codemieHome, 0o777);
    let visits = 0;
    const fetch = () => {
      visits++;
      return new Response();
    };
    const thief = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch });
    person.writeConfig({
      version: 2,
      profiles: { a: { codeMieUrl: `http://127.0.0.1:${thief.port}`, jwtConfig: { tokenEnvVar: "MY_SECRET" } } },
    });
    const said = swap(person.configFile);
    const env = { MY_SECRET: adasToken, CODEMIE_JWT_TOKEN: adasToken };
    for (const args of [
      ["models"],
      ["token"],
      ["profile", "status"],
      ["config", "set", "model", "m"],
      ["proxy", "start"],
    ]) {
      const { code, out, err } = await person.run(args, { env });
      expect({ args, code, out }).toEqual({ args, code: 6, out: "" });
      expect(err).toContain(`error: ${said}\nhint: `);
    }
    expect(visits).toBe(0);
    expect((await person.run(["config", "reset", "--yes"])).code).toBe(0);
    expect(existsSync(person.configFile)).toBe(false);
    expect((await person.run(["config", "list"])).err).not.toContain(said);
    await thief.stop(true);
  });

  test.skipIf(cannotBe("run", how))(`run/ that is ${how} is neither read nor written`, async () => {
    const said = swap(at("run"));
    const before = contents(at("run"));
    for (const args of [
      ["config", "set", "model", "m"],
      ["proxy", "status"],
      ["proxy", "stop"],
      ["proxy", "start"],
    ]) {
      const { code, out, err } = await person.run(args);
      expect({ args, code, out }).toEqual({ args, code: 6, out: "" });
      expect(err).toContain(`error: ${said}\nhint: `);
    }
    await person.run(["models"]);
    expect(contents(at("run"))).toEqual(before);
  });

  test.skipIf(cannotBe("audit", how))(`audit/ that is ${how} is neither read nor written`, async () => {
    const said = swap(at("audit"));
    const before = contents(at("audit"));
    const { code, err } = await person.run(["config", "set", "model", "m"]);
    expect(code).toBe(0);
    expect(err).toContain(`the audit trail could not be written: ${said}`);
    for (const args of [
      ["audit", "list"],
      ["audit", "verify"],
      ["audit", "export"],
    ]) {
      const shown = await person.run(args);
      expect({ args, code: shown.code }).toEqual({ args, code: 6 });
      expect(shown.err).toContain(`error: ${said}\nhint: `);
    }
    expect(contents(at("audit"))).toEqual(before);
  });

  test.skipIf(needsRoot(how))(`a file of the trail that is ${how} is neither read nor written`, async () => {
    const said = swap(at("audit/audit-000001.jsonl"));
    const before = contents(at("audit/audit-000001.jsonl"));
    const { code, err } = await person.run(["config", "set", "model", "m"]);
    expect(code).toBe(0);
    expect(err).toContain(said);
    expect((await person.run(["audit", "list"])).err).toContain(`error: ${said}\nhint: `);
    expect((await person.run(["audit", "verify"])).code).toBe(6);
    expect(contents(at("audit/audit-000001.jsonl"))).toEqual(before);
  });

  test.skipIf(needsRoot(how))(
    `a killed run's spool that is ${how}: put aside, and what others left is sent`,
    async () => {
      sandbox.reset();
      const [theirs, ours] = [spoolOf("a", "forged"), spoolOf("b", "killed")];
      swap(theirs);
      const before = contents(theirs);
      await agentRuns("");
      expect(sessionsOf()).toEqual(["killed"]);
      expect([theirs, ours].filter((path) => existsSync(path))).toEqual([]);
      const aside = readdirSync(at("sessions")).filter((name) => name.includes(".damaged-"));
      expect(aside.map((name) => at(`sessions/${name}`).startsWith(theirs))).toEqual([true]);
      expect(contents(at(`sessions/${aside[0]}`))).toEqual(before);
    },
  );

  test.skipIf(needsRoot(how))(
    `a session's record that is ${how}: put aside, and the others are sent and shown`,
    async () => {
      sandbox.reset();
      sandbox.settings.metrics = (_seen, response) => void response.writeHead(503).end();
      spoolOf("a", "first");
      spoolOf("b", "second");
      await agentRuns("");
      sandbox.reset();
      const record = at("sessions/first.json");
      swap(record);
      const before = contents(record);
      const shown = await person.run(["sessions", "--json"]);
      expect({ code: shown.code, ids: JSON.parse(shown.out).map(({ id }: { id: string }) => id) }).toEqual({
        code: 0,
        ids: ["second"],
      });
      spoolOf("c", "first");
      await agentRuns("");
      expect(sessionsOf()).toEqual(["first", "second"]);
      const aside = readdirSync(at("sessions")).filter((name) => name.startsWith("first.json.damaged-"));
      expect(aside.map((name) => contents(at(`sessions/${name}`)))).toEqual([before]);
      expect(statSync(record)).toMatchObject({ mode: 0o100600, uid: process.getuid?.() });
    },
  );

  for (const end of ["notice", "spool"]) {
    test.skipIf(needsRoot(how))(`a run's ${end} that is ${how}: the hook neither reads nor writes it`, async () => {
      mkdirSync(at("sessions"), { recursive: true, mode: 0o700 });
      const [spool, file] = [at("sessions/run-1-a-b.spool"), at(`sessions/run-1-a-b.${end}`)];
      writeFileSync(spool, "", { mode: 0o600 });
      writeFileSync(file, "ask them", { mode: 0o600 });
      swap(file);
      const before = contents(file);
      const stdin = JSON.stringify({ hook_event_name: "UserPromptSubmit", session_id: "a", prompt: "x" });
      const env = { CODEMIE_RUN: "run-1-a-b" };
      expect(await person.run(["hook", person.codemieHome], { stdin, env })).toEqual({ code: 0, out: "", err: "" });
      expect(contents(file)).toEqual(before);
    });
  }

  for (const place of ["logs", "logs/mcp-proxy.log"]) {
    test.skipIf(cannotBe(place, how))(
      `${place} that is ${how}: the bridge runs, and writes nothing there`,
      async () => {
        const bridge = () => person.run(["http://127.0.0.1:9/mcp"], { program: codemieMcpProxy, stdin: "" });
        await bridge();
        swap(at(place));
        const before = contents(at(place));
        expect((await bridge()).code).toBe(0);
        expect(contents(at(place))).toEqual(before);
      },
    );
  }

  for (const place of ["logs", "logs/proxy-default.log"]) {
    test.skipIf(cannotBe(place, how))(`${place} that is ${how}: no gateway starts in the background`, async () => {
      mkdirSync(at("logs"), { mode: 0o700 });
      if (place !== "logs") writeFileSync(at(place), "precious", { mode: 0o600 });
      const said = swap(at(place));
      const before = contents(at(place));
      const { code, out, err } = await person.run(["proxy", "start", "--detach"]);
      expect({ code, out }).toEqual({ code: 6, out: "" });
      expect(err).toContain(`error: ${said}\nhint: `);
      expect(contents(at(place))).toEqual(before);
    });
  }

  test.skipIf(needsRoot(how))(`a gateway's state that is ${how} is not believed`, async () => {
    const { origin: host, origin: url } = sandbox;
    const state = { profile: "default", host, url, key: "k", pid: 1, startedAt: "x", model: "m", drainSeconds: 1 };
    writeFileSync(at("run/proxy-default.json"), JSON.stringify(state), { mode: 0o600 });
    const said = swap(at("run/proxy-default.json"));
    for (const args of [
      ["proxy", "status"],
      ["proxy", "stop"],
    ]) {
      const { code, out, err } = await person.run(args);
      expect({ args, code, out }).toEqual({ args, code: 6, out: "" });
      expect(err).toContain(`error: ${said}\nhint: `);
    }
  });
}

/** A run that nobody ended, with one session in its spool. @returns the spool */
function spoolOf(mark: string, session: string): string {
  const nobody = 2 ** 22 + 1; // above the largest process number of Linux
  const api = `${sandbox.origin}/code-assistant-api`;
  const run = { agent: "claude", client: "codemie-claude", cli: "1", api, profile: "default", model: "m" };
  const events = ["SessionStart", "UserPromptSubmit", "SessionEnd"];
  const lines = [
    { at: Date.now(), run, inventory: {} },
    ...events.map((event) => ({ at: Date.now(), event, session })),
  ];
  const file = at(`sessions/run-${nobody}-${hostname().replace(/[^A-Za-z0-9.]/g, "")}-${mark}.spool`);
  mkdirSync(at("sessions"), { recursive: true, mode: 0o700 });
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""), { mode: 0o600 });
  return file;
}

/** Runs an agent that does what the script says. */
async function agentRuns(script: string) {
  trackedAgent(person, script);
  return await person.run(["--task", "x"], { program: codemieClaude });
}

const sessionsOf = () => [...new Set(metricsOf(sandbox).map(({ attributes }) => attributes.session_id))].sort();

/** All that lies at the paths, and where links lead: names and texts. */
function contents(...paths: string[]): unknown {
  return [elsewhere, ...paths].map((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isFile()) return readFileSync(path, "utf8");
    if (!found?.isDirectory()) return undefined;
    const names = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return names.map((one) => [one.name, readFileSync(join(one.parentPath, one.name), "utf8")]).sort();
  });
}

/** What somebody may have left of the plugin for Claude Code while its folders stood open. */
const plugins: Readonly<Record<string, (folder: string) => void>> = {
  "a folder of another user's, with the same files and a server more": (folder) => {
    writeFileSync(join(folder, ".mcp.json"), "{}");
    giveAll(folder, stranger);
  },
  "a link to a folder with the same files": (folder) => {
    renameSync(folder, elsewhere);
    symlinkSync(elsewhere, folder);
  },
  "one with a file more": (folder) => writeFileSync(join(folder, ".mcp.json"), "{}"),
  "one with a folder more": (folder) => mkdirSync(join(folder, "commands")),
  "one with a folder of another user's": (folder) => giveAll(join(folder, "hooks"), stranger),
  "one with a file of another user's": (folder) => chownSync(join(folder, "hooks/hooks.json"), stranger, stranger),
  "one with a link to a file of the same text": (folder) => {
    renameSync(join(folder, "hooks/hooks.json"), elsewhere);
    symlinkSync(elsewhere, join(folder, "hooks/hooks.json"));
  },
};
const giveAll = (path: string, user: number) => Bun.spawnSync(["chown", "-R", "-h", `${user}:${user}`, path]);
/** What lies below a path, each with its owner's number; of a file that others may write, the mode too. */
const owners = (path: string) =>
  readdirSync(path, { recursive: true })
    .map((name) => [`${name}`, lstatSync(join(path, `${name}`))] as const)
    .map(([name, found]) => `${name} ${found.uid}${found.isSymbolicLink() ? " link" : ""}`)
    .sort();

for (const [what, leave] of cases(Object.entries(plugins), 3)) {
  test.skipIf(needsRoot(what))(`a plugin for Claude Code that is ${what}: laid out anew`, async () => {
    await agentRuns("");
    const [version = ""] = readdirSync(at("claude-plugin"));
    const folder = at(`claude-plugin/${version}`);
    const usual = owners(folder);
    expect(usual.length).toBe(4);
    for (const path of [person.codemieHome, at("claude-plugin")]) chmodSync(path, 0o777);
    leave(folder);
    const { code, out } = await agentRuns(`console.log(process.argv[at + 1]);`);
    expect({ code, out }).toEqual({ code: 0, out: `${folder}\n` });
    expect(lstatSync(folder)).toMatchObject({ mode: 0o40700, uid: process.getuid?.() });
    expect(owners(folder)).toEqual(usual);
    expect(readdirSync(at("claude-plugin"))).toEqual([version]);
  });
}

testWithOthers("a plugin of another user's that we cannot remove: a fresh one takes its place", async () => {
  await agentRuns("");
  const [version = ""] = readdirSync(at("claude-plugin"));
  const folder = at(`claude-plugin/${version}`);
  const usual = owners(folder);
  giveAll(person.root, someoneElse);
  giveAll(folder, stranger);
  chmodSync(person.root, 0o755);
  trackedAgent(person, `console.log(process.argv[at + 1]);`);
  for (let i = 0; i < 2; i++) {
    const [program = "", ...args] = commandOf(someoneElse, codemieClaude, "--task", "x");
    const { code, out } = await person.run(args, { program });
    expect({ code, out }).toEqual({ code: 0, out: `${folder}\n` });
    expect(owners(folder)).toEqual(usual.map((line) => line.replace(/ \d+$/, ` ${someoneElse}`)));
  }
});

/** Lays out the plugin for OpenCode, which has fetched its own package already. @returns its file */
async function layOutForOpencode(): Promise<string> {
  const settings = join(person.home, ".config/opencode");
  mkdirSync(join(settings, "node_modules"), { recursive: true });
  const root = { dependencies: { "@opencode-ai/plugin": "1" } };
  writeFileSync(join(settings, "package-lock.json"), JSON.stringify({ packages: { "": root } }));
  const env = { XDG_CONFIG_HOME: join(settings, "..") };
  return (await layOutOpencodePlugin(person.codemieHome, person.cwd, env)) ?? "";
}

const swapsOfPlugin = {
  ...swaps,
  "a folder": (path: string) => {
    rmSync(path);
    mkdirSync(join(path, "x"), { recursive: true });
  },
};
for (const [how, swap] of cases(Object.entries(swapsOfPlugin), 3)) {
  test.skipIf(needsRoot(how))(`a plugin for OpenCode that is ${how}: written anew; a link's target stays`, async () => {
    const file = await layOutForOpencode();
    const text = readFileSync(file, "utf8");
    swap(file);
    const theirs = contents();
    expect(await layOutForOpencode()).toBe(file);
    expect(lstatSync(file)).toMatchObject({ mode: 0o100600, uid: process.getuid?.(), nlink: 1 });
    expect([readFileSync(file, "utf8"), contents()]).toEqual([text, theirs]);
    expect(readdirSync(join(file, ".."))).toHaveLength(1);
  });
}

/** What somebody may have left in Gemini CLI's home while it stood open, by path. */
const strangers: Readonly<Record<string, (home: string) => void>> = {
  "an extension": (home) => {
    mkdirSync(join(home, ".gemini/extensions/evil"), { recursive: true });
    writeFileSync(join(home, ".gemini/extensions/evil/gemini-extension.json"), "{}");
    giveAll(join(home, ".gemini/extensions"), stranger);
  },
  "a file deep in a folder of ours": (home) => {
    mkdirSync(join(home, ".gemini/extensions/mine"), { recursive: true });
    writeFileSync(join(home, ".gemini/extensions/mine/gemini-extension.json"), "{}");
    giveAll(join(home, ".gemini/extensions/mine/gemini-extension.json"), stranger);
  },
  "variables beside the settings": (home) => {
    writeFileSync(join(home, ".env"), "A=1");
    giveAll(join(home, ".env"), stranger);
  },
  "a link": (home) => {
    symlinkSync("/tmp", join(home, ".gemini/commands"));
    giveAll(join(home, ".gemini/commands"), stranger);
  },
  "the home itself": (home) => giveAll(home, stranger),
  "the folder of its settings": (home) => giveAll(join(home, ".gemini"), stranger),
};

for (const [what, leave] of cases(Object.entries(strangers), 2)) {
  test.skipIf(!isRoot)(
    `Gemini CLI's home with ${what} of another user's: it gets another one, and is told where that is`,
    async () => {
      person.install(
        "gemini",
        `#!/bin/sh\n[ "$1" = --version ] && { echo 0.39.1; exit 0; }\necho "$GEMINI_CLI_HOME"\n`,
      );
      const run = () => person.run(["--model", "gemini-2.5-pro", "--task", "x"], { program: codemieFor("gemini") });
      const home = at("agents/gemini");
      expect((await run()).out).toBe(`${home}\n`);
      writeFileSync(join(home, ".gemini/session.json"), "mine");
      mkdirSync(join(home, ".gemini/open"));
      chmodSync(join(home, ".gemini/open"), 0o777);
      expect((await run()).out).toBe(`${home}\n`);
      expect(statSync(join(home, ".gemini/open")).mode & 0o777).toBe(0o755);
      expect(existsSync(join(home, ".gemini/session.json"))).toBe(true);
      for (const path of [person.codemieHome, at("agents"), home, join(home, ".gemini")]) chmodSync(path, 0o777);
      leave(home);
      const { code, out, err } = await run();
      expect({ code, out }).toEqual({ code: 0, out: `${home}\n` });
      const [aside = "", ...more] = readdirSync(at("agents")).filter((name) => name !== "gemini");
      expect(more).toEqual([]);
      expect(err).toContain(at(`agents/${aside}`));
      expect(owners(home).filter((line) => !line.includes(` ${process.getuid?.()}`))).toEqual([]);
      expect(existsSync(at(`agents/${aside}/.gemini/session.json`))).toBe(true);
      expect((await run()).err).not.toContain(aside);
    },
  );
}

test("a configuration that others may write in is closed, with a note, once; one that they may read stays as it is", async () => {
  chmodSync(person.configFile, 0o666);
  const note = `note: ${person.configFile} was open to other users of this machine; it is closed now\n`;
  expect((await person.run(["config", "list"])).err).toBe(note);
  expect(statSync(person.configFile).mode & 0o777).toBe(0o644);
  expect((await person.run(["config", "list"])).err).toBe("");
});

test("nobody writes through a handle that he opened while a file stood open", async () => {
  const bridge = () => person.run(["http://127.0.0.1:9/mcp"], { program: codemieMcpProxy, stdin: "" });
  const use = async () => (await bridge()).code + (await person.run(["token", "--format", "header"])).code;
  await bridge();
  const state = at("run/proxy-default.json");
  writeFileSync(state, "{}");
  const key = [at("vault.key"), at("vault/data-key.json"), loginFile(person)];
  const files = [...key, person.configFile, state, at("logs/mcp-proxy.log"), at("audit/audit-000001.jsonl")];
  const theirs = files.map((file) => {
    chmodSync(file, 0o666);
    return openSync(file, "r+");
  });
  await person.run(["proxy", "status"]);
  expect(await use()).toBe(0);
  for (const handle of theirs) writeSync(handle, "x".repeat(4_000), 0);
  expect(files.filter((file) => readFileSync(file, "utf8").includes("xxx"))).toEqual([]);
  expect(files.filter((file) => (statSync(file).mode & 0o022) !== 0)).toEqual([]);
  expect(await use()).toBe(0);
  expect((await person.run(["audit", "verify"])).out).toContain("the trail is whole: 3 lines");
  expect(readdirSync(person.codemieHome, { recursive: true }).filter((name) => `${name}`.endsWith(".tmp"))).toEqual([]);
  for (const handle of theirs) closeSync(handle);
});

test("a file that stood open and cannot be replaced is closed, and the note says what remains", async () => {
  const folder = join(person.root, "of root");
  const env = { CODEMIE_VAULT_KEY_FILE: join(folder, "stick.key") };
  mkdirSync(folder);
  renameSync(at("vault.key"), env.CODEMIE_VAULT_KEY_FILE);
  chmodSync(env.CODEMIE_VAULT_KEY_FILE, 0o666);
  const run = closedFolder(folder);
  if (!run) return;
  const { code, err } = await run(["models"], env);
  expect(code).toBe(0);
  expect(err).toContain("it is closed now, except to programs that have it open\n");
  expect(statSync(env.CODEMIE_VAULT_KEY_FILE).mode & 0o777).toBe(0o600);
});

test("a file that one of our processes replaced while we copied it is not put back", async () => {
  const file = at("run/some.json");
  writeFileSync(file, "old");
  const old = statSync(file);
  await replaceFile(file, "new");
  expect(putFreshCopy(file, old, Buffer.from("old"), 0o600)).toBe("changed");
  expect(readFileSync(file, "utf8")).toBe("new");
  rmSync(file);
  expect(putFreshCopy(file, old, Buffer.from("old"), 0o600)).toBe("changed");
  expect(readdirSync(at("run")).filter((name) => name.includes("some.json"))).toEqual([]);
});

test("only a writer replaces a file that others of our processes append to", async () => {
  const file = at("run/some.jsonl");
  writeFileSync(file, "1\n");
  chmodSync(file, 0o666);
  const { ino } = statSync(file);
  expect(readOwn(file, { isAppended: true })).toBe("1\n");
  expect(statSync(file).ino).toBe(ino);
  await appendToFile(file, "2\n");
  expect(statSync(file)).toMatchObject({ mode: 0o100600 });
  expect(statSync(file).ino).not.toBe(ino);
  expect(readPrivate(file, silently)).toBe("1\n2\n");
});

test("a configuration without end is not read", async () => {
  truncateSync(person.configFile, 2 ** 40);
  const { code, err } = await person.run(["models"]);
  expect(code).toBe(6);
  expect(err).toContain(`error: cannot read ${person.configFile}: it is longer than 16 MiB\nhint: `);
});

test("what another user's link calls our base folder is not used", async () => {
  if (!isRoot) return;
  const link = join(person.root, "link");
  symlinkSync(person.codemieHome, link);
  const env = { CODEMIE_HOME: link };
  expect((await person.run(["models"], { env })).code).toBe(0);
  lchownSync(link, stranger, stranger);
  const { code, err } = await person.run(["models"], { env });
  expect(code).toBe(6);
  expect(err).toContain(`error: ${link} belongs to another user (${stranger}), and is not used`);
});

const canBeOther = isRoot && Bun.which("setpriv") !== null;
/** @returns how to run the program as somebody who cannot change a folder; undefined when we cannot be such a one */
function closedFolder(folder: string) {
  if (isRoot && !canBeOther) return undefined;
  if (isRoot) Bun.spawnSync(["chown", "-R", `${stranger}:${stranger}`, person.root]);
  if (isRoot) chownSync(folder, 0, 0);
  chmodSync(person.root, 0o755);
  chmodSync(folder, 0o555);
  const as = [`--reuid=${stranger}`, `--regid=${stranger}`, "--clear-groups", codemie];
  return (args: string[], env: Record<string, string>) =>
    isRoot ? person.run([...as, ...args], { program: "setpriv", env }) : person.run(args, { env });
}

test.skipIf(!canBeOther)("root's configuration is used, unless anybody may have written in it", async () => {
  Bun.spawnSync(["chown", "-R", `${stranger}:${stranger}`, person.root]);
  chmodSync(person.root, 0o755);
  chownSync(person.configFile, 0, 0);
  const asStranger = () =>
    person.run([`--reuid=${stranger}`, `--regid=${stranger}`, "--clear-groups", codemie, "config", "list"], {
      program: "setpriv",
    });
  chmodSync(person.configFile, 0o644);
  expect(await asStranger()).toMatchObject({ code: 0, err: "" });
  chmodSync(person.configFile, 0o666);
  const { code, err } = await asStranger();
  expect(code).toBe(6);
  expect(err).toContain(`error: ${person.configFile} belongs to another user (0), and is not used`);
});

test("doctor says what is a link", async () => {
  mkdirSync(at("logs"), { mode: 0o700 });
  writeFileSync(at("logs/mcp-proxy.log"), "");
  for (const [place, said] of [
    ["logs/mcp-proxy.log", "~/.codemie/logs/mcp-proxy.log is a symbolic link"],
    ["logs", "~/.codemie/logs is not a folder"],
    ["audit", "~/.codemie/audit is not a folder"],
    ["codemie-cli.config.json", "~/.codemie/codemie-cli.config.json is a symbolic link"],
  ] as const) {
    swaps["a link"](at(place));
    expect((await person.run(["doctor"])).out).toContain(said);
    rmSync(at(place));
    renameSync(elsewhere, at(place));
  }
});
