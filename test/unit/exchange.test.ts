import { expect, test } from "bun:test";
import { type Connection, Exchange } from "../../src/http1/exchange.ts";
import type { OutgoingRequest } from "../../src/http1/message.ts";

/** A connection whose socket takes so many bytes at once and keeps what it took. */
function slowConnection(atOnce: number) {
  const taken: Buffer[] = [];
  const socket = {
    write(bytes: Uint8Array, offset = 0, length = bytes.length - offset) {
      const count = Math.min(atOnce, length);
      taken.push(Buffer.from(bytes.subarray(offset, offset + count)));
      return count;
    },
    pause: () => undefined,
    resume: () => undefined,
  };
  const connection = { socket, exchange: undefined, keptAt: 0, ended: false } as unknown as Connection;
  return { connection, sent: () => Buffer.concat(taken).toString("latin1") };
}

const request = (changes: Partial<OutgoingRequest> = {}): OutgoingRequest => ({
  method: "POST",
  url: "https://host.test/v1/messages",
  headers: { "content-type": "application/json" },
  fixed: { cookie: "session=1" },
  body: null,
  length: undefined,
  signal: new AbortController().signal,
  ...changes,
});

const bytes = (text: string) => new TextEncoder().encode(text).buffer;

test("a request that a socket takes bit by bit arrives as it was, whatever is sent meanwhile", () => {
  const first = slowConnection(10);
  const one = new Exchange(first.connection, request({ body: bytes("1".repeat(3000)), length: 3000 }), () => undefined);
  const second = slowConnection(1e6);
  const other = { body: bytes("2".repeat(3000)), length: 3000, fixed: { cookie: "another=2" } };
  const two = new Exchange(second.connection, request(other), () => undefined);
  for (let n = 0; n < 400; n++) one.drained();
  expect(first.sent()).toBe(
    `POST /v1/messages HTTP/1.1\r\nhost: host.test\r\ncontent-length: 3000\r\ncontent-type: application/json\r\ncookie: session=1\r\n\r\n${"1".repeat(3000)}`,
  );
  expect(second.sent()).toEndWith(`cookie: another=2\r\n\r\n${"2".repeat(3000)}`);
  for (const exchange of [one, two]) exchange.answer.catch(() => undefined);
});

test("what could be read as another request is not sent at all", async () => {
  for (const changes of [
    { headers: { "x-odd": "a\r\nx-evil: 1" } },
    { headers: { "x-odd": "a\u010ax-evil: 1" } },
    { headers: { "x-odd\r\nx-evil": "1" } },
    { headers: { "x odd": "1" } },
    { fixed: { cookie: "a\nb" } },
    { method: "GET /evil HTTP/1.1\r\n" },
    { url: "https://host.test/v1/a b" },
    { url: "https://host.test/v1/\u0120HTTP" },
    { body: bytes("{}"), length: 3 },
    { body: null, length: 30 },
  ] as Partial<OutgoingRequest>[]) {
    const { connection, sent } = slowConnection(1e6);
    const { answer } = new Exchange(connection, request(changes), () => undefined);
    await expect(answer).rejects.toThrow("BadRequest");
    expect({ changes, sent: sent() }).toEqual({ changes, sent: "" });
  }
});
