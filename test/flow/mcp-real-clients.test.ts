import { afterAll, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { claudeFolder, codemieClaude, codemieMcpProxy, Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import type { Rpc } from "../support/mcp/bridge.ts";
import { connectNewClient, connectOldClient, startNewServer, startOldServer } from "../support/mcp/eras.ts";
import { startEverything } from "../support/mcp/everything.ts";
import { scriptedBrowser, startProtected } from "../support/mcp/protected.ts";
import { listen } from "../support/sandbox/http.ts";
import { sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

const server = await startEverything("streamableHttp");
afterAll(() => server.kill());
const sandbox = await sharedSandbox();

const withClaude = (person: Person) => ({ PATH: `${claudeFolder}:${dirname(codemieMcpProxy)}:${person.env.PATH}` });
const inspector = join(import.meta.dir, "../mcp/node_modules/.bin/mcp-inspector");

test("MCP Inspector's command line", async () => {
  const person = new Person();
  const call = ["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello"];
  const { code, out } = await person.run([inspector, "--cli", codemieMcpProxy, server.url, ...call], {
    program: "node",
  });
  expect(JSON.parse(out)).toEqual({ content: [{ type: "text", text: "Echo: hello" }] });
  expect(code).toBe(0);
  person.remove();
});

test("MCP Inspector's command line against a server that demands a login", async () => {
  const host = await startProtected({
    guard: (message, _scope, response) => {
      if (message.method !== "tools/list") return false;
      const tool = { name: "locked", inputSchema: { type: "object" } };
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { tools: [tool] } }));
      return true;
    },
  });
  const person = new Person();
  const env = ["-e", `CODEMIE_BROWSER=${scriptedBrowser}`, "-e", `PATH=${person.env.PATH}`];
  const args = [inspector, "--cli", ...env, codemieMcpProxy, host.url, "--method", "tools/list"];
  const { out, err } = await person.run(args, { program: "node" });
  expect(err).not.toContain("rror");
  expect(out).toContain("locked");
  person.remove();
  await host.close();
});

ciTest(
  "the real Claude Code: codemie mcp add registers the bridge, and a tool of the server is called through it",
  async () => {
    const person = new Person();
    const env = withClaude(person);
    await logIn(person, sandbox);
    const added = await person.run(["mcp", "add", "everything", server.url], { env });
    expect(added.err).toBe("");
    expect(added.out).toContain("registered everything with Claude Code");
    const settings = JSON.parse(await Bun.file(join(person.home, ".claude.json")).text());
    const entry = settings.projects[person.cwd].mcpServers.everything;
    expect([entry.command, entry.args]).toEqual(["codemie-mcp-proxy", [server.url]]);

    expect(await echoThroughClaude(person)).toContain("Echo: from the model");

    const again = await person.run(["mcp", "add", "everything", server.url, "--json"], { env });
    expect(again.code).toBe(1);
    expect(JSON.parse(again.out).error.message).toContain("already exists");
    person.remove();
  },
);

/** Lets the real Claude Code call the tool `echo` of its server `everything`. @returns what the tool answered, as the model saw it */
async function echoThroughClaude(person: Person, own: Record<string, string> = {}): Promise<string> {
  const called: string[] = [];
  sandbox.settings.answer = (seen, response) => {
    const { messages, tools = [] } = JSON.parse(seen.body) as { messages: Rpc[]; tools?: { name: string }[] };
    const result = JSON.stringify(messages.at(-1)?.content ?? "");
    const tool = tools.find(({ name }) => name === "mcp__everything__echo");
    if (tool && !result.includes("tool_result")) return streamTool(response, tool.name, { message: "from the model" });
    if (result.includes("tool_result")) called.push(result);
    streamText(response, result.includes("from the model") ? "the tool answered" : "no tool");
  };
  const args = ["--task", "use the echo tool", "--", "--allowedTools", "mcp__everything__echo"];
  const { out, code } = await person.run(args, {
    program: codemieClaude,
    // Without these it goes on without a server that takes a few seconds to start, as all do on a busy machine.
    env: {
      ...withClaude(person),
      ENABLE_TOOL_SEARCH: "false",
      MCP_CONNECTION_NONBLOCKING: "false",
      MCP_CONNECT_TIMEOUT_MS: "120000",
      MCP_TIMEOUT: "120000",
      ...own,
    },
  });
  expect(out.trim()).toBe("the tool answered");
  expect(code).toBe(0);
  return called.join();
}

/** Makes Claude Code ask a server on standard input and output which revision it speaks. */
const probing = { MCP_SDK_GENERATION: "v2", MCP_PROTOCOL_NEGOTIATION: "auto" };
for (const [what, start, own] of [
  ["that opens a session, and a server of MCP 2026-07-28", startNewServer, {}],
  ["that opens a session, and a server of MCP 2025-11-25", startOldServer, {}],
  ["that asks what the server speaks, and a server of MCP 2026-07-28", startNewServer, probing],
  ["that asks what the server speaks, and a server of MCP 2025-11-25", startOldServer, probing],
] as const) {
  ciTest(`the real Claude Code ${what}`, async () => {
    const mcpServer = await start();
    const person = new Person();
    await logIn(person, sandbox);
    await person.run(["mcp", "add", "everything", mcpServer.url], { env: withClaude(person) });
    expect(await echoThroughClaude(person, own)).toContain("from the model");
    await mcpServer.close();
    person.remove();
  });
}

/** The real Claude Code as a server, which speaks on standard input and output, behind an address; one process a session. */
async function startClaudeServer(person: Person): Promise<{ url: string; close(): Promise<void> }> {
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  const { StreamableHTTPServerTransport } = await import("@modelcontextprotocol/sdk/server/streamableHttp.js");
  const host = await listen();
  const command = { command: join(claudeFolder, "claude"), args: ["mcp", "serve"], cwd: person.cwd };
  const env = { ...person.env, ...withClaude(person) };
  const open = async () => {
    const claude = new StdioClientTransport({ ...command, env, stderr: "ignore" });
    const front = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, { claude, front }),
    });
    front.onmessage = (message) => void claude.send(message);
    claude.onmessage = (message) => void front.send(message);
    await claude.start();
    return { claude, front };
  };
  const sessions = new Map<string, Awaited<ReturnType<typeof open>>>();
  host.handle(async (request, response) => {
    const known = sessions.get(String(request.headers["mcp-session-id"]));
    if (known || request.headers["mcp-protocol-version"] !== "2026-07-28")
      return await (known ?? (await open())).front.handleRequest(request, response);
    response.writeHead(400, { "content-type": "text/plain" }).end("Bad Request: Unsupported protocol version");
  });
  return {
    url: `${host.origin}/mcp`,
    async close() {
      for (const { claude } of sessions.values()) await claude.close();
      await host.close();
    },
  };
}

for (const [what, connect] of [
  ["opens a session", connectOldClient],
  ["does not", connectNewClient],
] as const) {
  ciTest(`the real Claude Code as the server of a client that ${what}: its tools, and a call of one`, async () => {
    const person = new Person();
    await Bun.write(join(person.cwd, "notes.txt"), "what the notes say");
    const claude = await startClaudeServer(person);
    const client = await connect(person, [claude.url]);
    const { tools } = await client.client.listTools();
    expect(tools.map(({ name }: Rpc) => name)).toContain("Read");
    expect(await client.call("Read", { file_path: join(person.cwd, "notes.txt") })).toContain("what the notes say");
    await client.close();
    await claude.close();
    person.remove();
  });
}

test("codemie mcp add without Claude Code prints the entry for .mcp.json", async () => {
  const person = new Person();
  const env = { PATH: dirname(codemieMcpProxy) };
  const { out, err, code } = await person.run(["mcp", "add", "x", server.url, "--", "--persist"], { env });
  const servers = { x: { command: "codemie-mcp-proxy", args: [server.url, "--persist"] } };
  expect(JSON.parse(out)).toEqual({ mcpServers: servers });
  expect(err).toContain("not on PATH");
  expect(code).toBe(0);
  person.remove();
});

type Event = { type: string; [key: string]: unknown };

function stream(response: ServerResponse, block: Rpc, delta: Rpc, stop: string): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const event = (data: Event) => response.write(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
  const usage = { input_tokens: 1, output_tokens: 1 };
  const message = { id: "msg_1", type: "message", role: "assistant", model: "claude-sonnet-4-6", content: [], usage };
  event({ type: "message_start", message });
  event({ type: "content_block_start", index: 0, content_block: block });
  event({ type: "content_block_delta", index: 0, delta });
  event({ type: "content_block_stop", index: 0 });
  event({ type: "message_delta", delta: { stop_reason: stop, stop_sequence: null }, usage: { output_tokens: 1 } });
  event({ type: "message_stop" });
  response.end();
}

const streamText = (response: ServerResponse, text: string) =>
  stream(response, { type: "text", text: "" }, { type: "text_delta", text }, "end_turn");

const streamTool = (response: ServerResponse, name: string, input: Rpc) => {
  const delta = { type: "input_json_delta", partial_json: JSON.stringify(input) };
  stream(response, { type: "tool_use", id: "toolu_1", name, input: {} }, delta, "tool_use");
};
