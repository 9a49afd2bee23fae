import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Delta } from "../../src/tracking/record.ts";
import { isOpen } from "../../src/tracking/sender.ts";
import { codemie, codemieClaude, type Person, withClaude } from "../support/codemie.ts";
import { inNamespace, runOnFullDisk, runReadOnly, testWithMounts } from "../support/namespace.ts";
import { goesOn } from "../support/processes.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { soak } from "../support/soak.ts";
import { cases, ciTest } from "../support/tiers.ts";
import { filesOf, type Metric, metricsOf, modelUses, toolsOf, trackedAgent } from "../support/tracked-agent.ts";

/** Threat: counting sessions gives away what was said in them, breaks the agent, or counts twice what it counts. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
// This person has run no agent yet.
rmSync(join(loggedIn.codemieHome, "sessions"), { recursive: true });

const start = (person: Person, env: Record<string, string> = {}) =>
  person.start(["--task", "x"], { program: codemieClaude, env });
const run = (person: Person, env: Record<string, string> = {}) => start(person, env).finished();

/** Runs an agent that does nothing until all is sent: each run sends for two seconds. */
async function sendRest(person: Person): Promise<void> {
  trackedAgent(person, `console.log("quiet")`);
  const records = join(person.codemieHome, "sessions");
  const isLeft = () =>
    readdirSync(records).some(
      (file) =>
        /^run-.*\.spool$/.test(file) ||
        (file.endsWith(".json") &&
          JSON.parse(readFileSync(join(records, file), "utf8")).deltas.some((one: Delta) => isOpen(one))),
    );
  do await run(person);
  while (isLeft());
}

const begin = `hook("SessionStart", { source: "startup" }); hook("UserPromptSubmit", { prompt: "x" });`;
const end = `hook("Stop"); hook("SessionEnd", { reason: "other" });`;

test("no word of a conversation is anywhere under the base folder, or in what was sent", async () => {
  const person = loggedIn.copy();
  const words = ["quokka", "wombat", "numbat", "bilby", "potoroo", "dunnart", "bettong"];
  const [prompt = "", command = "", output, path, content, edited, description] = words;
  const file = join(person.cwd, `${path}.txt`);
  modelUses(sandbox, prompt, [
    { name: "Write", input: { file_path: file, content: `${content}\n` } },
    { name: "Edit", input: { file_path: file, old_string: content, new_string: edited } },
    { name: "Bash", input: { command: `echo ${command}; echo ${output} >&2; exit 3`, description } },
    { name: "Read", input: { file_path: join(person.cwd, `missing-${path}`) } },
  ]);
  const usual = sandbox.settings.answer;
  const seen: string[] = [];
  sandbox.settings.answer = (...call) => {
    seen.push([...filesOf(person).values()].join("\n"));
    return usual?.(...call);
  };
  const args = ["--task", `say ${prompt}`, "--allowedTools", "Bash,Write,Edit,Read"];
  await person.run(args, { program: codemieClaude, env: { ...withClaude(person), CODEMIE_DEBUG: "true" } });
  expect(toolsOf(metricsOf(sandbox))).toEqual(["Write", "Edit", "Bash", "Read"]);
  expect(seen.length).toBeGreaterThan(4);
  seen.push([...filesOf(person).values()].join("\n"));
  for (const { body, headers } of sandbox.calls("/v1/metrics")) seen.push(body, JSON.stringify(headers));
  const { out } = await person.run(["sessions", "list", "--json"]);
  seen.push(out);
  const found = [...words, "sandbox heard"].filter((word) => seen.some((text) => text.includes(word)));
  expect(found).toEqual([]);
  person.remove();
});

/** What a transcript does while it is read, and the tools that are counted. */
const transcripts: readonly [what: string, script: string, tools: readonly string[]][] = [
  [
    "half a line is left for later",
    `const later = result("t1"); write(call("t1") + later.slice(0, 40)); hook("Stop"); hook("UserPromptSubmit", { prompt: "y" });
    await Bun.sleep(2500); write(later.slice(40)); write(call("t2", "Read") + result("t2"));`,
    ["Bash", "Read"],
  ],
  [
    "another file takes its place, with what was counted in it",
    `const [one, two, three, four] = [call("t1"), result("t1"), call("t2", "Read"), result("t2")];
    write(one + two); hook("Stop"); await Bun.sleep(2500);
    writeFileSync(transcript + ".new", one + two + three + four); renameSync(transcript + ".new", transcript);`,
    ["Bash", "Read"],
  ],
  [
    "it is cut and written anew",
    `const [one, two, three, four] = [call("t1"), result("t1"), call("t2", "Read"), result("t2")];
    write("x".repeat(5000) + "\\n" + one + two); hook("Stop"); await Bun.sleep(2500); writeFileSync(transcript, one + two + three + four);`,
    ["Bash", "Read"],
  ],
  [
    "lines that are no JSON, of another form, nested without end, or of no known call",
    `write("{\\n[]\\nnull\\n" + "[".repeat(100000) + "\\n"); write(line({ type: "assistant", message: null }));
    write(line({ type: "assistant", timestamp: 5, message: { content: [] } })); write(line({ type: "assistant", message: { content: "no", usage: "no" } }));
    write(result("t9")); write(call("t1", "rm -rf / && echo secretive") + result("t1", { is_error: "maybe" }) + result("t1"));`,
    ["other"],
  ],
  [
    "a line of 30 MB, and 100,000 lines",
    `write(call("t1")); const fill = Buffer.alloc(1e6, "secretive "); for (let i = 0; i < 30; i++) write(fill); write("\\n" + result("t1"));
    write("{}\\n".repeat(1e5)); write(call("t2", "Read") + result("t2"));`,
    ["Bash", "Read"],
  ],
  ["there is none, or it is no file", `transcript = env.HOME; hook("Stop"); transcript = env.HOME + "/none";`, []],
  ["it is a pipe that nobody writes to", `transcript += ".pipe"; Bun.spawnSync(["mkfifo", transcript]);`, []],
  [
    "it is a device without end",
    `transcript = "/dev/zero"; hook("Stop"); transcript = env.HOME + "/" + session + ".jsonl"; write(call("t1") + result("t1"));`,
    ["Bash"],
  ],
];

for (const [what, script, tools] of cases(transcripts, 5)) {
  test(`a transcript: ${what}`, async () => {
    const person = loggedIn.copy();
    trackedAgent(person, `${begin} ${script} ${end}`);
    const { code } = await run(person);
    const metrics = metricsOf(sandbox);
    expect({ code, tools: toolsOf(metrics) }).toEqual({ code: 0, tools: [...tools] });
    expect(metrics.filter(({ attributes }) => attributes.status).length).toBe(2);
    expect([...filesOf(person).values()].join("\n")).not.toContain("secretive");
    person.remove();
  });
}

/** Names that every object has, as those of a branch and of the calls of tools: nothing else may hear of them. */
const inherited = ["__proto__", "constructor", "toString", "hasOwnProperty"];
/** Waits in the agent, 20 s at most, until the session's record has a text. */
const recorded = (text: string) =>
  `for (let i = 0; i < 400; i++) { const file = env.HOME + "/.codemie/sessions/" + session + ".json"; if (existsSync(file) && readFileSync(file, "utf8").includes(${JSON.stringify(text)})) break; await Bun.sleep(50); }`;
const asks = `{ const headers = { authorization: "Bearer " + gateway.key, "content-type": "application/json", "anthropic-version": "2023-06-01" };
  const body = JSON.stringify({ model: "claude-sonnet-4-6", max_tokens: 5, messages: [{ role: "user", content: "x" }] });
  console.log((await fetch(gateway.url + "/v1/messages", { method: "POST", headers, body })).status); }`;
const checkOut = (person: Person, branch: string) => {
  mkdirSync(join(person.cwd, ".git"), { recursive: true });
  writeFileSync(join(person.cwd, ".git/HEAD"), `ref: refs/heads/${branch}\n`);
};

for (const name of cases(inherited)) {
  test(`a branch and calls of tools named ${name}: all is counted, and login and audit trail are untouched`, async () => {
    const person = loggedIn.copy();
    checkOut(person, name);
    trackedAgent(
      person,
      `${begin} write(call("${name}") + result("${name}")); hook("Stop"); ${recorded('"prompts":1')} ${asks}
      write(call("t2", "Read").replace('"HEAD"', '"${name}"') + result("t2").replace('"HEAD"', '"${name}"'));
      write(call("t3", "Edit").replace('"HEAD"', '"main"') + result("t3").replace('"HEAD"', '"main"'));
      hook("StopFailure", { error: "rate_limit" }); ${end}`,
    );
    const { code, out, err } = await run(person);
    expect({ code, out, err }).toEqual({ code: 0, out: "200\n", err: expect.not.stringContaining("damaged") });
    const usages = metricsOf(sandbox).filter(({ attributes }) => attributes.tool_names);
    expect(toolsOf(usages).toSorted()).toEqual(["Bash", "Edit", "Read"]);
    const here = usages.filter(({ attributes }) => attributes.branch === name);
    expect(toolsOf(here)).toEqual(["Read"]);
    expect(here.reduce((sum, { attributes }) => sum + attributes.total_user_prompts, 0)).toBe(1);
    expect([...filesOf(person).keys()].filter((one) => one.endsWith(".spool"))).toEqual([]);
    expect((await person.run(["models"])).code).toBe(0);
    expect((await person.run(["audit", "verify"])).code).toBe(0);
    const events = JSON.parse((await person.run(["audit", "list", "--json"])).out);
    expect(JSON.stringify(events)).toContain('"agent-run"');
    person.remove();
  });
}

test("events that are none, or lack what they need, are passed over; a prompt of 3 MB counts", async () => {
  const person = loggedIn.copy();
  trackedAgent(
    person,
    `for (const text of ["", "null", "[]", "{", "nonsense", "{}", '{"hook_event_name":"Stop"}', '{"session_id":"a"}',
      JSON.stringify({ hook_event_name: "Brew", session_id: session }), JSON.stringify({ hook_event_name: "Stop", session_id: "../../x" }),
      JSON.stringify({ hook_event_name: "Stop", session_id: "run-1-a-b" }), JSON.stringify({ hook_event_name: ["Stop"], session_id: {} })])
      if (run(text) !== "") throw new Error(text);
    hook("SessionStart", { source: "sec retive\\n", transcript_path: 7 });
    hook("UserPromptSubmit", { prompt: "secretive ".repeat(300000) });
    hook("PreCompact", { trigger: "manual" }); hook("PermissionRequest", { tool_name: "Bash" });
    hook("StopFailure", { error: "authentication_failed" }); ${end}`,
  );
  const { code } = await run(person);
  expect(code).toBe(0);
  const [first, usage, last, ...more] = metricsOf(sandbox);
  expect(more).toEqual([]);
  expect(first?.attributes.reason).toBeUndefined();
  expect(usage?.attributes).toMatchObject({
    total_user_prompts: 1,
    api_errors: ["authentication_failed"],
    had_errors: true,
  });
  expect(last?.attributes).toMatchObject({ status: "completed", had_errors: true });
  expect([...filesOf(person).values()].join("\n")).not.toContain("secretive");
  person.remove();
});

test("an event that comes as an argument: of one that is whole, its name and its session are kept, and nothing of the others", async () => {
  const person = loggedIn.copy();
  const spool = join(person.codemieHome, "sessions/run-1-a-b.spool");
  mkdirSync(join(person.codemieHome, "sessions"), { recursive: true });
  writeFileSync(spool, "");
  const env = { CODEMIE_RUN: "run-1-a-b" };
  const turn = { type: "agent-turn-complete", "turn-id": "1", cwd: "/secretive", "input-messages": ["secretive"] };
  const told = async (event: unknown) => {
    const text = typeof event === "string" ? event : JSON.stringify(event);
    expect(await person.run(["hook", person.codemieHome, text], { env })).toEqual({ code: 0, out: "", err: "" });
  };
  for (const bad of [
    "",
    "null",
    "[]",
    "{",
    "secretive",
    turn,
    { ...turn, "thread-id": "../../x" },
    { "thread-id": "a" },
  ])
    await told(bad);
  await told({ ...turn, "thread-id": "a", type: "secretive" });
  expect(readFileSync(spool, "utf8")).toBe("");
  await told({ ...turn, "thread-id": "019a-1", "last-assistant-message": "secretive ".repeat(10_000) });
  const noted = readFileSync(spool, "utf8").split("\n").filter(Boolean);
  expect(noted.map((line) => JSON.parse(line))).toEqual(
    ["UserPromptSubmit", "Stop"].map((event) => ({ at: expect.any(Number), event, session: "019a-1" })),
  );
  person.remove();
});

test("outside of a run the hook writes nothing, and its failures break nothing", async () => {
  const person = loggedIn.copy();
  const stdin = JSON.stringify({ hook_event_name: "Stop", session_id: "a" });
  const before = [...filesOf(person).keys()];
  const quiet = { code: 0, out: "", err: "" };
  const hook = (args: string[], env: Record<string, string>) => person.run(["hook", ...args], { stdin, env });
  expect(await hook([], {})).toEqual(quiet);
  expect(await hook([person.codemieHome], {})).toEqual(quiet);
  expect(await hook([person.codemieHome], { CODEMIE_RUN: "../../../tmp/x" })).toEqual(quiet);
  expect(await hook(["relative"], { CODEMIE_RUN: "run-1-a-b" })).toEqual(quiet);
  expect([...filesOf(person).keys()]).toEqual(before);
  expect(await hook([person.codemieHome], { CODEMIE_RUN: "run-1-a-b" })).toEqual(quiet);
  expect(readFileSync(join(person.codemieHome, "logs/codemie.log"), "utf8")).toMatch(
    /hook: an event was not noted \(ENOENT\)\n$/,
  );
  person.remove();
});

test("a host that refuses, or answers with a page, is not asked in a loop; the next run sends everything once", async () => {
  const answers: readonly [status: number, type: string, body: string][] = [
    [200, "text/html", "<html>log in</html>"],
    [403, "application/json", "{}"],
    [404, "application/json", '{"detail":"Not Found"}'],
    [200, "application/json", "nonsense"],
  ];
  for (const [status, type, body] of cases(answers)) {
    sandbox.reset();
    const person = loggedIn.copy();
    trackedAgent(person, `${begin} write(call("t1") + result("t1")); ${end}`);
    sandbox.settings.metrics = (_seen, response) => void response.writeHead(status, { "content-type": type }).end(body);
    expect((await run(person)).code).toBe(0);
    expect(sandbox.calls("/v1/metrics").length).toBe(1);
    sandbox.reset();
    expect((await run(person)).code).toBe(0);
    const metrics = metricsOf(sandbox);
    expect(metrics.map(({ attributes }) => attributes.status ?? attributes.tool_names.length).sort()).toEqual([
      1,
      1,
      "completed",
      "completed",
      "started",
      "started",
    ]);
    expect(new Set(metrics.map(({ attributes }) => attributes.delta_id)).size).toBe(6);
    person.remove();
  }
});

test("a metric that the host will never take is not sent again", async () => {
  const person = loggedIn.copy();
  trackedAgent(person, `${begin} ${end}`);
  sandbox.settings.metrics = (_seen, response) => void response.writeHead(422).end("{}");
  await run(person);
  sandbox.reset();
  await run(person);
  expect(new Set(metricsOf(sandbox).map(({ attributes }) => attributes.session_id)).size).toBe(1);
  person.remove();
});

/** Kills our program and the agent once the agent says so, and returns when both are gone. */
async function killRun(person: Person, delayMs = 0): Promise<void> {
  const ready = join(person.home, `ready-${crypto.randomUUID()}`);
  const running = start(person, { READY: ready });
  while (!existsSync(ready)) await Bun.sleep(10);
  const agent = Number(readFileSync(ready, "utf8"));
  if (delayMs > 0) await Bun.sleep(delayMs);
  running.kill("SIGKILL");
  await running.finished();
  try {
    process.kill(agent, "SIGKILL");
  } catch {} // it ends when its parent does
  while (goesOn(agent)) await Bun.sleep(10);
}

const isReady = `writeFileSync(env.READY + ".new", String(process.pid)); renameSync(env.READY + ".new", env.READY);`;
const waits = `${isReady} await Bun.sleep(60000);`;

/** A run that is killed between the host's answer and its own note sends a metric again, of the same id: the host tells by that. */
const onceById = (metrics: readonly Metric[]): Metric[] => [
  ...new Map(metrics.map((one) => [one.attributes.delta_id, one])).values(),
];

test("what a killed run leaves arrives once with the next run", async () => {
  const person = loggedIn.copy();
  trackedAgent(person, `${begin} write(call("t1") + result("t1")); hook("Stop"); ${waits}`);
  await killRun(person);
  expect(toolsOf(metricsOf(sandbox))).toEqual([]);
  await sendRest(person);
  const metrics = metricsOf(sandbox);
  expect(metrics.map(({ attributes }) => attributes.status ?? attributes.tool_names)).toEqual([
    "started",
    ["Bash"],
    "interrupted",
  ]);
  expect([...filesOf(person).keys()].filter((name) => /\.(spool|notice)$/.test(name))).toEqual([]);
  person.remove();
});

const killed = soak(20, 100);
ciTest(
  `${killed} runs killed at random moments, five at a time, then a quiet one: every call of a tool arrived exactly once`,
  async () => {
    const person = loggedIn.copy();
    trackedAgent(
      person,
      `${begin} ${isReady}
    for (let i = 0; ; i++) { write(call("t" + i, "T" + session.slice(0, 8) + "x" + i) + result("t" + i)); hook("Stop"); appendFileSync(env.HOME + "/noted", "T" + session.slice(0, 8) + "x" + i + "\\n"); await Bun.sleep(100); }`,
    );
    for (let i = 0; i < killed; i += 5)
      await Promise.all(Array.from({ length: 5 }, () => killRun(person, Math.random() * 3_000)));
    await sendRest(person);
    const noted = readFileSync(join(person.home, "noted"), "utf8").trim().split("\n");
    const metrics = onceById(metricsOf(sandbox));
    const arrived = toolsOf(metrics);
    // The last call of a killed run may have been noted before the file says so.
    expect(arrived.length).toBe(new Set(arrived).size);
    expect(noted.filter((name) => !arrived.includes(name))).toEqual([]);
    for (const status of ["started", "interrupted"])
      expect([status, metrics.filter(({ attributes }) => attributes.status === status).length]).toEqual([
        status,
        killed,
      ]);
    person.remove();
  },
);

ciTest("a transcript of 500 MB and a hole of as much: all is counted, in a bounded memory", async () => {
  const person = loggedIn.copy();
  trackedAgent(
    person,
    `${begin} write(call("t1") + result("t1"));
    const other = Buffer.from((JSON.stringify({ type: "progress", data: "secretive ".repeat(90) }) + "\\n").repeat(1000));
    for (let size = 0; size < 500e6; size += other.length) write(other);
    truncateSync(transcript, statSync(transcript).size + 500e6);
    write("\\n" + call("t2", "Read") + result("t2")); hook("Stop");
    const record = env.HOME + "/.codemie/sessions/" + session + ".json";
    while (!existsSync(record) || !readFileSync(record, "utf8").includes('"name":"Read"')) await Bun.sleep(50);
    const status = readFileSync("/proc/" + process.ppid + "/status", "utf8");
    ${end} console.log(/VmHWM:\\s+(\\d+) kB/.exec(status)[1]);`,
  );
  const { code, out } = await run(person);
  expect({ code, tools: toolsOf(metricsOf(sandbox)) }).toEqual({ code: 0, tools: ["Bash", "Read"] });
  expect(Number(out) / 1024).toBeLessThan(500);
  person.remove();
});

test("a clock that jumps a year ahead and back: each call counts once, and no time is below nothing", async () => {
  const person = loggedIn.copy();
  const year = 365 * 86_400_000;
  trackedAgent(
    person,
    `const spool = env.HOME + "/.codemie/sessions/" + env.CODEMIE_RUN + ".spool";
    const note = (ms, event, reason) => appendFileSync(spool, JSON.stringify({ at: Date.now() + ms, event, session, transcript, reason }) + "\\n");
    const on = (ms) => ({ timestamp: new Date(Date.now() + ms).toISOString() });
    const used = (id, name, ms) => line({ ...on(ms), type: "assistant", message: { id: "msg_" + id, content: [{ type: "tool_use", id, name }] } })
      + line({ ...on(ms), type: "user", message: { content: [{ type: "tool_result", tool_use_id: id }] } });
    note(0, "SessionStart", "startup"); note(${year}, "UserPromptSubmit"); write(used("t1", "Bash", ${year})); note(${-year}, "Stop");
    await Bun.sleep(2500);
    note(0, "UserPromptSubmit"); write(used("t2", "Read", ${-year})); note(-5000, "Stop"); note(0, "SessionEnd", "other");`,
  );
  expect((await run(person)).code).toBe(0);
  const first = metricsOf(sandbox);
  expect(first.map(({ attributes }) => attributes.status ?? attributes.tool_names)).toEqual([
    "started",
    ["Bash", "Read"],
    "completed",
  ]);
  expect(first[1]?.attributes.total_user_prompts).toBe(2);
  expect(first[2]?.attributes.active_duration_ms).toBe(0);
  for (const { attributes } of first) expect(attributes.session_duration_ms).toBeWithin(0, year / 365);
  trackedAgent(person, `console.log("quiet")`);
  await run(person);
  expect(metricsOf(sandbox)).toEqual(first);
  person.remove();
});

test("many sessions of one base folder at once: each arrives once", async () => {
  const person = loggedIn.copy();
  trackedAgent(person, `${begin} write(call("t1") + result("t1")); hook("Stop"); await Bun.sleep(1200); ${end}`);
  const count = process.env.CI ? 20 : 6;
  const done = await Promise.all(Array.from({ length: count }, () => run(person)));
  expect(done.map(({ code }) => code)).toEqual(done.map(() => 0));
  expect(done.filter(({ err }) => err.includes("codemie sessions")).length).toBe(1);
  await sendRest(person);
  const metrics = onceById(metricsOf(sandbox));
  expect(toolsOf(metrics).length).toBe(count);
  expect(new Set(metrics.map(({ attributes }) => attributes.delta_id)).size).toBe(count * 3);
  expect(metrics.length).toBe(count * 3);
  person.remove();
});

testWithMounts("a home that cannot be written: no plugin, one note, and the agent runs", async () => {
  const person = loggedIn.copy();
  trackedAgent(person, `console.log(at < 0 ? "no plugin" : "a plugin");`);
  const { code, out, err } = await runReadOnly(person, ["claude", "--task", "x"]);
  expect({ code, out }).toEqual({ code: 0, out: "no plugin\n" });
  expect(err.match(/sessions are not counted/g)).toHaveLength(1);
  expect(inNamespace("echo yes")).toBe("yes\n");
  expect(metricsOf(sandbox)).toEqual([]);
  person.remove();
});

testWithMounts("a full disk breaks no hook and no run, and what was noted is counted once there is room", async () => {
  const person = loggedIn.copy();
  trackedAgent(
    person,
    `${begin} const filler = env.CODEMIE_HOME + "/filler"; try { writeFileSync(filler, Buffer.alloc(64e6)); } catch {}
    for (let i = 0; i < 6; i++) hook("PermissionRequest", { transcript_path: "/" + String(i).repeat(4000) }); rmSync(filler, { force: true });
    write(call("t1") + result("t1")); hook("Stop"); hook("SessionEnd", { reason: "other" });`,
  );
  const { code, err } = await runOnFullDisk(person, 4_000, `rm "$CODEMIE_HOME/filler"; "$0" claude --task x`);
  expect({ code, err }).toEqual({ code: 0, err: expect.not.stringContaining("error") });
  const metrics = metricsOf(sandbox);
  expect(metrics.map(({ attributes }) => attributes.status ?? attributes.tool_names)).toEqual([
    "started",
    ["Bash"],
    "completed",
  ]);
  person.remove();
});

test("a repository's settings do not lead the hook elsewhere, and its files cannot switch counting on", async () => {
  const person = loggedIn.copy();
  mkdirSync(join(person.cwd, ".claude"));
  mkdirSync(join(person.cwd, ".codemie"));
  const env = { CODEMIE_RUN: "run-1-a-b", CODEMIE_HOME: join(person.root, "elsewhere"), HOME: person.root };
  writeFileSync(join(person.cwd, ".claude/settings.json"), JSON.stringify({ env }));
  writeFileSync(
    join(person.cwd, ".codemie/codemie-cli.config.json"),
    JSON.stringify({ version: 2, activeProfile: "default", profiles: { default: { telemetry: "on" } } }),
  );
  const agent = () =>
    person.run(["--task", "x", "--trust-folder"], { program: codemieClaude, env: withClaude(person) });
  expect((await agent()).code).toBe(0);
  expect(metricsOf(sandbox).map(({ attributes }) => attributes.status ?? attributes.total_user_prompts)).toEqual([
    "started",
    1,
    "completed",
  ]);
  await person.run(["config", "set", "telemetry", "off"], { program: codemie });
  sandbox.reset();
  expect((await agent()).code).toBe(0);
  expect(metricsOf(sandbox)).toEqual([]);
  person.remove();
});
