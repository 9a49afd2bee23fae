import { expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { codemieClaude, withClaude } from "../support/codemie.ts";
import type { Seen } from "../support/sandbox/http.ts";
import { answerModelCall } from "../support/sandbox/model-api.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** What the tools of the real Claude Code see of the run: no key. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);

/** Has the model run a command first, and returns what the tool showed to it, else what was said. */
async function toolOutput(command: string, env: Record<string, string>, repository?: object): Promise<string> {
  const person = loggedIn.copy();
  if (repository) {
    mkdirSync(join(person.cwd, ".claude"));
    writeFileSync(join(person.cwd, ".claude/settings.json"), JSON.stringify(repository));
  }
  const seen: string[] = [];
  sandbox.settings.answer = (request: Seen, response: ServerResponse) => {
    const { messages, tools = [] } = JSON.parse(request.body);
    const results = JSON.stringify(messages).match(/"type":"tool_result"/g);
    if (results) seen.push(JSON.stringify(messages.at(-1)));
    const usesTool = !results && tools.some(({ name }: { name: string }) => name === "Bash");
    if (!usesTool) return answerModelCall("/v1/messages", request, response);
    const usage = { input_tokens: 1, output_tokens: 1 };
    const block = { type: "tool_use", id: "toolu_1", name: "Bash", input: {} };
    const message = {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "m",
      content: [],
      stop_reason: null,
      usage,
    };
    const json = JSON.stringify({ command, description: "look" });
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const event of [
      { type: "message_start", message },
      { type: "content_block_start", index: 0, content_block: block },
      { type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json: json } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "tool_use", stop_sequence: null }, usage },
      { type: "message_stop" },
    ])
      response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    response.end();
  };
  const args = ["--task", "look around", "--allowedTools", "Bash", ...(repository ? ["--trust-folder"] : [])];
  const { code, out, err } = await person.run(args, { program: codemieClaude, env: { ...withClaude(person), ...env } });
  person.remove();
  return code === 0 && out.startsWith("The sandbox heard:") ? seen.join() : err;
}

/** The keys of a gateway: 256 bits. */
const keys = /[=:" ][\w-]{43}(?![\w-])/;

ciTest("no tool finds the run's key in its environment", async () => {
  const output = await toolOutput("env; echo done", {});
  expect(output).toContain("CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST=1");
  expect(output).toContain("done");
  expect(output).not.toMatch(/ANTHROPIC_AUTH_TOKEN=./);
  expect(output).not.toMatch(keys);
});

ciTest(
  "the user's CLAUDE_CODE_SUBPROCESS_ENV_SCRUB reaches Claude Code, and a repository does not undo it",
  async () => {
    const own = { CLAUDE_CODE_SUBPROCESS_ENV_SCRUB: "1" };
    for (const repository of [undefined, { env: { CLAUDE_CODE_SUBPROCESS_ENV_SCRUB: "0" } }]) {
      const output = await toolOutput("env; echo done", own, repository);
      // Where bubblewrap is missing, Claude Code refuses to start, and says so.
      if (Bun.which("bwrap")) expect(output).toContain("done");
      else expect(output).toContain("bubblewrap is required for subprocess env scrubbing");
      expect(output).not.toMatch(keys);
    }
  },
);
