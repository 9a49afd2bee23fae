import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as the sandbox keeps it. */
export interface Seen {
  readonly method: string;
  /** path and query as they came */
  readonly target: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** in order, names as they came, repeated ones kept apart */
  readonly rawHeaders: [string, string][];
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** Reads a whole request. */
export async function readRequest(request: IncomingMessage): Promise<Seen> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const target = request.url ?? "/";
  const url = new URL(target, "http://sandbox");
  const rawHeaders: [string, string][] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    rawHeaders.push([request.rawHeaders[i] ?? "", request.rawHeaders[i + 1] ?? ""]);
  }
  return {
    method: request.method ?? "GET",
    target,
    path: url.pathname,
    query: url.searchParams,
    rawHeaders,
    headers: request.headers,
    body: Buffer.concat(chunks).toString("utf8"),
  };
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

/** Listens on a random port of 127.0.0.1; the handler can be set later, once the port is known. */
export async function listen(): Promise<{ origin: string; handle(handler: Handler): void; close(): Promise<void> }> {
  let handler: Handler = (_request, response) => void response.writeHead(503).end();
  const server = createServer({ maxHeaderSize: 262_144 }, (request, response) => {
    Promise.resolve(handler(request, response)).catch((error: unknown) => {
      console.error("sandbox:", error);
      response.destroy();
    });
  });
  // Else it closes a connection that idles for five seconds, and a POST that just then uses it again is lost: on a busy machine
  // that happens.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    handle: (next) => {
      handler = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function send(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string | string[]> = {},
): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers });
  response.end(body);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string | string[]> = {},
): void {
  send(response, status, JSON.stringify(body), { "content-type": "application/json", ...headers });
}

export function redirect(response: ServerResponse, location: string, headers: Record<string, string | string[]> = {}) {
  const body = "<html>\r\n<head><title>302 Found</title></head>\r\n<body>\r\n<center><h1>302 Found</h1></center>\r\n";
  send(response, 302, body, { "content-type": "text/html", location, ...headers });
}
