import { beforeEach, expect, test } from "bun:test";
import { sendRaw } from "../support/raw.ts";
import { sharedGateway } from "../support/shared.ts";

/** What the runtime changes in requests and answers on their way: the list of docs/gateway.md, measured. */

const { sandbox, gateway } = await sharedGateway();
const { url, key, host } = gateway;
beforeEach(() => {
  sandbox.settings.answer = (_seen, response) => void response.end("{}");
});

async function send(lines: readonly string[], target = "/v1/messages", body = "{}") {
  const head = [`POST ${target} HTTP/1.1`, `Host: ${host}`, `x-api-key: ${key}`, ...lines];
  const { text } = await sendRaw(url, `${head.join("\r\n")}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const seen = sandbox.record.at(-1);
  return { text, target: seen?.target, body: seen?.body, headers: seen?.rawHeaders ?? [] };
}

const valuesOf = (headers: [string, string][], name: string) =>
  headers.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);

test("values of headers arrive as they are; a repeated one arrives once, joined", async () => {
  const { headers } = await send(['X-Odd: a;b="c, d"', "anthropic-beta: one", "anthropic-beta: two", "X-Empty:"]);
  expect(valuesOf(headers, "x-odd")).toEqual(['a;b="c, d"']);
  expect(valuesOf(headers, "anthropic-beta")).toEqual(["one, two"]);
  expect(valuesOf(headers, "x-empty")).toEqual([""]);
});

test("User-Agent, Accept and Accept-Encoding are the agent's; nothing is added but that no compression is asked for", async () => {
  const given = await send(["User-Agent: agent/1", "Accept: a/b", "Accept-Encoding: br"]);
  expect(["user-agent", "accept", "accept-encoding"].map((name) => valuesOf(given.headers, name))).toEqual([
    ["agent/1"],
    ["a/b"],
    ["br"],
  ]);
  const missing = await send([]);
  expect(valuesOf(missing.headers, "user-agent")).toEqual([]);
  expect(valuesOf(missing.headers, "accept")).toEqual([]);
  expect(valuesOf(missing.headers, "accept-encoding")).toEqual(["identity"]);
});

test("query strings arrive as they are but for quotes and angle brackets", async () => {
  for (const query of ["?beta=true", "?a=1&a=2&&b", "?q=%20+%2B%41", "?x={1}|^`[]", "?", "?a=b?c=d/../e"]) {
    expect((await send([], `/v1/messages${query}`)).target).toBe(`/code-assistant-api/v1/messages${query}`);
  }
  expect((await send([], `/v1/messages?q="<>'`)).target).toBe("/code-assistant-api/v1/messages?q=%22%3C%3E%27");
});

test("bodies arrive byte for byte, whatever they claim to be", async () => {
  for (const body of ["{", "\u0000\u0001\u007f", "a=1&b=2", " ".repeat(1000)]) {
    const { body: arrived } = await send(
      ["Content-Type: application/json", "Content-Encoding: gzip"],
      "/v1/messages",
      body,
    );
    expect(arrived).toBe(body);
  }
});

test("an answer keeps status, values and body; without a type it gets the runtime's", async () => {
  sandbox.settings.answer = (_seen, response) => {
    response.writeHead(207, {
      "Content-Type": "x/y; charset=odd",
      "X-Odd": 'a, "b"',
      "Retry-After": "1",
      Server: "host",
    });
    response.end("body");
  };
  const { text } = await send([]);
  expect(text).toStartWith("HTTP/1.1 207 ");
  for (const line of ["content-type: x/y; charset=odd", 'x-odd: a, "b"', "retry-after: 1", "server: host"]) {
    expect(text.toLowerCase()).toContain(`${line}\r\n`);
  }
  expect(text).toEndWith("\r\n\r\nbody");
  sandbox.settings.answer = (_seen, response) => void response.end("body");
  expect((await send([])).text.toLowerCase()).toContain("content-type: application/octet-stream\r\n");
});
