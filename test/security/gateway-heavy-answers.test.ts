import { expect, test } from "bun:test";
import { z } from "zod";
import { errorSentence } from "../../src/api/judge.ts";
import { applySetCookies, takeSessionCookies } from "../../src/auth/cookies.ts";
import { parseJson } from "../../src/core/json.ts";
import { jsonValue } from "../../src/core/json-value.ts";
import { json } from "../support/raw-host.ts";
import { sharedRawHost } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: a host answers so that reading its answer takes the gateway's whole processor, and every other agent waits. */

const { host, gateway } = await sharedRawHost();

/** The most characters that still fit into a head, with the rest of it. */
const long = 250_000;

/** Has a head with these lines answered. @returns how long that took, ms, and the answer */
async function timed(lines: string) {
  host.reply = (socket) => socket.write(`${json}${lines}Content-Length: 2\r\n\r\n{}`);
  const from = performance.now();
  const answer = await gateway.post();
  await answer.text();
  return { ms: performance.now() - from, answer };
}

test("a Connection header of blanks, commas or names takes no longer than any other of its length", async () => {
  const usual = [];
  for (let i = 0; i < 5; i++) usual.push((await timed(`X-Long: ${"x".repeat(long)}\r\n`)).ms);
  for (const between of [" ".repeat(long), "\t".repeat(long), " ,".repeat(long / 2), ",a".repeat(long / 2)]) {
    const { ms, answer } = await timed(`X-Named: 1\r\nX-Other: 1\r\nConnection: a${between}b, X-Named\r\n`);
    expect(answer.status).toBe(200);
    expect([answer.headers.get("x-named"), answer.headers.get("x-other")]).toEqual([null, "1"]);
    // Where time grows with the square of the length, it takes thousands of times as long.
    expect(ms).toBeLessThan(50 * Math.max(...usual));
  }
});

const headers = (count: number) => Array.from({ length: count }, (_, i) => `a${i.toString(36)}:b\r\n`).join("");
for (const [what, lines] of cases([
  ["28,000 headers", headers(28_000)],
  ["one name 40,000 times", "a:b\r\n".repeat(40_000)],
  ["300 cookies", "Set-Cookie: a=b\r\n".repeat(300)],
] as const)) {
  test(`${what}: a 502, and the next answer arrives`, async () => {
    expect((await timed(lines)).answer.status).toBe(502);
    const { answer } = await timed(headers(200));
    expect([answer.status, answer.headers.get(`a${(199).toString(36)}`)]).toEqual([200, "b"]);
  });
}

test("headers of interim answers count too", async () => {
  const interim = `HTTP/1.1 103 Early Hints\r\n${headers(30)}\r\n`;
  host.reply = (socket) => socket.write(`${interim.repeat(10)}${json}Content-Length: 2\r\n\r\n{}`);
  expect((await gateway.post()).status).toBe(502);
});

test("300,000 chunks of one byte arrive whole", async () => {
  host.reply = (socket) =>
    socket.write(`${json}Transfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(300_000)}0\r\n\r\n`);
  expect((await (await gateway.post()).text()).length).toBe(300_000);
});

test("a session has an end: cookies without number or measure are no session, and are not kept", () => {
  const session = { _oauth2_proxy: "a" };
  const now = Date.now();
  const many = Array.from({ length: 11_000 }, (_, i) => `_oauth2_proxy${i.toString(36)}x=1`);
  expect(applySetCookies(session, [many.join(", ")], now)).toEqual({ kind: "none" });
  expect(applySetCookies(session, many, now)).toEqual({ kind: "none" });
  expect(applySetCookies(session, [`_oauth2_proxy=${"x".repeat(200_000)}`], now)).toEqual({ kind: "none" });
  const given = Object.fromEntries(many.map((cookie) => cookie.split("=") as [string, string]));
  expect(takeSessionCookies(given)).toHaveProperty("unsafe");
  // As long as browsers keep them, parts are a session.
  const parts = Array.from({ length: 20 }, (_, i) => `_oauth2_proxy_${i}=${"x".repeat(4_000)}`);
  expect(applySetCookies(session, parts, now)).toHaveProperty("set");
});

test("a document that is nested beyond sense is none, and is not parsed", () => {
  const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  expect(parseJson(nested(64), z.unknown())).toBeDefined();
  for (const text of [nested(65), "[".repeat(8_000_000), `{"a":${nested(64)}}`, '{"a":'.repeat(100)]) {
    expect(parseJson(text, z.unknown())).toBeUndefined();
    expect(() => jsonValue(text)).toThrow("nested too deeply");
    expect(errorSentence(text, new Headers())).toBeUndefined();
  }
  expect(parseJson(JSON.stringify({ a: '[[[[{{{{\\"[['.repeat(50) }), z.unknown())).toBeDefined();
});
