import { afterAll, beforeAll, expect, test } from "bun:test";
import { hostAt } from "../../src/core/host.ts";
import { Denied, GatewayError } from "../../src/gateway/errors.ts";
import { type Gateway, startGateway } from "../../src/gateway/gateway.ts";
import { callOf, type IncomingRequest } from "../../src/gateway/paths.ts";
import { routerOf } from "../../src/gateway/router.ts";
import type { Route } from "../../src/gateway/routes.ts";
import { sendRaw } from "../support/raw.ts";

/** Threat: the router reads a path or a method more generously than the table writes it, and opens a route or skips a guard. */

let gateway: Gateway;
beforeAll(() => {
  const lease = { origin: "", authorize: () => undefined, login: undefined };
  gateway = startGateway({
    host: hostAt("http://127.0.0.1:9"),
    credentials: { current: async () => lease, capture: async () => undefined, renew: async () => undefined },
    ownHeaders: {},
    upstream: { send: () => Promise.reject(new Error("nobody is asked")), close: () => undefined },
    timeoutMs: 0,
    port: 0,
    models: async () => [],
  });
});
afterAll(() => gateway.close());

const ask = async (line: string, hasKey: boolean) => {
  const key = hasKey ? `x-api-key: ${gateway.key.reveal()}\r\n` : "";
  const head = `${line} HTTP/1.1\r\nHost: ${new URL(gateway.url).host}\r\nConnection: close\r\n${key}\r\n`;
  const { statuses, text } = await sendRaw(gateway.url, head);
  return { line, status: statuses[0], text };
};

test("a route opens to its own method and spelling only", async () => {
  for (const line of [
    "HEAD /",
    "HEAD /api/hello",
    "GET /health",
    "HEAD /health",
    "GET /ready",
    "GET /health?a=b",
    "GET /x/../health",
  ]) {
    expect(await ask(line, false)).toMatchObject({ line, status: 200 });
  }
  for (const line of [
    "GET /",
    "POST /health",
    "PURGE /health",
    "GET /health/",
    "HEAD /health/",
    "GET //health",
    "GET /%68ealth",
    "GET /%2568ealth",
    "GET /HEALTH",
    "GET /health%2f",
    "GET /health;x",
    "GET /%zz",
    "GET /v1/models/",
    "GET /v1/models/_x",
    "GET /%76%31/models",
    "GET /api/event_logging/batch/",
    "GET /x/managed-settings/",
  ]) {
    expect(await ask(line, false)).toMatchObject({ line, status: 401 });
    expect(await ask(line, true)).toMatchObject({ line, status: 404 });
  }
});

test("a path with escapes is told as it was asked for", async () => {
  const { text } = await ask("GET /%61/%zz/%41%2f", true);
  expect(text).toContain("codemie gateway: GET /%61/%zz/%41%2f is not part of the model API");
});

test("an answer to HEAD keeps its length and has no body", async () => {
  const [got, asked] = [await ask("GET /nothing", true), await ask("HEAD /nothing", true)];
  const length = (text: string) => Number(/content-length: (\d+)/i.exec(text)?.[1]);
  expect(length(asked.text)).toBe(length(got.text) + "HEAD".length - "GET".length);
  expect(asked.text).toEndWith("\r\n\r\n");
});

test("refusals of strangers are counted, other refusals are not", async () => {
  const before = gateway.counts.denied;
  await ask("GET /nothing", false);
  expect(gateway.counts.denied).toBe(before + 1);
  await ask("GET /nothing", true);
  expect(gateway.counts.denied).toBe(before + 1);
});

test("each route has the guards its line names, in their order, and no others", async () => {
  const seen: string[] = [];
  const guard = (name: string) => () => void seen.push(name);
  const refuses = () => {
    throw new Denied(401, "not you");
  };
  const line = (path: string, guards: Route["guards"]): Route => ({
    method: "*",
    path,
    guards,
    answer: ({ call }, params) => new Response(`${path} ${call.path} ${params.id ?? ""}`),
  });
  const route = routerOf([
    line("/relay/:id/**", [guard("state"), guard("form")]),
    line("/auth", [guard("state"), refuses, guard("form")]),
    line("/**", [guard("key")]),
  ]);
  const answer = async (path: string) => {
    seen.length = 0;
    const raw = new Request(`http://127.0.0.1:1${path}`, { method: "PURGE" });
    const call = callOf(raw) as IncomingRequest["call"];
    return await (await route({ id: "1", call, headers: {}, raw })).text();
  };
  expect([await answer("/relay/7/a%41/b/"), ...seen]).toEqual(["/relay/:id/** /relay/7/a%41/b/ 7", "state", "form"]);
  expect([await answer("/auth/"), ...seen]).toEqual(["/** /auth/ ", "key"]);
  expect([await answer("/relay%2f7/a"), ...seen]).toEqual(["/** /relay%2f7/a ", "key"]);
  await expect(answer("/auth")).rejects.toBeInstanceOf(GatewayError);
  expect(seen).toEqual(["state"]);
});
