import type { ServerResponse } from "node:http";
import type { InitializeResult } from "@modelcontextprotocol/sdk/types.js";
import { listen, readRequest, type Seen, sendJson } from "../sandbox/http.ts";
import { protocolVersion, type Rpc } from "./bridge.ts";

/** An MCP server over Streamable HTTP that does what a test says, for what no real server can be made to do. */
export interface Scripted {
  readonly url: string;
  readonly origin: string;
  /** every request, in order */
  readonly record: Seen[];
  /** the JSON-RPC methods that were posted, in order */
  methods(): string[];
  close(): Promise<void>;
}

export type Script = (seen: Seen, message: Rpc, response: ServerResponse) => void | Promise<void>;

export const initializeResult: InitializeResult = {
  protocolVersion,
  capabilities: { tools: {} },
  serverInfo: { name: "scripted", version: "1.0.0" },
};

/**
 * @param script answers a request; what it leaves open is answered the plain way: `initialize` with a session, other
 *   requests with their own parameters, notifications with 202, GET with 405, DELETE with 200
 */
export async function startScripted(script: Script = () => undefined): Promise<Scripted> {
  const host = await listen();
  const record: Seen[] = [];
  host.handle(async (request, response) => {
    const seen = await readRequest(request);
    record.push(seen);
    const message = messageOf(seen);
    await script(seen, message, response);
    if (response.headersSent || response.destroyed) return;
    if (seen.method === "GET") return void response.writeHead(405).end();
    if (seen.method === "DELETE") return void response.writeHead(200).end();
    if (message?.method === "initialize") {
      const body = { jsonrpc: "2.0", id: message.id, result: initializeResult };
      return sendJson(response, 200, body, { "mcp-session-id": `session-${record.length}` });
    }
    if (message?.id === undefined || !message.method) return void response.writeHead(202).end();
    sendJson(response, 200, { jsonrpc: "2.0", id: message.id, result: { echo: message.params } });
  });
  return {
    url: `${host.origin}/mcp`,
    origin: host.origin,
    record,
    methods: () => record.flatMap((seen) => messageOf(seen)?.method ?? []),
    close: host.close,
  };
}

function messageOf(seen: Seen): Rpc {
  try {
    return JSON.parse(seen.body);
  } catch {
    return undefined;
  }
}

/** Answers with an event stream that stays open. */
export function openStream(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  response.flushHeaders();
}
