import { expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { hostAt } from "../../src/core/host.ts";
import { startGateway } from "../../src/gateway/gateway.ts";
import { connectionPool } from "../../src/http1/pool.ts";
import { listening } from "../support/corporate.ts";

/** A host that begins an answer and never ends it, and what is open to it. */
async function endlessHost() {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket)).on("error", () => undefined);
    socket.once("data", () =>
      socket.write(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
      ),
    );
  });
  const origin = `http://127.0.0.1:${await listening(server)}`;
  const ended = async () => {
    while (open.size > 0) await Bun.sleep(5); // the other side of a socket learns of its end when the system says so
  };
  return { origin, server, open, ended };
}

const lease = { origin: "", authorize: () => undefined, login: undefined };

test("an answer whose session could not be kept is given up, with its connection", async () => {
  const { origin, server, open, ended } = await endlessHost();
  const gateway = startGateway({
    host: hostAt(origin),
    credentials: {
      current: async () => lease,
      capture: async () => {
        throw new Error("cannot be kept");
      },
      renew: async () => undefined,
    },
    ownHeaders: {},
    upstream: connectionPool(origin, () => ({ rejectUnauthorized: true })),
    models: async () => [],
    timeoutMs: 0,
    port: 0,
  });
  const headers = { "x-api-key": gateway.key.reveal() };
  const answer = await fetch(`${gateway.url}/v1/messages`, { method: "POST", body: "{}", headers });
  expect(answer.status).toBe(500);
  await ended();
  expect(open.size).toBe(0);
  await gateway.close();
  server.close();
});

test("closing the way to the host ends what is still running on it", async () => {
  const { origin, server, open, ended } = await endlessHost();
  const upstream = connectionPool(origin, () => ({ rejectUnauthorized: true }));
  const { signal } = new AbortController();
  const request = { method: "GET", url: `${origin}/x`, headers: {}, fixed: {}, body: null, length: undefined, signal };
  const { body } = await upstream.send(request);
  expect(open.size).toBe(1);
  upstream.close();
  await ended();
  await expect(new Response(body as ReadableStream).text()).rejects.toBeUndefined();
  await expect(upstream.send(request)).rejects.toThrow("ConnectionClosed");
  server.close();
});
