import { expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import { codemieClaude, Person, withClaude } from "../support/codemie.ts";
import { ownProvider, sharedLogin, sharedSandbox } from "../support/shared.ts";
import { filesOf, metricsOf, modelUses, trackedAgent } from "../support/tracked-agent.ts";

/** Sessions of Claude Code are counted, and the host is told: names and attributes by CodeMie fact 6.1. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
// This person has run no agent yet.
rmSync(join(loggedIn.codemieHome, "sessions"), { recursive: true });

test("the real Claude Code's session arrives by name: start, usage and end; codemie sessions shows it", async () => {
  const person = loggedIn.copy();
  mkdirSync(join(person.cwd, ".git"));
  writeFileSync(join(person.cwd, ".git/HEAD"), "ref: refs/heads/topic\n");
  writeFileSync(join(person.cwd, ".git/config"), '[remote "origin"]\n\turl = https://example.com/acme/rocket.git\n');
  const file = join(person.cwd, "a.txt");
  modelUses(sandbox, "look around", [
    { name: "Write", input: { file_path: file, content: "one\ntwo\nthree\n" } },
    { name: "Edit", input: { file_path: file, old_string: "two\n", new_string: "zwei\ndrei\n" } },
    { name: "Bash", input: { command: "exit 3", description: "fail" } },
    { name: "Read", input: { file_path: join(person.cwd, "missing") } },
  ]);
  const args = ["--task", "look around", "--allowedTools", "Bash,Write,Edit,Read"];
  const env = { ...withClaude(person), CODEMIE_PROJECT: "team-alpha" };
  const { code, err } = await person.run(args, { program: codemieClaude, env });
  expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining("codemie sessions") });

  const [start, usage, end, ...more] = metricsOf(sandbox);
  expect(more).toEqual([]);
  const session = start?.attributes.session_id;
  const identity = {
    agent: "claude",
    agent_version: version,
    codemie_client: "codemie-claude",
    repository: "acme/rocket",
    session_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    branch: "topic",
    project: "team-alpha",
    count: 1,
    schema_version: 2,
    delta_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    llm_model: "claude-sonnet-4-6",
  };
  expect(start?.name).toBe("codemie_cli_session_total");
  expect(start?.attributes).toMatchObject({
    ...identity,
    status: "started",
    reason: "startup",
    session_duration_ms: 0,
    had_errors: false,
    mcp_total_servers: 0,
    agents_global: 0,
    skills_project: 0,
    hook_names: [],
  });
  expect(usage?.name).toBe("codemie_cli_tool_usage_total");
  expect(usage?.attributes).toEqual({
    ...identity,
    session_id: session,
    total_user_prompts: 1,
    session_duration_ms: expect.any(Number),
    tool_names: ["Write", "Edit", "Bash", "Read"],
    total_tool_calls: 4,
    successful_tool_calls: 2,
    failed_tool_calls: 2,
    files_created: 1,
    files_modified: 1,
    files_deleted: 0,
    total_lines_added: 5,
    total_lines_removed: 1,
    had_errors: true,
    error_tools: ["Read"],
  });
  expect(end?.name).toBe("codemie_cli_session_total");
  expect(end?.attributes).toEqual({
    ...identity,
    session_id: session,
    status: "completed",
    reason: "other",
    session_duration_ms: expect.any(Number),
    active_duration_ms: expect.any(Number),
    start_time: expect.any(Number),
    end_time: expect.any(Number),
    had_errors: true,
  });
  for (const { headers } of sandbox.calls("/v1/metrics"))
    expect(headers).toMatchObject({
      "x-codemie-client": "codemie-claude",
      "x-codemie-repository": "acme/rocket",
      "x-codemie-branch": "topic",
      "x-codemie-project": "team-alpha",
    });

  const list = JSON.parse((await person.run(["sessions", "list", "--json"])).out);
  expect(list).toMatchObject([
    { id: session, prompts: 1, toolCalls: 4, waiting: 0, requests: 5, repository: "acme/rocket" },
  ]);
  expect((await person.run(["sessions"])).out).toContain(session.slice(0, 8));
  expect((await person.run(["sessions", "show", session.slice(0, 8)])).out).toMatch(
    /tools +Write 1, Edit 1, Bash 1 \(1 failed\)/,
  );
  const payload = JSON.parse((await person.run(["sessions", "show", session, "--payload", "--json"])).out);
  expect(payload.map(({ body }: { body: unknown }) => body)).toEqual(metricsOf(sandbox));
  expect(payload[0]).toMatchObject({
    url: `${sandbox.origin}/code-assistant-api/v1/metrics`,
    sentAt: expect.any(String),
  });

  // The second run says nothing, and the same session goes on without being counted twice.
  sandbox.settings.answer = undefined;
  const again = await person.run(["--task", "more", "--resume", session], { program: codemieClaude, env });
  expect({ code: again.code, err: again.err }).toEqual({ code: 0, err: "" });
  const later = metricsOf(sandbox).slice(3);
  expect(later.map(({ name, attributes }) => [name, attributes.session_id, attributes.reason])).toEqual([
    ["codemie_cli_session_total", session, "resume"],
    ["codemie_cli_tool_usage_total", session, undefined],
    ["codemie_cli_session_total", session, "other"],
  ]);
  expect(later[1]?.attributes).toMatchObject({ total_user_prompts: 1, total_tool_calls: 0, total_lines_added: 0 });
  person.remove();
});

const oneCall = `
hook("SessionStart", { source: "startup" });
hook("UserPromptSubmit", { prompt: "x" });
write(call("t1") + result("t1"));
hook("Stop");
hook("SessionEnd", { reason: "other" });
`;

test("for a model provider nothing is counted", async () => {
  const person = new Person();
  trackedAgent(person, `console.log(at < 0 && !env.CODEMIE_RUN ? "no plugin" : "a plugin");`);
  const { origin, key } = await ownProvider("litellm");
  await person.run(["setup", "--provider", "litellm", "--url", origin, "--key-stdin", "--yes"], { stdin: key });
  const { code, out, err } = await person.run(["--task", "x"], { program: codemieClaude });
  expect({ code, out, err }).toEqual({ code: 0, out: "no plugin\n", err: expect.not.stringContaining("sessions") });
  expect([...filesOf(person).keys()].filter((name) => /^(sessions|claude-plugin)/.test(name))).toEqual([]);
  person.remove();
});

test("off by setting and by environment: no plugin, no record, nothing sent", async () => {
  const person = loggedIn.copy();
  trackedAgent(person, `console.log(at < 0 && !env.CODEMIE_RUN ? "no plugin" : "a plugin");`);
  const agent = async (env: Record<string, string> = {}) =>
    (await person.run(["--task", "x"], { program: codemieClaude, env })).out.trim();
  const traces = () => [...filesOf(person).keys()].filter((name) => /^(sessions|claude-plugin)/.test(name));
  expect(await agent({ CODEMIE_TELEMETRY: "off" })).toBe("no plugin");
  expect(await agent({ CODEMIE_TELEMETRY: "disabled" })).toBe("no plugin");
  expect((await person.run(["config", "set", "telemetry", "off"])).code).toBe(0);
  expect(await agent()).toBe("no plugin");
  expect({ traces: traces(), sent: metricsOf(sandbox) }).toEqual({ traces: [], sent: [] });
  expect((await person.run(["config", "set", "telemetry", "maybe"])).code).toBe(2);
  expect(await agent({ CODEMIE_TELEMETRY: "on" })).toBe("a plugin");
  person.remove();
});

test("a plugin of the user's with our name takes our plugin's place", async () => {
  const person = loggedIn.copy();
  trackedAgent(person, `console.log(process.argv.filter((arg) => arg === "--plugin-dir").length);`);
  const own = join(person.root, "own");
  mkdirSync(join(own, ".claude-plugin"), { recursive: true });
  mkdirSync(join(own, "hooks"), { recursive: true });
  writeFileSync(join(own, "hooks/hooks.json"), '{"hooks":{}}');
  for (const [name, count] of [
    ["codemie", "1"],
    ["mine", "2"],
  ]) {
    writeFileSync(join(own, ".claude-plugin/plugin.json"), JSON.stringify({ name }));
    const { out } = await person.run(["--task", "x", "--plugin-dir", own], { program: codemieClaude });
    expect([name, out.trim()]).toEqual([name, count]);
  }
  person.remove();
});

test("a damaged plugin is laid out anew, and one of another version goes", async () => {
  const person = loggedIn.copy();
  trackedAgent(person, oneCall);
  const folder = join(person.codemieHome, "claude-plugin");
  mkdirSync(join(folder, version, "hooks"), { recursive: true });
  writeFileSync(join(folder, version, "hooks/hooks.json"), "{");
  mkdirSync(join(folder, "0.0.1"));
  expect((await person.run(["--task", "x"], { program: codemieClaude })).code).toBe(0);
  expect(metricsOf(sandbox)).toHaveLength(3);
  expect(existsSync(join(folder, "0.0.1"))).toBe(false);
  expect([...filesOf(person).keys()].filter((name) => name.startsWith("claude-plugin")).sort()).toEqual([
    `claude-plugin/${version}/.claude-plugin/plugin.json`,
    `claude-plugin/${version}/hooks/hooks.json`,
  ]);
  person.remove();
});

test("a run with a login that ended: the next prompt's hook says so, and how to log in", async () => {
  const person = loggedIn.copy();
  trackedAgent(
    person,
    `hook("SessionStart", { source: "startup" });
    const before = hook("UserPromptSubmit", { prompt: "x" });
    writeFileSync(env.HOME + "/ready", "");
    while (!existsSync(env.HOME + "/go")) await Bun.sleep(20);
    const answer = await fetch(gateway.url + "/v1/messages", {
      method: "POST", headers: { "x-api-key": gateway.key }, body: JSON.stringify({ model: "m", messages: [], max_tokens: 1 }),
    });
    await answer.text();
    let after = "";
    while (!(after = hook("UserPromptSubmit", { prompt: "y" }))) await Bun.sleep(20);
    console.log(JSON.stringify({ before, status: answer.status, after: JSON.parse(after) }));`,
  );
  const running = person.start(["--task", "x"], { program: codemieClaude });
  while (!existsSync(join(person.home, "ready"))) await Bun.sleep(20);
  sandbox.front.revokeAll();
  writeFileSync(join(person.home, "go"), "");
  const { out } = await running.finished();
  expect(JSON.parse(out)).toEqual({
    before: "",
    status: 401,
    after: { systemMessage: expect.stringMatching(/no longer valid; run: codemie profile login/) },
  });
  person.remove();
});

test("codemie sessions without sessions, and with an id that is none", async () => {
  const person = loggedIn.copy();
  expect((await person.run(["sessions"])).out).toBe("no sessions are counted\n");
  const { code, err } = await person.run(["sessions", "show", "abc"]);
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("there is no session abc") });
  expect((await person.run(["hook", "--help"])).out).toContain("not people");
  person.remove();
});
