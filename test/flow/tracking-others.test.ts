import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { codemieFor, recordingAgent, threeMakers, trusting, withAgents } from "../support/agents.ts";
import { codemie, type Person } from "../support/codemie.ts";
import { Pty } from "../support/pty.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";
import { chatModelUses, filesOf, geminiModelUses, metricsOf, noted, toolsOf } from "../support/tracked-agent.ts";

/** Sessions of OpenCode, Gemini CLI and Codex are counted by what they tell: names and attributes by CodeMie fact 6.1. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
// This person has run no agent yet.
rmSync(join(loggedIn.codemieHome, "sessions"), { recursive: true });

const sessionsOf = async (person: Person) => JSON.parse((await person.run(["sessions", "list", "--json"])).out);

/** What the host gets of each session of an agent. */
interface Told {
  /** why it began, where the agent tells it */
  readonly reason?: string;
  /** the tools that were used, in order */
  readonly tools?: readonly string[];
  readonly failed?: readonly string[];
}

/** Checks the metrics of one session with one prompt, name by name. @returns its id */
function arrived(agent: string, model: string, { reason, tools = [], failed = [] }: Told): string {
  const metrics = metricsOf(sandbox);
  const [start, end] = [metrics[0], metrics.at(-1)];
  const id: string = start?.attributes.session_id;
  // One about every minute, so on a slow machine more than one.
  const usages = metrics.slice(1, -1);
  const identity = {
    agent,
    agent_version: version,
    codemie_client: `codemie-${agent}`,
    session_id: id,
    project: "team-alpha",
    llm_model: model,
    count: 1,
    schema_version: 2,
  };
  expect(start).toMatchObject({ name: "codemie_cli_session_total", attributes: { ...identity, status: "started" } });
  expect(start?.attributes.reason).toBe(reason);
  expect(usages.length).toBeGreaterThan(0);
  for (const usage of usages)
    expect(usage).toMatchObject({ name: "codemie_cli_tool_usage_total", attributes: identity });
  const sum = (name: string) => usages.reduce((all, { attributes }) => all + attributes[name], 0);
  expect(toolsOf(usages)).toEqual([...tools]);
  expect(usages.flatMap(({ attributes }) => attributes.error_tools ?? [])).toEqual([...failed]);
  const counted = ["total_user_prompts", "total_tool_calls", "successful_tool_calls", "failed_tool_calls"];
  expect(counted.map(sum)).toEqual([1, tools.length, tools.length - failed.length, failed.length]);
  expect(end).toMatchObject({ name: "codemie_cli_session_total", attributes: { ...identity, status: "completed" } });
  return id;
}

/** Checks that nothing of ours, and nothing that was sent, has the words of the conversation. */
function saysNothing(person: Person): void {
  const kept = [...filesOf(person)].filter(([name]) => /^(sessions|logs|opencode-plugin)/.test(name));
  expect(kept.length).toBeGreaterThan(1);
  for (const [name, text] of kept) expect({ name, has: text.includes("secretive") }).toEqual({ name, has: false });
  expect(JSON.stringify(metricsOf(sandbox))).not.toContain("secretive");
}

/** OpenCode has fetched its own package here, as it does in the background of its first run. */
function fetched(person: Person, folder = join(person.home, ".config/opencode")): Person {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  const root = { dependencies: { "@opencode-ai/plugin": "1.18.33" } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(root));
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify({ lockfileVersion: 3, packages: { "": root } }));
  return person;
}

const pluginOf = (person: Person) => join(person.codemieHome, "opencode-plugin", `codemie-${version}.js`);

ciTest(
  "the real OpenCode's session arrives by name, and no word of it stays or goes",
  async () => {
    threeMakers(sandbox);
    const person = fetched(loggedIn.copy());
    chatModelUses(sandbox, [
      { name: "write", input: { filePath: join(person.cwd, "a.txt"), content: "secretive" } },
      { name: "bash", input: { command: "echo secretive", description: "secretive" } },
      { name: "read", input: { filePath: join(person.cwd, "secretive") } },
    ]);
    const { code } = await person.run(["--task", "something secretive"], {
      program: codemieFor("opencode"),
      env: { ...withAgents(person), CODEMIE_PROJECT: "team-alpha" },
    });
    expect(code).toBe(0);
    const id = arrived("opencode", "claude-sonnet-4-6", {
      reason: "startup",
      tools: ["write", "bash", "read"],
      failed: ["read"],
    });
    expect(id).toMatch(/^ses_\w{26}$/);
    expect(await sessionsOf(person)).toMatchObject([
      { id, prompts: 1, toolCalls: 3, waiting: 0, events: { SessionStart: 1, UserPromptSubmit: 1, Stop: 1 } },
    ]);
    const listed = (await person.run(["sessions"])).out;
    expect(listed).toContain(id.slice(0, 12));
    expect((await person.run(["sessions", "show", id.slice(0, 12)])).out).toContain("read 1 (1 failed)");
    saysNothing(person);
    expect(readdirSync(join(person.codemieHome, "sessions")).filter((name) => name.endsWith(".spool"))).toEqual([]);
    person.remove();
  },
  300_000,
);

/** Loads the plugin as OpenCode does in a run, and tells it of events. */
function pluggedAgent(person: Person, script: string): void {
  person.install(
    "opencode",
    `#!${process.execPath}
if (process.argv.includes("--version")) { console.log("1.18.33"); process.exit(0); }
const { plugin = [] } = JSON.parse(process.env.OPENCODE_CONFIG_CONTENT);
const made = await Promise.all(plugin.map(async (one) => await (await import(one)).default({})));
const event = async (type, properties) => { for (const one of made) await one.event?.({ event: { type, properties } }); };
const prompt = async (sessionID) => { for (const one of made) await one["chat.message"]?.({ sessionID }, { parts: [{ type: "text", text: "secretive" }] }); };
const part = (sessionID, callID, tool, status) => event("message.part.updated", { part: { type: "tool", sessionID, callID, tool, state: { status, output: "secretive" } } });
${script}
`,
  );
}

const opencode = async (person: Person, env: Record<string, string> = {}) =>
  await person.run(["--task", "x"], { program: codemieFor("opencode"), env });

test("OpenCode: a subagent's tools are its session's, calls of an old session do not count, kinds of failures do", async () => {
  const person = fetched(loggedIn.copy());
  pluggedAgent(
    person,
    `await event("session.created", { info: { id: "ses_1" } });
    await prompt("ses_1");
    await part("ses_1", "old", "read", "completed");
    await event("session.created", { info: { id: "ses_2", parentID: "ses_1" } });
    await prompt("ses_2");
    for (const status of ["pending", "running", "running", "completed", "completed"]) await part("ses_2", "c1", "bash", status);
    await event("session.idle", { sessionID: "ses_2" });
    for (const status of ["running", "error"]) await part("ses_1", "c2", "a tool: secretive", status);
    await event("session.error", { sessionID: "ses_1", error: { name: "APIError", data: { message: "secretive", statusCode: 401 } } });
    await event("session.error", { sessionID: "ses_1", error: { name: "MessageAbortedError" } });
    await event("session.compacted", { sessionID: "ses_1" });
    for (const [type, properties] of [["session.error", {}], ["message.part.updated", {}], ["toString", {}], ["session.created", { info: null }]]) await event(type, properties);
    await event("session.idle", { sessionID: "ses_1" });
    await prompt("ses_3");`,
  );
  expect((await opencode(person)).code).toBe(0);
  const sessions = await sessionsOf(person);
  expect(sessions).toHaveLength(2);
  expect(sessions.find(({ id }: { id: string }) => id === "ses_1")).toMatchObject({
    prompts: 1,
    tools: { bash: { succeeded: 1, failed: 0 }, other: { succeeded: 0, failed: 1 } },
    events: { SessionStart: 1, UserPromptSubmit: 1, PostToolUse: 2, SubagentStart: 1, SubagentStop: 1, PreCompact: 1 },
  });
  const metrics = metricsOf(sandbox);
  expect(metrics.flatMap(({ attributes }) => attributes.api_errors ?? [])).toEqual(["authentication_failed"]);
  const starts = metrics.filter(({ attributes }) => attributes.status === "started");
  expect(starts.map(({ attributes }) => [attributes.session_id, attributes.reason]).sort()).toEqual([
    ["ses_1", "startup"],
    ["ses_3", "resume"],
  ]);
  expect(JSON.stringify([...filesOf(person)].filter(([name]) => name.startsWith("sessions")))).not.toContain(
    "secretive",
  );
  person.remove();
});

test("OpenCode: the user's own plugins stay; with counting off ours is not there; one of another version goes", async () => {
  const person = fetched(loggedIn.copy());
  const seen = recordingAgent(person, "opencode");
  const own = { OPENCODE_CONFIG_CONTENT: JSON.stringify({ plugin: ["file:///mine.js"] }) };
  mkdirSync(join(person.codemieHome, "opencode-plugin"));
  const old = join(person.codemieHome, "opencode-plugin/codemie-0.0.1.js");
  for (const file of [old, pluginOf(person)]) writeFileSync(file, "damaged");
  const started = async (env: Record<string, string>) => {
    expect((await opencode(person, env)).code).toBe(0);
    const { env: theirs } = await seen();
    return [JSON.parse(theirs.OPENCODE_CONFIG_CONTENT ?? "").plugin, theirs.CODEMIE_RUN];
  };
  expect(await started({ ...own, CODEMIE_TELEMETRY: "off" })).toEqual([["file:///mine.js"], ""]);
  expect(existsSync(old)).toBe(true);
  expect(await started(own)).toEqual([
    ["file:///mine.js", `file://${pluginOf(person)}`],
    expect.stringMatching(/^run-/),
  ]);
  expect(existsSync(old)).toBe(false);
  expect(filesOf(person).get(`opencode-plugin/codemie-${version}.js`)).toContain(codemie.replace(/\/[^/]*$/, ""));
  person.remove();
});

test("OpenCode would wait for the internet because of a plugin: not with ours", async () => {
  const person = loggedIn.copy();
  const seen = recordingAgent(person, "opencode");
  const isThere = async () => {
    expect((await opencode(person)).code).toBe(0);
    return "plugin" in JSON.parse((await seen()).env.OPENCODE_CONFIG_CONTENT ?? "");
  };
  expect(await isThere()).toBe(false);
  const folder = join(person.home, ".config/opencode");
  fetched(person);
  expect(await isThere()).toBe(true);
  writeFileSync(join(folder, "package.json"), '{"dependencies":{"left-pad":"1"}}');
  expect(await isThere()).toBe(false);
  fetched(person);
  mkdirSync(join(person.cwd, ".opencode"));
  expect(await isThere()).toBe(false);
  fetched(person, join(person.cwd, ".opencode"));
  expect(await isThere()).toBe(true);
  person.remove();
});

const gemini = async (person: Person, args: readonly string[], env: Record<string, string> = {}) =>
  await person.run(args, { program: codemieFor("gemini"), env });

for (const [where, more] of cases(
  [
    ["", {}],
    [" in a job of GitHub, where it keeps variables from its hooks", { GITHUB_SHA: "1f2e3d" }],
  ] as const,
  1,
))
  ciTest(
    `the real Gemini CLI's session arrives by name, and no word of it stays or goes${where}`,
    async () => {
      threeMakers(sandbox);
      const person = loggedIn.copy();
      geminiModelUses(sandbox, "something secretive", [
        { name: "write_file", input: { file_path: join(person.cwd, "a.txt"), content: "secretive" } },
        { name: "run_shell_command", input: { command: "echo secretive; exit 3", description: "secretive" } },
        { name: "read_file", input: { file_path: join(person.cwd, "secretive") } },
      ]);
      const { code } = await gemini(person, ["--task", "something secretive", "--trust-folder", "--yolo"], {
        ...withAgents(person),
        ...more,
        CODEMIE_PROJECT: "team-alpha",
      });
      expect(code).toBe(0);
      const id = arrived("gemini", "gemini-2.5-pro", {
        reason: "startup",
        tools: ["write_file", "run_shell_command", "read_file"],
        failed: ["read_file"],
      });
      expect(await sessionsOf(person)).toMatchObject([
        {
          id,
          reason: "exit",
          waiting: 0,
          events: { SessionStart: 1, UserPromptSubmit: 1, PostToolUse: 3, Stop: 1, SessionEnd: 1 },
        },
      ]);
      saysNothing(person);
      person.remove();
    },
    300_000,
  );

test("Gemini CLI: the person's own hooks stay, beside ours; with counting off, and without bash, ours is not there", async () => {
  const person = loggedIn.copy();
  threeMakers(sandbox);
  const seen = recordingAgent(person, "gemini");
  const mine = [{ matcher: "*", hooks: [{ type: "command", command: "mine" }] }];
  const own = { AfterAgent: mine, BeforeTool: mine, SessionEnd: "odd", disabled: ["x"] };
  mkdirSync(join(person.home, ".gemini"));
  writeFileSync(join(person.home, ".gemini/settings.json"), JSON.stringify({ hooks: own }));
  const started = async (env: Record<string, string>) => {
    expect((await gemini(person, ["--task", "x"], env)).code).toBe(0);
    const { env: theirs } = await seen();
    const settings = join(theirs.GEMINI_CLI_HOME ?? "", ".gemini/settings.json");
    const run = [theirs.CODEMIE_RUN, theirs.GEMINI_CLI_CODEMIE_RUN];
    return { run, hooks: JSON.parse(readFileSync(settings, "utf8")).hooks };
  };
  expect(await started({ CODEMIE_TELEMETRY: "off", GEMINI_CLI_CODEMIE_RUN: "run-1-other" })).toEqual({
    run: ["", ""],
    hooks: own,
  });
  const { run, hooks } = await started({});
  expect(run).toEqual([expect.stringMatching(/^run-/), run[0]]);
  const ours = (timeout: number) => ({
    hooks: [{ name: "codemie", type: "command", command: expect.stringMatching(/^'\/.*' hook '\/.*'$/), timeout }],
  });
  expect(hooks).toEqual({
    SessionStart: [ours(5_000)],
    BeforeAgent: [ours(2_000)],
    BeforeTool: mine,
    AfterTool: [ours(2_000)],
    AfterAgent: [...mine, ours(2_000)],
    PreCompress: [{ matcher: "manual", ...ours(2_000) }],
    Notification: [ours(2_000)],
    SessionEnd: [ours(10_000)],
    disabled: ["x"],
  });
  const [bin] = (person.env.PATH ?? "").split(":");
  const slim = join(person.root, "slim");
  mkdirSync(slim);
  for (const name of ["sh", "env"])
    writeFileSync(join(slim, name), `#!/bin/sh\nexec /usr/bin/${name} "$@"\n`, { mode: 0o755 });
  expect((await started({ PATH: `${bin}:${slim}` })).hooks).toEqual(own);
  person.remove();
});

const codexTask = ["--task", "something secretive", ...trusting.codex];

ciTest(
  "the real Codex's session arrives by name, and no word of it stays or goes",
  async () => {
    threeMakers(sandbox);
    const person = loggedIn.copy();
    const env = { ...withAgents(person), CODEMIE_PROJECT: "team-alpha" };
    expect((await person.run(codexTask, { program: codemieFor("codex"), env })).code).toBe(0);
    const id = arrived("codex", "gpt-5.2", {});
    expect(await sessionsOf(person)).toMatchObject([
      { id, prompts: 1, waiting: 0, events: { UserPromptSubmit: 1, Stop: 1 } },
    ]);
    saysNothing(person);
    person.remove();
  },
  300_000,
);

/** Puts a program in Codex's place that tells what it was told of `notify`, and calls it as Codex does: late, and without waiting. */
function notifyingCodex(person: Person): void {
  person.install(
    "codex",
    `#!${process.execPath}
const [, , ...args] = process.argv;
if (args[0] === "debug") process.exit(1);
const notify = args.filter((arg, n) => args[n - 1] === "-c" && arg.startsWith("notify=")).at(-1);
console.log(notify ?? "none");
if (!notify?.includes('"hook"')) process.exit(0);
await fetch(JSON.parse(\`"\${/base_url="([^"]*)"/.exec(args.join(" "))[1]}"\`) + "/responses", { method: "POST", headers: { authorization: "Bearer " + process.env.CODEMIE_GATEWAY_KEY }, body: JSON.stringify({ model: "gpt-5.2", input: [] }) }).then((one) => one.text());
const event = { type: "agent-turn-complete", "thread-id": "019a-1", "turn-id": "1", cwd: "/", "input-messages": ["secretive"], "last-assistant-message": "secretive" };
const [program, ...more] = JSON.parse(notify.slice("notify=".length));
Bun.spawn(["sh", "-c", 'sleep 0.7; exec "$@"', "sh", program, ...more, JSON.stringify(event)], { stdio: ["ignore", "ignore", "ignore"] }).unref();
process.exit(0);
`,
  );
}

test("Codex ends without waiting for the hook: its event still counts", async () => {
  const person = loggedIn.copy();
  threeMakers(sandbox);
  notifyingCodex(person);
  const { code, out } = await person.run(["exec", "x"], { program: codemieFor("codex") });
  expect([code, out]).toEqual([0, expect.stringMatching(/^notify=\["\/.*","hook","\/.*"\]\n$/)]);
  expect(await sessionsOf(person)).toMatchObject([
    { id: "019a-1", status: "completed", prompts: 1, events: { UserPromptSubmit: 1, Stop: 1 } },
  ]);
  saysNothing(person);
  person.remove();
});

test("Codex: a program that the person has it tell stays the one; with counting off there is none", async () => {
  const person = loggedIn.copy();
  threeMakers(sandbox);
  notifyingCodex(person);
  const told = async (args: readonly string[] = [], env: Record<string, string> = {}) =>
    (await person.run(["exec", ...args, "x"], { program: codemieFor("codex"), env })).out.trim();
  expect(await told([], { CODEMIE_TELEMETRY: "off" })).toBe("none");
  expect(await told(["-c", 'notify=["mine"]'])).toBe('notify=["mine"]');
  const [usual, moved] = [join(person.home, ".codex"), join(person.root, "codex-home")];
  for (const folder of [usual, moved]) mkdirSync(folder);
  for (const [folder, file, text] of [
    [usual, "config.toml", 'model = "x"\nnotify = ["mine"]\n'],
    [usual, "work.config.toml", '"notify" = ["mine"]'],
    [usual, "config.toml", `[profiles.x]\n'notify'=["mine"]`],
    [usual, "config.toml", "#".repeat(300_000)],
    [moved, "config.toml", "notify=[]"],
  ] as const) {
    writeFileSync(join(folder, file), text);
    const env: Record<string, string> = folder === moved ? { CODEX_HOME: moved } : {};
    expect([file, text.slice(0, 40), await told([], env)]).toEqual([file, text.slice(0, 40), "none"]);
    writeFileSync(join(folder, file), "");
  }
  writeFileSync(join(usual, "config.toml"), '# notify = ["no"]\n[tui]\nnotifications = true\n');
  expect(await told()).toStartWith("notify=");
  person.remove();
});

// The last one: it ends the login that all of them share.
ciTest("the real Gemini CLI at a terminal: a permission, a compaction, a login that ends, a session anew", async () => {
  threeMakers(sandbox);
  const person = loggedIn.copy();
  const step = { name: "run_shell_command", input: { command: "touch made", description: "x" } };
  geminiModelUses(sandbox, "hello", [step]);
  const pty = new Pty(person, ["--trust-folder", "-i", "hello"], withAgents(person), codemieFor("gemini"));
  await noted(person, "PermissionRequest", 1);
  await pty.enters("", noted(person, "Stop", 1));
  sandbox.settings.answer = undefined;
  await pty.enters("/compress", noted(person, "PreCompact", 1));
  sandbox.front.revokeAll();
  await pty.enters("again", noted(person, "Stop", 2));
  await pty.enters("once more", noted(person, "Stop", 3));
  // It names the hook behind what a hook says.
  await pty.shows(/\[codemie\]/);
  await pty.enters("/clear", noted(person, "SessionStart", 2));
  // What is typed while the screen is cleared gets lost.
  const timer = setInterval(() => pty.type("\u0015/quit"), 1_000);
  await pty.enters("", pty.ended()).finally(() => clearInterval(timer));
  const [second, first] = await sessionsOf(person);
  expect(first).toMatchObject({
    reason: "clear",
    prompts: 3,
    tools: { run_shell_command: { succeeded: 1, failed: 0 } },
    events: { SessionStart: 1, Stop: 3, PermissionRequest: 1, PreCompact: 1, SessionEnd: 1 },
  });
  expect(second).toMatchObject({ status: "completed", reason: "exit", prompts: 0 });
  person.remove();
});
