import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { codemieClaude, withClaude } from "../support/codemie.ts";
import { sendRaw } from "../support/raw.ts";
import { send } from "../support/sandbox/http.ts";
import { sharedGateway, sharedLogin } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/**
 * What Claude Code asks of a gateway that speaks Anthropic's API: https://code.claude.com/docs/en/llm-gateway-protocol, and what
 * Claude Code 2.1.331 sends. Each test is one line of that contract.
 */

const { sandbox, gateway } = await sharedGateway();
const loggedIn = await sharedLogin(sandbox);
const last = () => sandbox.record.at(-1) as (typeof sandbox.record)[number];

const betas = "claude-code-20250219,context-management-2025-06-27,some-beta-2030-01-01";

test("anthropic-version, anthropic-beta and the headers of a session reach the host as they are", async () => {
  const sent = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": betas,
    "anthropic-workspace-id": "w",
    "x-claude-code-session-id": "f56193b0-1b5c-44d2-a2c4-6e99f3e7eec7",
    "x-claude-code-agent-id": "a1",
    "x-claude-code-parent-agent-id": "a0",
    "x-claude-remote-session-id": "r",
    "x-stainless-retry-count": "0",
    "x-app": "cli",
    "user-agent": "claude-cli/2.1.331 (external, cli)",
    "anthropic-dangerous-direct-browser-access": "true",
  };
  await gateway.post({ headers: sent });
  expect(last().headers).toMatchObject(sent);
});

test("the query and the body reach the host byte for byte, fields that nobody knows too", async () => {
  const body =
    '{"model":"m",  "messages":[{"role":"user","content":"é\\u00e9"}],"context_management":{"edits":[]},"new_field":1}';
  await gateway.ask("/v1/messages?beta=true", { method: "POST", body });
  expect([last().target, last().body]).toEqual(["/code-assistant-api/v1/messages?beta=true", body]);
});

test("the run's key is accepted as bearer token and as x-api-key, and never reaches the host", async () => {
  for (const headers of [{ authorization: `Bearer ${gateway.key}` }, { "x-api-key": gateway.key }]) {
    const answer = await fetch(`${gateway.url}/v1/messages`, {
      method: "POST",
      body: '{"model":"m","messages":[]}',
      headers: headers as Record<string, string>,
    });
    expect(answer.status).toBe(200);
    expect(JSON.stringify(last())).not.toContain(gateway.key);
  }
});

test("error bodies pass whole, with status, retry-after, request-id and the headers of limits", async () => {
  const error = (type: string, message: string) =>
    JSON.stringify({ type: "error", error: { type, message }, request_id: "req_1" });
  for (const [status, body] of [
    [
      400,
      error("invalid_request_error", `Unexpected value(s) \`some-beta-2030-01-01\` for the \`anthropic-beta\` header`),
    ],
    [400, error("invalid_request_error", "context_management: Extra inputs are not permitted")],
    [400, error("invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum")],
    [401, error("authentication_error", "invalid x-api-key")],
    [403, error("permission_error", "no")],
    [404, error("not_found_error", "model: x")],
    [413, error("request_too_large", "too large")],
    [429, error("rate_limit_error", "slow down")],
    [500, error("api_error", "oops")],
    [529, error("overloaded_error", "Overloaded")],
  ] as const) {
    const headers = {
      "content-type": "application/json",
      "retry-after": "7",
      "request-id": "req_1",
      "x-should-retry": "false",
      "anthropic-ratelimit-unified-status": "allowed",
      "anthropic-ratelimit-tokens-remaining": "5",
      "anthropic-organization-id": "o",
    };
    sandbox.settings.answer = (_seen, response) => send(response, status, body, headers);
    const answer = await gateway.post();
    expect([answer.status, await answer.text()]).toEqual([status, body]);
    expect(Object.fromEntries(answer.headers)).toMatchObject(headers);
  }
});

test("a stream arrives event by event, with its pings and comments, and an error in its middle", async () => {
  const events = [
    'event: message_start\ndata: {"type":"message_start"}\n\n',
    'event: ping\ndata: {"type":"ping"}\n\n',
    ": keep-alive\n\n",
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
  ];
  let next = Promise.withResolvers<void>();
  sandbox.settings.answer = async (_seen, response) => {
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
    for (const event of events) {
      response.write(event);
      await next.promise;
      next = Promise.withResolvers();
    }
    response.end();
  };
  const answer = await gateway.post();
  expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const reader = answer.body?.getReader();
  for (const event of events) {
    const { value } = (await reader?.read()) ?? {};
    expect(new TextDecoder().decode(value)).toBe(event);
    next.resolve();
  }
  expect((await reader?.read())?.done).toBe(true);
});

test("a compressed answer stays as it is when it was asked for", async () => {
  const zipped = gzipSync('{"type":"message"}');
  sandbox.settings.answer = (_seen, response) =>
    void response.writeHead(200, { "content-encoding": "gzip", "content-type": "application/json" }).end(zipped);
  const answer = await gateway.post({ headers: { "accept-encoding": "gzip, br, zstd" } });
  expect([last().headers["accept-encoding"], await answer.text()]).toEqual(["gzip, br, zstd", '{"type":"message"}']);
});

test("HEAD / and HEAD /api/hello are answered without a key and without asking the host", async () => {
  for (const path of ["/", "/api/hello"]) {
    const { text } = await sendRaw(
      gateway.url,
      `HEAD ${path} HTTP/1.1\r\nHost: ${gateway.host}\r\nConnection: close\r\n\r\n`,
    );
    expect(text).toStartWith("HTTP/1.1 200 ");
  }
  expect(sandbox.record).toEqual([]);
});

test("count_tokens reaches the host", async () => {
  const answer = await gateway.ask("/v1/messages/count_tokens?beta=true", {
    method: "POST",
    body: '{"model":"m","messages":[]}',
    headers: { "anthropic-beta": `${betas},token-counting-2024-11-01` },
  });
  expect(await answer.json()).toEqual({ input_tokens: 42 });
  expect(last().headers["anthropic-beta"]).toBe(`${betas},token-counting-2024-11-01`);
});

test("GET /v1/models?limit=1000 lists the models with their names, follows nobody elsewhere and needs the key", async () => {
  const headers = { "anthropic-version": "2023-06-01" };
  const answer = await gateway.ask("/v1/models?limit=1000", { method: "GET", headers });
  expect(answer.status).toBe(200);
  const { data, has_more } = (await answer.json()) as { data: object[]; has_more: boolean };
  expect(has_more).toBe(false);
  expect(data.length).toBeGreaterThan(0);
  for (const model of data)
    expect(model).toEqual({
      type: "model",
      id: expect.any(String),
      display_name: expect.any(String),
      created_at: expect.any(String),
    });
  expect((await fetch(`${gateway.url}/v1/models?limit=1000`, { headers })).status).toBe(401);
});

ciTest("the real Claude Code: what it sends arrives, and it asks for the models", async () => {
  const person = loggedIn.copy();
  const { code, out } = await person.run(["--task", "hello"], { program: codemieClaude, env: withClaude(person) });
  expect([code, out.trim()]).toEqual([0, "The sandbox heard: hello"]);
  const [call] = sandbox.calls("/v1/messages");
  expect(call?.target).toEndWith("/v1/messages?beta=true");
  expect(call?.headers).toMatchObject({
    "anthropic-version": "2023-06-01",
    "anthropic-beta": expect.stringContaining("claude-code-20250219"),
    "x-claude-code-session-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect(await Bun.file(`${person.home}/.claude/cache/gateway-models.json`).json()).toMatchObject({
    models: expect.arrayContaining([expect.objectContaining({ id: "claude-sonnet-4-6" })]),
  });
  person.remove();
});
