import { afterAll, expect } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { waitForChange } from "../../src/platform/files.ts";
import { threeMakers } from "../support/agents.ts";
import { handOff } from "../support/login.ts";
import { sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";
import { lacksWine, unixPath, Windows, type WindowsPerson, wait, windowsPath } from "../support/wine/wine.ts";

/** The program for Windows, under wine. */

if (lacksWine !== undefined) console.log(`skipped: ${lacksWine}`);
const onWindows = lacksWine === undefined ? ciTest : ciTest.skip;
const sandbox = await sharedSandbox();
const windows = new Windows();
if (lacksWine === undefined && process.env.CI) await windows.start();
afterAll(() => windows.stop());

const { version } = JSON.parse(readFileSync(join(import.meta.dir, "../../package.json"), "utf8"));

onWindows("it says its version", async () => {
  const { code, out, err } = await windows.person().run(["--version"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toStartWith(`codemie ${version} (`);
});

onWindows("its files are in the user's profile folder", async () => {
  const { code, out, err } = await windows.person().run(["config", "path"], { env: { CODEMIE_HOME: "" } });
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(/^C:\\users\\[^\\]+\\\.codemie\\codemie-cli\.config\.json\n$/);
});

onWindows("doctor ends and finds no defect of ours", async () => {
  const { out, err } = await windows.person().run(["doctor", "--json"]);
  expect(err).toBe("");
  const { checks } = JSON.parse(out);
  expect(checks.length).toBeGreaterThan(10);
  expect(JSON.stringify(checks)).not.toMatch(/unexpected|defect/);
});

/** Sets up a profile with a bearer token. */
async function setUp(person: WindowsPerson): Promise<void> {
  const args = ["setup", "--method", "jwt", "--url", sandbox.origin, "--token-stdin", "--yes"];
  const { code, out } = await person.run(args, { stdin: `${await sandbox.front.mintToken("ci")}\n` });
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("is set up") });
}

onWindows("doctor tells of files outside of the user's own folder, whose permissions protect them", async () => {
  const person = windows.person();
  const folders = async (home: string) => {
    mkdirSync(home, { recursive: true });
    const env = { CODEMIE_HOME: home === person.codemieHome ? windowsPath(home) : "" };
    const { checks } = JSON.parse((await person.run(["doctor", "--json"], { env })).out);
    return checks.find(({ id }: { id: string }) => id === "folders").status;
  };
  expect(await folders(person.codemieHome)).toBe("warning");
  const own = join(windows.usersFolder, ".codemie");
  expect(await folders(own)).toBe("ok");
  rmSync(own, { recursive: true });
});

onWindows("a profile is set up with a token from standard input; then the models are listed", async () => {
  const person = windows.person();
  await setUp(person);
  const models = await person.run(["models", "--json"]);
  expect({ code: models.code, err: models.err }).toEqual({ code: 0, err: "" });
  expect(JSON.parse(models.out).length).toBeGreaterThan(1);
});

/** @returns the exit code and outputs of a task with a bearer token, which claude.exe or claude.cmd runs */
const runTask = async (person: WindowsPerson, task: string, env: Record<string, string> = {}) =>
  await person.run(["claude", "--task", task, "--base-url", sandbox.origin], {
    env: { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci"), ...env },
  });
const well = { code: 0, out: "done\n", err: "" };

onWindows("a task runs with a bearer token; the agent has a gateway; nothing of the run remains", async () => {
  const person = windows.person();
  person.install("claude");
  const token = await sandbox.front.mintToken("ci");
  expect(await runTask(person, "say hello", { CODEMIE_JWT_TOKEN: token })).toEqual(well);
  const seen = await person.seen();
  expect(seen.args.slice(-2)).toEqual(["--", "say hello"]);
  expect(seen.cwd).toBe(windowsPath(person.cwd));
  expect(seen.models).toMatchObject({ status: 200 });
  expect(JSON.stringify(seen)).not.toContain(token);
  expect(person.runFolders()).toEqual([]);
});

/** All that cmd.exe and the reading of a command line take for their own. */
const tasks = [
  'a & b | c > d < e ^ f ^^ (g) %PATH% %dp0% !PATH! "h" \\"i\\" j\\\\" k\\ * ? ; , = \'l\' `m` $n ~o é漢\nline\r\nend \\',
  '"',
  "ends in %",
];

for (const kind of ["exe", "npm"] as const) {
  onWindows(`every character of a task reaches an agent as typed: ${kind}`, async () => {
    const person = windows.person();
    person.install("claude", kind);
    for (const task of tasks) {
      expect(await runTask(person, task)).toEqual(well);
      expect((await person.seen()).args.at(-1)).toBe(task);
    }
  });
}

onWindows("the version of an agent is that of the package behind npm's batch file", async () => {
  const person = windows.person();
  person.install("claude", "npm", "@anthropic-ai/claude-code", "1.0.3");
  const { code, err } = await runTask(person, "hello");
  expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining("Claude Code 1.0.3 is not supported") });
  const doctor = JSON.parse((await person.run(["doctor", "--json"])).out);
  expect(JSON.stringify(doctor.checks)).toContain("Claude Code 1.0.3");
});

onWindows("another batch file gets what it cannot misread, and nothing else", async () => {
  const person = windows.person();
  person.batchFile("claude", "@echo off\r\necho ran %*\r\n");
  const good = await runTask(person, "say hello");
  expect({ code: good.code, out: good.out }).toEqual({ code: 0, out: expect.stringMatching(/^ran .*say hello/) });
  for (const task of ["a & echo b", "a | b", "%PATH%", "a ^ b", 'a " b', "!PATH!", "a\nb", "a > b", "a)else(b)"]) {
    const { code, out, err } = await runTask(person, task);
    expect({ task, code, out, err }).toMatchObject({
      task,
      code: 1,
      out: "",
      err: expect.stringMatching(/^error: .*claude\.cmd is a batch file/),
    });
  }
  expect(person.runFolders()).toEqual([]);
});

onWindows("a folder in use does not fail the run that ended, and the next one removes it", async () => {
  const person = windows.person();
  person.install("claude");
  const agent = wait();
  const run = runTask(person, "hello", { AGENT_WAITS: agent.port });
  await agent.began;
  const [folder = ""] = person.runFolders();
  const release = await person.hold(join(person.codemieHome, "run", folder, "claude-settings.json"));
  await agent.proceed();
  expect(await run).toEqual(well);
  expect(person.runFolders()).toEqual([folder]);
  await release();
  expect(await runTask(person, "hello")).toEqual(well);
  expect(person.runFolders()).toEqual([]);
});

onWindows("a file that another program reads is replaced once that one is done", async () => {
  const person = windows.person();
  await setUp(person);
  const file = join(person.codemieHome, "codemie-cli.config.json");
  writeFileSync(join(person.root, "other"), "");
  const release = await person.hold(file);
  const changed = person.run(["config", "set", "model", "claude-haiku-4-5"]);
  const isReplacing = async () => readdirSync(person.codemieHome).some((name) => /^\.codemie-cli.*\.tmp$/.test(name));
  expect(await waitForChange(person.codemieHome, 60_000, isReplacing)).toBe(true);
  // Until another program has started and ended, it tries in vain.
  await (await person.hold(join(person.root, "other")))();
  await release();
  expect(await changed).toMatchObject({ code: 0, err: "" });
  expect(readFileSync(file, "utf8")).toContain("claude-haiku-4-5");
});

onWindows(
  "the name of a variable counts in any spelling: secrets and ways past the gateway do not reach the agent",
  async () => {
    const person = windows.person();
    person.install("claude");
    const token = await sandbox.front.mintToken("ci");
    const env = {
      Codemie_Jwt_Token: token,
      anthropic_base_url: "http://127.0.0.1:9",
      Anthropic_Api_Key: "sk-ant-theirs",
      https_proxy: "",
      Mine: "stays",
    };
    const args = ["claude", "--task", "hello", "--base-url", sandbox.origin];
    expect(await person.run(args, { env })).toEqual(well);
    const seen = await person.seen();
    expect(seen.models).toMatchObject({ status: 200 });
    expect(JSON.stringify(seen)).not.toMatch(new RegExp(`${token}|sk-ant-theirs|127\\.0\\.0\\.1:9"`));
    expect(seen.env).toMatchObject({ MINE: "stays" });
  },
);

onWindows("an agent does not outlive the gateway", async () => {
  const person = windows.person();
  person.install("claude");
  const agent = wait();
  const env = { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci"), AGENT_WAITS: agent.port };
  const run = person.start(["claude", "--task", "hello", "--base-url", sandbox.origin], { env });
  await agent.began;
  run.kill("SIGKILL");
  await agent.gone;
  expect(await runTask(person, "hello")).toEqual(well);
  expect(person.runFolders()).toEqual([]);
});

onWindows("several at once take turns: no change is lost", async () => {
  const person = windows.person();
  await setUp(person);
  const settings = { model: "claude-haiku-4-5", timeout: "30", betas: "off", opusModel: "claude-sonnet-4-6" };
  const changes = Object.entries(settings).map(([name, value]) => person.run(["config", "set", name, value]));
  for (const { code, err } of await Promise.all(changes)) expect({ code, err }).toEqual({ code: 0, err: "" });
  const { profiles } = JSON.parse(readFileSync(join(person.codemieHome, "codemie-cli.config.json"), "utf8"));
  expect(profiles.default).toMatchObject({ model: "claude-haiku-4-5", timeout: 30, opusModel: "claude-sonnet-4-6" });
});

onWindows("a gateway in the background starts, is shown, and ends", async () => {
  const person = windows.person();
  await setUp(person);
  const started = await person.run(["proxy", "start", "--detach", "--json"]);
  expect({ code: started.code, err: started.err }).toEqual({ code: 0, err: "" });
  const status = await person.run(["proxy", "status", "--show-key", "--json"]);
  const [{ url, key, answers }] = JSON.parse(status.out);
  expect(answers).toBe(true);
  const models = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  expect(models.status).toBe(200);
  expect(await person.run(["proxy", "stop"])).toMatchObject({ code: 0, out: expect.stringContaining("has ended") });
  expect((await person.run(["proxy", "status", "--json"])).out).toBe("[]\n");
});

onWindows("a login opens the address with Windows' own rundll32, and the browser's part ends it", async () => {
  const person = windows.person();
  const address = await person.browserOpens(["profile", "login", "--url", sandbox.origin]);
  const first = await fetch(address.opened, { redirect: "manual" });
  const login = first.headers.get("location") ?? "";
  await (await fetch(await handOff(login, sandbox.front.issue("ada").cookie))).text();
  const { code, out } = await address.finished;
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("Ada <ada@example.com>") });
});

onWindows("the other names are files beside the program, and start what they are called", async () => {
  const person = windows.person();
  const program = windows.copyTo(person.bin);
  const linked = await person.run(["self", "link"], { program });
  expect(linked).toMatchObject({ code: 0, err: "" });
  const named = await person.run(["--help"], { program: join(person.bin, "codemie-mcp-proxy.exe") });
  expect({ code: named.code, out: named.out }).toEqual({ code: 0, out: expect.stringContaining("codemie-mcp-proxy") });
});

onWindows("Gemini CLI gets a copy of the user's own files, and the newer one counts", async () => {
  threeMakers(sandbox);
  const person = windows.person();
  person.install("gemini");
  const own = join(person.root, "own/.gemini");
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, "GEMINI.md"), "first");
  const env = { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci"), GEMINI_CLI_HOME: windowsPath(dirname(own)) };
  const words = ["gemini", "--task", "hello", "--base-url", sandbox.origin];
  const copy = async () => {
    const { code, out } = await person.run(words, { env });
    expect({ code, out }).toEqual({ code: 0, out: "done\n" });
    const home = (await person.seen()).env.GEMINI_CLI_HOME ?? "";
    return join(unixPath(home), ".gemini/GEMINI.md");
  };
  expect(readFileSync(await copy(), "utf8")).toBe("first");
  writeFileSync(join(own, "GEMINI.md"), "second");
  const later = new Date(Date.now() + 60_000);
  utimesSync(join(own, "GEMINI.md"), later, later);
  expect(readFileSync(await copy(), "utf8")).toBe("second");
});

onWindows("Ctrl-C at a console is the agent's, whose exit code is ours; nothing of the run remains", async () => {
  const person = windows.person();
  person.install("claude");
  const agent = wait();
  const env = { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci"), AGENT_WAITS: agent.port };
  const terminal = person.terminal(["claude", "--base-url", sandbox.origin, "hello"], env);
  await agent.began;
  terminal.type("\u0003");
  await terminal.shows(/interrupted/);
  expect(await terminal.ended()).toBe(7);
  expect(person.runFolders()).toEqual([]);
});

onWindows("completions are printed", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, out, err } = await windows.person().run(["completion", shell]);
    expect({ shell, code, err }).toEqual({ shell, code: 0, err: "" });
    expect(out.length).toBeGreaterThan(200);
  }
});
