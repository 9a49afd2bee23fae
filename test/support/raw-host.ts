import { createServer, type Socket } from "node:net";
import { listening } from "./corporate.ts";

/** Answers a request with whatever bytes a test wants. */
export type Reply = (socket: Socket, request: string) => void;

/** Heads that still need a length, or chunks. */
export const json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
export const sse = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
/** An event, and the same as a chunk. */
export const event = "data: 1\n\n";
export const chunk = `${event.length.toString(16)}\r\n${event}\r\n`;

/** A host that answers model calls with bytes no HTTP server would send, and lists no models. */
export interface RawHost {
  readonly origin: string;
  reply: Reply;
  /** model calls so far */
  requests: number;
  /** Breaks off every connection. */
  dropAll(): void;
  close(): void;
}

export async function startRawHost(): Promise<RawHost> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    let text = "";
    socket.on("data", (data) => {
      text += data.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      const request = text;
      text = "";
      if (request.startsWith("GET /code-assistant-api/v1/llm_models")) {
        socket.write(`${json}Content-Length: 2\r\n\r\n[]`);
        return;
      }
      host.requests++;
      host.reply(socket, request);
    });
  });
  const host: RawHost = {
    origin: `http://127.0.0.1:${await listening(server)}`,
    reply: (socket) => socket.destroy(),
    requests: 0,
    dropAll() {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
    close: () => void server.close(),
  };
  return host;
}
