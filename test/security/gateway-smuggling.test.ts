import { beforeEach, expect, test } from "bun:test";
import { sendRaw } from "../support/raw.ts";
import { sharedGateway } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: a request that two parsers read differently carries a second one past the guard. */

const { sandbox, gateway } = await sharedGateway();
const { url, key, host } = gateway;
beforeEach(() => {
  sandbox.settings.answer = (seen, response) => void response.end(JSON.stringify({ got: seen.body.length }));
});

const inner = "GET /v1/auth/login/1 HTTP/1.1\r\nHost: x\r\n\r\n";
const head = (lines: string, target = "/v1/messages") =>
  `POST ${target} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${key}\r\n${lines}\r\n`;

const odd: [string, string, string][] = [
  ["Content-Length and Transfer-Encoding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${inner}`],
  ["Transfer-Encoding and Content-Length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", `0\r\n\r\n${inner}`],
  ["two lengths", "Content-Length: 0\r\nContent-Length: 40\r\n", inner],
  ["the same length twice", "Content-Length: 2\r\nContent-Length: 2\r\n", "{}"],
  ["a list of lengths", "Content-Length: 2, 2\r\n", "{}"],
  ["a length with a sign", "Content-Length: +2\r\n", "{}"],
  ["a negative length", "Content-Length: -2\r\n", "{}"],
  ["a length in hexadecimal", "Content-Length: 0x2\r\n", "{}"],
  ["an unknown transfer coding", "Transfer-Encoding: xchunked\r\n", `0\r\n\r\n${inner}`],
  ["chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${inner}`],
  ["chunked not last", "Transfer-Encoding: chunked, gzip\r\n", `0\r\n\r\n${inner}`],
  ["a space before the colon", "Transfer-Encoding : chunked\r\n", `0\r\n\r\n${inner}`],
  ["a folded header", "X-A: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "{}"],
  ["a bare line feed", "X-A: 1\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n", "{}"],
  ["a zero byte in a header", "X-A: 1\0b\r\nContent-Length: 2\r\n", "{}"],
  ["a chunk size that is none", "Transfer-Encoding: chunked\r\n", `zz\r\n${inner}`],
  ["a second Host", "Host: evil.example\r\nContent-Length: 2\r\n", "{}"],
];
for (const [name, lines, body] of cases(odd)) {
  test(`${name}: refused, and nothing goes upstream`, async () => {
    const { statuses } = await sendRaw(url, head(lines) + body);
    for (const status of statuses) expect([400, 401, 403, 404, 501, 502, 505]).toContain(status);
    expect(sandbox.record.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });
}

test("a request pipelined behind another goes nowhere, whatever becomes of the first", async () => {
  for (const body of ["{}", ""]) {
    await sendRaw(url, `${head(`Content-Length: ${body.length}\r\n`)}${body}${inner}`);
    const others = sandbox.record.filter(({ path }) => path !== "/code-assistant-api/v1/messages");
    expect(others).toEqual([]);
  }
});

test("no character of a header becomes a line's end on the way", async () => {
  // U+010A and U+010D end in the bytes of a line feed and a carriage return, as do others of every block
  for (const value of ["a\u010d\u010aX-Evil: 1", "\u0a0d\u0a0a", "\u{1f60d}\u{1f60a}", "\xe9", "\u0100"]) {
    sandbox.record.length = 0;
    const bytes = Buffer.from(`${head(`X-Odd: ${value}\r\nContent-Length: 2\r\n`)}{}`, "utf8");
    const { statuses } = await sendRaw(url, bytes);
    expect([200, 400, 502]).toContain(statuses[0] ?? 0);
    for (const seen of sandbox.record) {
      const names = seen.rawHeaders.map(([name]) => name.toLowerCase());
      expect(names).not.toContain("x-evil");
      expect(seen.rawHeaders.find(([name]) => name.toLowerCase() === "x-odd")?.[1]).not.toMatch(/[\r\n]/);
    }
  }
});

test("a GET or HEAD that announces a body goes nowhere: its body would be the next request", async () => {
  for (const method of ["GET", "HEAD"]) {
    for (const lines of [`Content-Length: ${inner.length}\r\n`, "Transfer-Encoding: chunked\r\n"]) {
      const body = lines.startsWith("Content") ? inner : `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
      const asked = head(`${lines}Connection: close\r\n`, "/v1/health").replace("POST", method);
      const { statuses } = await sendRaw(url, asked + body);
      for (const status of statuses) expect([400, 404]).toContain(status);
      await sendRaw(url, `${head("Content-Length: 2\r\n")}{}`);
      expect(sandbox.record.map((seen) => `${seen.method} ${seen.path} ${seen.body}`)).toEqual([
        "POST /code-assistant-api/v1/messages {}",
      ]);
      sandbox.record.length = 0;
    }
  }
  const asked = head("Content-Length: 0\r\nConnection: close\r\n", "/v1/health").replace("POST", "GET");
  await sendRaw(url, asked);
  expect(sandbox.record.map(({ method, path }) => `${method} ${path}`)).toEqual(["GET /code-assistant-api/v1/health"]);
});

test("a chunked body goes up whole, its extensions do not", async () => {
  const body = '3;ext=1\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n';
  const { statuses, text } = await sendRaw(url, head("Transfer-Encoding: chunked\r\nTrailer: X-Trailer\r\n") + body);
  expect({ statuses, text: /\{.*\}/.exec(text)?.[0] }).toEqual({ statuses: [200], text: '{"got":7}' });
  expect(sandbox.record[0]?.rawHeaders.map(([name]) => name.toLowerCase())).not.toContain("trailer");
});

test("trailers, which the runtime cannot read, do not become a request", async () => {
  const body = `2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n${inner}`;
  const { statuses } = await sendRaw(url, head("Transfer-Encoding: chunked\r\n") + body);
  expect(statuses).toEqual([400]);
  expect(sandbox.record).toEqual([]);
});

test("100 KB of headers pass; more than the bound is an answer, not a crash", async () => {
  const many = Array.from({ length: 100 }, (_, n) => `X-Filler-${n}: ${"x".repeat(1000)}\r\n`).join("");
  expect((await sendRaw(url, `${head(`${many}Content-Length: 2\r\n`)}{}`)).statuses).toEqual([200]);
  expect(sandbox.record[0]?.rawHeaders.filter(([name]) => /^x-filler-/i.test(name))).toHaveLength(100);
  const { statuses } = await sendRaw(url, head(`X-Filler: ${"x".repeat(400_000)}\r\nContent-Length: 2\r\n`));
  for (const status of statuses) expect([400, 431]).toContain(status);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  expect(sandbox.record).toHaveLength(1);
});

test("targets that are no path of ours get 400 or 404 and go nowhere", async () => {
  for (const target of [
    "http://evil.example/v1/auth/login/1",
    "https://evil.example/oauth2/auth",
    "//evil.example/v1/messages",
    "\\\\evil.example\\v1\\messages",
    "/v1/%2e%2e/v1/auth/login/1",
    "/v1/..%5cv1/auth/login/1",
    "/v1/messages;/../../oauth2/auth",
    "/v1/messages%2f..%2fauth",
    "/v1/messages%3fx",
    "/V1/MESSAGES",
    "/@evil.example/v1/messages",
    ":80/v1/messages",
    "*",
  ]) {
    const { statuses } = await sendRaw(url, head("Content-Length: 0\r\n", target));
    for (const status of statuses)
      expect({ target, refused: [400, 404].includes(status) }).toEqual({ target, refused: true });
  }
  const authority = `CONNECT evil.example:443 HTTP/1.1\r\nHost: ${host}\r\nx-api-key: ${key}\r\n\r\n`;
  expect((await sendRaw(url, authority)).statuses).toEqual([400]);
  expect(sandbox.record).toEqual([]);
});

test("an absolute target and dots that stay inside end at the configured host's model API", async () => {
  for (const target of ["http://evil.example/v1/messages", "/v1/models/../messages", "/v1/./messages"]) {
    sandbox.record.length = 0;
    expect((await sendRaw(url, `${head("Content-Length: 2\r\n", target)}{}`)).statuses).toEqual([200]);
    expect(sandbox.record.map((seen) => [seen.headers.host, seen.target])).toEqual([
      [new URL(sandbox.origin).host, "/code-assistant-api/v1/messages"],
    ]);
  }
});

test("a WebSocket is refused in words", async () => {
  const lines = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n";
  const asked = `GET /v1/responses HTTP/1.1\r\nHost: ${host}\r\nx-api-key: ${key}\r\n${lines}\r\n`;
  const { statuses, text } = await sendRaw(url, asked);
  expect(statuses).toEqual([501]);
  expect(text).toContain("WebSocket is not supported");
});
