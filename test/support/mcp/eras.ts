import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as v1 from "@modelcontextprotocol/sdk/types.js";
import { codemieMcpProxy, type Person } from "../codemie.ts";
import type { Rpc } from "./bridge.ts";
import { connectClient } from "./client.ts";

/**
 * Servers and clients of both eras of MCP, all from the official SDKs: 1.x for revisions with a session, 2.x for 2026-07-28. The
 * packages of 2.x stand beside the other programs that the tests run, which are installed after the types are checked.
 */
const package2 = async (file: string): Promise<Rpc> =>
  await import(join(import.meta.dir, "../../mcp/node_modules/@modelcontextprotocol", file));

export type Era = "old" | "new";

/** A server that does the same in either era. */
export interface EraServer {
  readonly url: string;
  /** every POST, as its method and its headers */
  readonly posts: { readonly method: string; readonly headers: IncomingMessage["headers"]; readonly body: Rpc }[];
  /** what the handlers saw, such as a cancellation */
  readonly seen: string[];
  /** lets the tool `progress` end, which waits for that */
  goOn(): void;
  /** tells whoever listens that the tools have changed */
  toolsChanged(): void;
  /** tells whoever subscribed that `test://one` has changed */
  resourceChanged(): void;
  close(): Promise<void>;
}

const object = { type: "object" as const };
const regionTool = {
  name: "region",
  inputSchema: { ...object, properties: { region: { type: "string", "x-mcp-header": "Region" } } },
};
const misnamedTool = {
  name: "misnamed",
  inputSchema: { ...object, properties: { x: { type: "string", "x-mcp-header": "no name" } } },
};
const tools = [
  ...["echo", "progress", "wait", "elicit", "sample", "roots", "log", "fail", "for-ever", "two"].map((name) => ({
    name,
    inputSchema: object,
  })),
  regionTool,
  misnamedTool,
];
const capabilities = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  logging: {},
};
const one = { uri: "test://one", name: "one" };
const text = (words: string) => ({ content: [{ type: "text" as const, text: words }] });
const form = {
  message: "Who?",
  requestedSchema: { type: "object" as const, properties: { name: { type: "string" as const } } },
};
const sampling = {
  messages: [{ role: "user" as const, content: { type: "text" as const, text: "Hello" } }],
  maxTokens: 10,
};

/** What both servers answer alike. */
const lists = {
  "tools/list": () => ({ tools }),
  "prompts/list": () => ({ prompts: [{ name: "greet", arguments: [{ name: "who" }] }] }),
  "prompts/get": ({ params }: Rpc) => ({
    messages: [{ role: "user" as const, content: { type: "text" as const, text: `Hello ${params.arguments?.who}` } }],
  }),
  "resources/list": () => ({ resources: [one] }),
};

async function listenOn(handle: (request: IncomingMessage, response: ServerResponse, body: Rpc) => void) {
  const posts: EraServer["posts"] = [];
  const http = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const parsed: Rpc = body === "" ? undefined : JSON.parse(body);
    if (parsed) posts.push({ method: parsed.method ?? "answer", headers: request.headers, body: parsed });
    handle(request, response, parsed);
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const close = async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}/mcp`, posts, close };
}

/** A server of MCP 2025-11-25 with sessions, on the SDK 1.x. */
export async function startOldServer(): Promise<EraServer> {
  const seen: string[] = [];
  const going = Promise.withResolvers<void>();
  const sessions = new Map<string, { server: Server; transport: StreamableHTTPServerTransport }>();
  const open = async () => {
    const server = new Server({ name: "old", version: "1.0.0" }, { capabilities });
    server.setRequestHandler(v1.ListToolsRequestSchema, lists["tools/list"]);
    server.setRequestHandler(v1.ListPromptsRequestSchema, lists["prompts/list"]);
    server.setRequestHandler(v1.GetPromptRequestSchema, lists["prompts/get"]);
    server.setRequestHandler(v1.ListResourcesRequestSchema, lists["resources/list"]);
    server.setRequestHandler(v1.SubscribeRequestSchema, () => ({}));
    server.setRequestHandler(v1.UnsubscribeRequestSchema, () => ({}));
    server.setRequestHandler(v1.ReadResourceRequestSchema, ({ params }) => {
      if (params.uri !== one.uri) throw new v1.McpError(-32002, "no such resource", { uri: params.uri });
      return { contents: [{ uri: one.uri, text: "one" }] };
    });
    server.setRequestHandler(v1.CallToolRequestSchema, async ({ params }, extra): Promise<Rpc> => {
      const note = async (method: string, more: Rpc) => await extra.sendNotification({ method, params: more } as Rpc);
      const ask = async (method: string, more: Rpc, schema: Rpc): Promise<Rpc> =>
        await extra.sendRequest({ method, params: more } as Rpc, schema);
      if (params.name === "progress") {
        const progressToken = extra._meta?.progressToken;
        for (const progress of [1, 2, 3]) await note("notifications/progress", { progressToken, progress });
        await going.promise;
        return text("done");
      }
      if (params.name === "wait") {
        seen.push("waiting");
        await new Promise((resolve) => extra.signal.addEventListener("abort", resolve));
        seen.push("cancelled");
        return text("too late");
      }
      if (params.name === "elicit")
        return text(JSON.stringify(await ask("elicitation/create", form, v1.ElicitResultSchema)));
      if (params.name === "sample") {
        return text(JSON.stringify(await ask("sampling/createMessage", sampling, v1.CreateMessageResultSchema)));
      }
      if (params.name === "roots") return text(JSON.stringify(await ask("roots/list", {}, v1.ListRootsResultSchema)));
      if (params.name === "two") {
        const first = await ask("elicitation/create", form, v1.ElicitResultSchema);
        const second = await ask("elicitation/create", form, v1.ElicitResultSchema);
        return text(JSON.stringify([first.action, second.action]));
      }
      if (params.name === "log") await note("notifications/message", { level: "warning", data: "words" });
      if (params.name === "fail") throw new v1.McpError(-32602, "it fails");
      return text(JSON.stringify(params.arguments ?? {}));
    });
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, { server, transport }),
    });
    await server.connect(transport);
    return transport;
  };
  const host = await listenOn(async (request, response, body) => {
    const known = sessions.get(String(request.headers["mcp-session-id"]));
    if (!known && body?.method !== "initialize") {
      const error = { code: -32_000, message: "Bad Request: No valid session ID provided" };
      response.writeHead(400, { "content-type": "application/json" });
      return void response.end(JSON.stringify({ jsonrpc: "2.0", error, id: null }));
    }
    await (known?.transport ?? (await open())).handleRequest(request, response, body);
  });
  const all = (act: (server: Server) => Promise<void>) => {
    for (const { server } of sessions.values()) void act(server).catch(() => undefined);
  };
  return {
    ...host,
    seen,
    goOn: going.resolve,
    toolsChanged: () => all((server) => server.sendToolListChanged()),
    resourceChanged: () => all((server) => server.sendResourceUpdated({ uri: one.uri })),
  };
}

/** A server of MCP 2026-07-28 alone, on the SDK 2.x. */
export async function startNewServer(): Promise<EraServer> {
  const seen: string[] = [];
  const going = Promise.withResolvers<void>();
  const { Server: NewServer, createMcpHandler, inputRequired, ProtocolError } = await package2("server/dist/index.mjs");
  const { toNodeHandler } = await package2("node/dist/index.mjs");
  const make = () => {
    const server = new NewServer({ name: "new", version: "2.0.0" }, { capabilities });
    for (const [method, handler] of Object.entries(lists)) server.setRequestHandler(method, handler);
    server.setRequestHandler("resources/read", ({ params }: Rpc) => {
      if (params.uri !== one.uri) throw new ProtocolError(-32602, "Resource not found", { uri: params.uri });
      return { contents: [{ uri: one.uri, text: "one" }] };
    });
    server.setRequestHandler("tools/call", async ({ params }: Rpc, { mcpReq }: Rpc) => {
      const given = mcpReq.inputResponses;
      const inputs: Rpc = {
        elicit: inputRequired.elicit(form),
        sample: inputRequired.createMessage(sampling),
        roots: inputRequired.listRoots(),
        "for-ever": inputRequired.elicit(form),
      };
      if (params.name === "two") {
        const state = JSON.parse(mcpReq.requestState?.() ?? "[]");
        if (given) state.push(given.more.action);
        if (state.length === 2) return text(JSON.stringify(state));
        return inputRequired({ inputRequests: { more: inputs.elicit }, requestState: JSON.stringify(state) });
      }
      const input = inputs[params.name];
      if (input && (!given || params.name === "for-ever")) {
        return inputRequired({ inputRequests: { asked: input }, requestState: "state" });
      }
      if (input) return text(JSON.stringify(given.asked));
      if (params.name === "progress") {
        const { progressToken } = mcpReq._meta ?? {};
        for (const progress of [1, 2, 3]) {
          await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress } });
        }
        await going.promise;
        return text("done");
      }
      if (params.name === "wait") {
        seen.push("waiting");
        await new Promise((resolve) => mcpReq.signal.addEventListener("abort", resolve));
        seen.push("cancelled");
        return text("too late");
      }
      if (params.name === "log") await mcpReq.log("warning", "words");
      if (params.name === "fail") throw new ProtocolError(-32602, "it fails");
      return text(JSON.stringify(params.arguments ?? {}));
    });
    return server;
  };
  const handler = createMcpHandler(make, { legacy: "reject" });
  const handle = toNodeHandler(handler);
  const host = await listenOn((request, response, body) => void handle(request, response, body));
  return {
    ...host,
    seen,
    goOn: going.resolve,
    toolsChanged: () => handler.notify.toolsChanged(),
    resourceChanged: () => handler.notify.resourceUpdated(one.uri),
    close: async () => {
      await handler.close();
      await host.close();
    },
  };
}

/** A client that does the same in either era. */
export interface EraClient {
  /** the SDK's client */
  readonly client: Rpc;
  /** calls a tool, and gives the text of its result */
  call(name: string, args?: Rpc, options?: Rpc): Promise<string>;
  /** calls a tool whose log messages are wanted, from the least severe on */
  callWithLog(name: string): Promise<string>;
  /** waits for the next notification of that method */
  next(method: string): Promise<Rpc>;
  /** begins to hear of changes: of the tools, and of `test://one` */
  follow(): Promise<void>;
  close(): Promise<void>;
}

const clientCapabilities = { elicitation: { form: {} }, sampling: {}, roots: {} };
const answers: Readonly<Record<string, Rpc>> = {
  "elicitation/create": { action: "accept", content: { name: "Ada" } },
  "sampling/createMessage": { model: "m", role: "assistant", content: { type: "text", text: "sampled" } },
  "roots/list": { roots: [{ uri: "file:///tmp/a", name: "a" }] },
};

/** The SDK 1.x, which opens a session. */
export async function connectOldClient(
  person: Person,
  args: readonly string[],
  own: Rpc = clientCapabilities,
): Promise<EraClient> {
  const { client } = await connectClient(person, args, { capabilities: own });
  const schemas: Rpc = {
    "elicitation/create": v1.ElicitRequestSchema,
    "sampling/createMessage": v1.CreateMessageRequestSchema,
    "roots/list": v1.ListRootsRequestSchema,
    "notifications/message": v1.LoggingMessageNotificationSchema,
    "notifications/tools/list_changed": v1.ToolListChangedNotificationSchema,
    "notifications/resources/updated": v1.ResourceUpdatedNotificationSchema,
  };
  for (const [method, answer] of Object.entries(answers)) {
    const isOwn = Object.keys(own).some((name) => method.startsWith(name));
    if (isOwn) client.setRequestHandler(schemas[method], () => answer);
  }
  const call = async (name: string, given: Rpc = {}, options?: Rpc) =>
    textOf(await client.callTool({ name, arguments: given }, undefined, options));
  return {
    client,
    call,
    async callWithLog(name) {
      await client.setLoggingLevel("debug");
      return await call(name);
    },
    next: (method) => new Promise((resolve) => client.setNotificationHandler(schemas[method], resolve)),
    async follow() {
      await client.subscribeResource({ uri: one.uri });
    },
    close: () => client.close(),
  };
}

/** The SDK 2.x, which opens no session. */
export async function connectNewClient(
  person: Person,
  args: readonly string[],
  own: Rpc = clientCapabilities,
  mode: Rpc = { pin: "2026-07-28" },
): Promise<EraClient> {
  const { Client } = await package2("client/dist/index.mjs");
  const { StdioClientTransport } = await package2("client/dist/stdio.mjs");
  const options = { capabilities: own, versionNegotiation: { mode } };
  const client = new Client({ name: "test", version: "2.0.0" }, options);
  for (const [method, answer] of Object.entries(answers)) {
    const isOwn = Object.keys(own).some((name) => method.startsWith(name));
    if (isOwn) client.setRequestHandler(method, () => answer);
  }
  const program = { command: codemieMcpProxy, args: [...args], cwd: person.cwd, env: person.env, stderr: "pipe" };
  await client.connect(new StdioClientTransport(program));
  const call = async (name: string, given: Rpc = {}, more?: Rpc) =>
    textOf(await client.callTool({ name, arguments: given }, more));
  return {
    client,
    call,
    async callWithLog(name) {
      const _meta = { "io.modelcontextprotocol/logLevel": "debug" };
      return textOf(await client.callTool({ name, arguments: {}, _meta }));
    },
    next: (method) => new Promise((resolve) => client.setNotificationHandler(method, resolve)),
    async follow() {
      await client.listen({ toolsListChanged: true, resourceSubscriptions: [one.uri] });
    },
    close: () => client.close(),
  };
}

const textOf = (result: Rpc): string => result.content[0].text;
