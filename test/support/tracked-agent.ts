import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import type { Person } from "./codemie.ts";
import type { Pty } from "./pty.ts";
import type { Seen } from "./sandbox/http.ts";
import { answerModelCall } from "./sandbox/model-api.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";

/**
 * Puts a program in Claude Code's place that calls the hooks of our plugin as Claude Code does, in the order of a script:
 * `hook(event, more)` returns what the hook said, `write(text)` adds to the transcript, `call(id, name)` and
 * `result(id, more)` are lines of it; `session`, `transcript`, `gateway` and `env` are at hand.
 */
export function trackedAgent(person: Person, script: string): void {
  person.install(
    "claude",
    `#!${process.execPath}
const { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } = require("node:fs");
const env = process.env;
if (process.argv.includes("--version")) { console.log("2.1.331 (Claude Code)"); process.exit(0); }
const at = process.argv.indexOf("--plugin-dir");
const hooks = at < 0 ? {} : JSON.parse(readFileSync(process.argv[at + 1] + "/hooks/hooks.json", "utf8")).hooks;
let session = env.SESSION ?? crypto.randomUUID();
let transcript = env.HOME + "/" + session + ".jsonl";
const gateway = { url: env.ANTHROPIC_BASE_URL, key: env.ANTHROPIC_AUTH_TOKEN };
const run = (stdin, event = "Stop") => {
  const [entry] = hooks[event] ?? hooks.Stop ?? [];
  if (!entry) return "";
  const { exitCode, stdout, stderr } = Bun.spawnSync(["sh", "-c", entry.hooks[0].command], { env, stdin: Buffer.from(stdin) });
  if (exitCode !== 0) throw new Error("the hook ended with " + exitCode + ": " + stderr);
  return stdout.toString();
};
const hook = (event, more = {}) =>
  run(JSON.stringify({ session_id: session, transcript_path: transcript, cwd: process.cwd(), hook_event_name: event, ...more }), event);
const write = (text) => appendFileSync(transcript, text);
let n = 0;
const line = (value) => JSON.stringify({ timestamp: new Date(Date.now() + n++).toISOString(), version: "2.1.331", gitBranch: "HEAD", ...value }) + "\\n";
const call = (id, name = "Bash") => line({ type: "assistant", message: { id: "msg_" + id, model: "claude-sonnet-4-6", content: [{ type: "tool_use", id, name, input: { command: "secretive" } }] } });
const result = (id, more = {}, toolUseResult) => line({ type: "user", message: { content: [{ type: "tool_result", tool_use_id: id, content: "secretive", ...more }] }, toolUseResult });
${script}
`,
  );
}

/** A metric as the host got it. */
export interface Metric {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the host takes anything
  readonly attributes: Record<string, any>;
}

/** @returns what the host got, in order */
export const metricsOf = (sandbox: Sandbox): Metric[] =>
  sandbox.calls("/v1/metrics").map(({ body }) => JSON.parse(body) as Metric);

/** @returns all calls of tools that the host was told of */
export const toolsOf = (metrics: readonly Metric[]): string[] =>
  metrics.flatMap(({ attributes }) => (attributes.tool_names as string[] | undefined) ?? []);

/** @returns the files under the base folder by path, as texts; those of the vault are sealed */
export function filesOf(person: Person): Map<string, string> {
  const found = readdirSync(person.codemieHome, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  return new Map(
    found.map((one) => {
      const file = join(one.parentPath, one.name);
      return [file.slice(person.codemieHome.length + 1), readFileSync(file, "latin1")];
    }),
  );
}

/** Has the model of the sandbox use tools, one after the other, in the session that begins with `prompt`. */
export function modelUses(
  sandbox: Sandbox,
  prompt: string,
  steps: readonly { readonly name: string; readonly input: object }[],
): void {
  let count = 0;
  sandbox.settings.answer = (request: Seen, response: ServerResponse) => {
    const { messages, tools = [] } = JSON.parse(request.body);
    const said = JSON.stringify(messages);
    const step = steps[said.match(/"type":"tool_result"/g)?.length ?? 0];
    const isOurs = said.includes(prompt) && tools.some(({ name }: { name: string }) => name === "Bash");
    if (!isOurs || !step) return answerModelCall("/v1/messages", request, response);
    const id = ++count;
    const usage = { input_tokens: 3, output_tokens: 2 };
    const message = {
      id: `msg_${id}`,
      type: "message",
      role: "assistant",
      model: "claude-sonnet-4-6",
      content: [],
      stop_reason: null,
      usage,
    };
    const block = { type: "tool_use", id: `toolu_${id}`, name: step.name, input: {} };
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const event of [
      { type: "message_start", message },
      { type: "content_block_start", index: 0, content_block: block },
      {
        type: "content_block_delta",
        index: 0,
        delta: { type: "input_json_delta", partial_json: JSON.stringify(step.input) },
      },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "tool_use", stop_sequence: null }, usage },
      { type: "message_stop" },
    ])
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    response.end();
  };
}

/** Has the model of the sandbox use tools, one after the other, by OpenAI's chat completions. */
export function chatModelUses(
  sandbox: Sandbox,
  steps: readonly { readonly name: string; readonly input: object }[],
): void {
  sandbox.settings.answer = (request: Seen, response: ServerResponse) => {
    const { messages, tools } = JSON.parse(request.body);
    const done = messages.filter(({ role }: { role: string }) => role === "tool").length;
    const step = steps[done];
    if (!tools || !step) return answerModelCall("/v1/chat/completions", request, response);
    const call = { name: step.name, arguments: JSON.stringify(step.input) };
    const deltas = [
      [{ role: "assistant", tool_calls: [{ index: 0, id: `call_${done}`, type: "function", function: call }] }, null],
      [{}, "tool_calls"],
    ] as const;
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const [delta, finish_reason] of deltas) {
      const chunk = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "m" };
      response.write(`data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
    }
    response.end("data: [DONE]\n\n");
  };
}

/** The same by Google's generateContent, in the session that begins with `prompt`. */
export function geminiModelUses(
  sandbox: Sandbox,
  prompt: string,
  steps: readonly { readonly name: string; readonly input: object }[],
): void {
  sandbox.settings.answer = (request: Seen, response: ServerResponse) => {
    const path = new URL(request.target, "http://sandbox").pathname.replace(/^.*(?=\/v1beta\/)/, "");
    const { contents = [], tools } = request.body ? JSON.parse(request.body) : {};
    const done = JSON.stringify(contents).match(/"functionResponse":/g)?.length ?? 0;
    const step = steps[done];
    const isOurs = tools && JSON.stringify(contents).includes(prompt);
    if (!isOurs || !step) return answerModelCall(path, request, response);
    const parts = [{ functionCall: { name: step.name, args: step.input } }];
    const answer = { candidates: [{ index: 0, content: { role: "model", parts }, finishReason: "STOP" }] };
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(`data: ${JSON.stringify(answer)}\n\n`);
  };
}

/** Waits until the hooks have noted an event so often. */
export async function noted(person: Person, event: string, count: number): Promise<void> {
  const folder = join(person.codemieHome, "sessions");
  const text = () => {
    const spools = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".spool")) : [];
    return spools.map((name) => readFileSync(join(folder, name), "utf8")).join("");
  };
  while (text().split(`"event":"${event}"`).length <= count) await Bun.sleep(50);
}

/** Types a line once the screen shows that it was understood. */
export async function types(pty: Pty, line: string, shown: RegExp): Promise<void> {
  pty.type(line);
  await pty.shows(shown);
  pty.type("\r");
}
