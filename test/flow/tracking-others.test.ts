import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { codemieFor, recordingAgent, threeMakers, withAgents } from "../support/agents.ts";
import { codemie, type Person } from "../support/codemie.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";
import { chatModelUses, filesOf, metricsOf, toolsOf } from "../support/tracked-agent.ts";

/** Sessions of OpenCode are counted by what it tells: names and attributes by CodeMie fact 6.1. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
// This person has run no agent yet.
rmSync(join(loggedIn.codemieHome, "sessions"), { recursive: true });

const sessionsOf = async (person: Person) => JSON.parse((await person.run(["sessions", "list", "--json"])).out);

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
    const metrics = metricsOf(sandbox);
    const [start, end] = [metrics[0], metrics.at(-1)];
    const id: string = start?.attributes.session_id;
    expect(id).toMatch(/^ses_\w{26}$/);
    // One about every minute, so on a slow machine more than one.
    const usages = metrics.slice(1, -1);
    const identity = {
      agent: "opencode",
      agent_version: version,
      codemie_client: "codemie-opencode",
      session_id: id,
      project: "team-alpha",
      llm_model: "claude-sonnet-4-6",
      count: 1,
      schema_version: 2,
    };
    expect(start).toMatchObject({ name: "codemie_cli_session_total", attributes: { ...identity, status: "started" } });
    expect(start?.attributes.reason).toBe("startup");
    expect(usages.length).toBeGreaterThan(0);
    for (const usage of usages)
      expect(usage).toMatchObject({
        name: "codemie_cli_tool_usage_total",
        attributes: identity,
      });
    const sum = (name: string) => usages.reduce((all, { attributes }) => all + attributes[name], 0);
    expect(toolsOf(usages)).toEqual(["write", "bash", "read"]);
    expect(usages.flatMap(({ attributes }) => attributes.error_tools ?? [])).toEqual(["read"]);
    const counted = ["total_user_prompts", "total_tool_calls", "successful_tool_calls", "failed_tool_calls"];
    expect(counted.map(sum)).toEqual([1, 3, 2, 1]);
    expect(end).toMatchObject({ name: "codemie_cli_session_total", attributes: { ...identity, status: "completed" } });
    expect(await sessionsOf(person)).toMatchObject([
      { id, prompts: 1, toolCalls: 3, waiting: 0, events: { SessionStart: 1, UserPromptSubmit: 1, Stop: 1 } },
    ]);
    const listed = (await person.run(["sessions"])).out;
    expect(listed).toContain(id.slice(0, 12));
    expect((await person.run(["sessions", "show", id.slice(0, 12)])).out).toContain("read 1 (1 failed)");
    const kept = [...filesOf(person)].filter(([name]) => /^(sessions|logs|opencode-plugin)/.test(name));
    expect(kept.length).toBeGreaterThan(1);
    for (const [name, text] of kept) expect({ name, has: text.includes("secretive") }).toEqual({ name, has: false });
    expect(JSON.stringify(metricsOf(sandbox))).not.toContain("secretive");
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
