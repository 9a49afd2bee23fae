import { expect, test } from "bun:test";
import { hello } from "../support/gateway.ts";
import { sendRaw } from "../support/raw.ts";
import { redirect, send } from "../support/sandbox/http.ts";
import { sharedGateway } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: through the gateway the agent reaches more than the model API, or an answer hands it the session. */

const { sandbox, gateway } = await sharedGateway();
const { url, key, host } = gateway;

const targets = [
  "GET /v1/auth/login/1",
  "GET /v1/user",
  "GET /v1/settings/user",
  "GET /config.js",
  "GET /",
  "GET /code-assistant-api/v1/user",
  "GET /v1/models/../user",
  "GET /v1/models/%2e%2e/user",
  "GET /v1/models/..%2fuser",
  "POST /v1/models/..%2f..%2foauth2%2fauth:generateContent",
  "POST /v1/models/..\\..\\user:countTokens",
  "POST /v1/messages/../auth/login/1",
  "POST /v1//messages",
  "POST //evil.example/v1/messages",
  "GET //evil.example/v1/models",
  "POST /v1/messages/",
  "POST /v1/messages%00",
  "GET /v1/messages",
  "DELETE /v1/models",
  "OPTIONS /v1/messages",
];
for (const target of cases(targets)) {
  test(`${target} is not forwarded`, async () => {
    expect([400, 404]).toContain(await statusOf(target));
    expect(sandbox.record).toEqual([]);
  });
}

test("an absolute target goes to the configured host or nowhere", async () => {
  expect([200, 400, 403]).toContain(await statusOf("GET http://evil.example/v1/models"));
  for (const seen of sandbox.record) expect(seen.headers.host).toBe(new URL(sandbox.origin).host);
});

const answers: [string, Parameters<typeof send>[2], Record<string, string>][] = [
  ["a redirect to the login", "302", { location: "/oauth2/start?rd=%2F" }],
  ["a redirect with the session in it", "302", { location: "http://localhost:1/auth?token=SESSION" }],
  ["a login page", "200", { "content-type": "text/html" }],
  ["a 401 of the host", "401", { "content-type": "application/json" }],
];
for (const [name, status, headers] of cases(answers)) {
  test(`${name} becomes a 401 that names the command`, async () => {
    sandbox.settings.answer = (_seen, response) =>
      send(response, Number(status), "{}", { ...headers, "set-cookie": "_oauth2_proxy=NEW" });
    for (const [path, shape] of [
      ["/v1/messages", { type: "error", error: { type: "authentication_error" } }],
      ["/v1/chat/completions", { error: { type: "authentication_error", param: null } }],
    ] as const) {
      const answer = await post(path);
      expect(answer.status).toBe(401);
      expect([...answer.headers.keys()]).not.toContain("location");
      expect([...answer.headers.keys()]).not.toContain("set-cookie");
      const body = await answer.json();
      expect(body).toMatchObject(shape);
      expect(JSON.stringify(body)).toContain(`codemie profile login --profile default`);
      expect(JSON.stringify(body)).not.toContain("SESSION");
    }
  });
}

test("redirects are not followed, wherever they lead", async () => {
  const thief = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("got you") });
  sandbox.settings.answer = (_seen, response) => redirect(response, `http://127.0.0.1:${thief.port}/v1/messages`);
  expect((await post("/v1/messages")).status).toBe(401);
  expect(thief.pendingRequests).toBe(0);
  await thief.stop(true);
});

test("the session's cookies and the front's wishes never come back", async () => {
  const kept = { "content-type": "application/json", "x-ratelimit-left": "7", "request-id": "req_1" };
  sandbox.settings.answer = (_seen, response) =>
    send(response, 200, "{}", {
      ...kept,
      "set-cookie": ["_oauth2_proxy_0=NEW; Path=/", "other=1"],
      "alt-svc": 'h3=":443"',
      refresh: "0;url=http://evil.example",
      connection: "x-hop",
      "x-hop": "1",
    });
  const answer = await post("/v1/messages");
  expect(answer.status).toBe(200);
  expect(Object.fromEntries(answer.headers)).toMatchObject(kept);
  for (const name of ["set-cookie", "alt-svc", "refresh", "x-hop"]) expect(answer.headers.has(name)).toBe(false);
});

test("an error of the model's provider reaches the agent untouched, a 401 too", async () => {
  for (const status of [400, 401, 429, 500, 529]) {
    const body = JSON.stringify({ error: { message: "no", type: "provider_error", param: null, code: "1" } });
    sandbox.settings.answer = (_seen, response) => send(response, status, body, { "content-type": "application/json" });
    const answer = await post("/v1/messages");
    expect([answer.status, await answer.text()]).toEqual([status, body]);
  }
});

test("upstream gets the session and nothing of the agent's own", async () => {
  await post("/v1/messages", {
    cookie: "_oauth2_proxy=mine; a=b",
    "x-goog-api-key": key,
    "x-api-key": key,
    forwarded: "for=1.2.3.4",
    "x-forwarded-for": "1.2.3.4",
    "x-auth-request-access-token": "forged",
    "user-id": "root",
    "x-original-url": "/v1/auth/login/1",
    "x-rewrite-url": "/v1/auth/login/1",
    "x-http-method-override": "GET",
    "x-forwarded-prefix": "/evil",
    connection: "keep-alive, x-hop, x-codemie-cli, cookie",
    "x-hop": "1",
    "x-codemie-project": "forged",
    "proxy-authorization": "Basic x",
    "anthropic-version": "2023-06-01",
    "x-custom": "kept",
  });
  const { rawHeaders } = sandbox.calls("/v1/messages").at(-1) ?? { rawHeaders: [] };
  const names = rawHeaders.map(([name]) => name.toLowerCase());
  const text = JSON.stringify(rawHeaders);
  expect(text).not.toContain(key);
  expect(text).not.toContain("forged");
  expect(text).not.toContain("1.2.3.4");
  expect(text).not.toContain("mine");
  for (const name of [
    "authorization",
    "x-api-key",
    "x-goog-api-key",
    "user-id",
    "proxy-authorization",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-forwarded-prefix",
    "x-hop",
  ]) {
    expect(names).not.toContain(name);
  }
  for (const name of ["cookie", "anthropic-version", "x-custom", "x-codemie-cli", "x-codemie-request-id"]) {
    expect(names.filter((other) => other === name)).toEqual([name]);
  }
});

function post(path: string, headers: Record<string, string> = {}): Promise<Response> {
  const all = { authorization: `Bearer ${key}`, ...headers };
  return fetch(url + path, { method: "POST", body: hello, redirect: "manual", headers: all });
}

/** Sends a request line as it is; clients would tidy it up. */
async function statusOf(line: string): Promise<number> {
  const bytes = `${line} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${key}\r\nContent-Length: 0\r\n\r\n`;
  const { statuses } = await sendRaw(url, bytes);
  expect(statuses).toHaveLength(1);
  return statuses[0] ?? 0;
}
