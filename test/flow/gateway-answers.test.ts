import { expect, test } from "bun:test";
import { send } from "../support/sandbox/http.ts";
import { sharedGateway } from "../support/shared.ts";

/** What the gateway says itself, each time in the words of the API that was called. */

const { sandbox, gateway } = await sharedGateway();
const { url, key } = gateway;

const get = (path: string, headers: Record<string, string> = {}) => gateway.ask(path, { method: "GET", headers });
const post = (path: string, headers: Record<string, string> = { "x-api-key": key }) =>
  fetch(url + path, { method: "POST", body: "{}", headers });

test("models as OpenAI lists them", async () => {
  for (const path of ["/v1/models", "/models", "/v1/models?limit=1000"]) {
    const { object, data } = (await (await get(path)).json()) as { object: string; data: Record<string, unknown>[] };
    expect(object).toBe("list");
    expect(data.map(({ id }) => id)).toEqual(["claude-sonnet-4-6", "claude-haiku-4-5", "gpt-5.2"]);
    expect(data[0]).toEqual({ id: "claude-sonnet-4-6", object: "model", created: 0, owned_by: "anthropic" });
  }
  expect(await (await get("/v1/models/gpt-5.2")).json()).toMatchObject({ id: "gpt-5.2", object: "model" });
});

test("models as Anthropic lists them, for who speaks its version", async () => {
  const headers = { "anthropic-version": "2023-06-01" };
  expect(await (await get("/v1/models", headers)).json()).toMatchObject({
    data: [{ type: "model", id: "claude-sonnet-4-6", display_name: "Claude Sonnet 4.6" }, {}, {}],
    has_more: false,
    first_id: "claude-sonnet-4-6",
    last_id: "gpt-5.2",
  });
  expect(await (await get("/v1/models/claude-haiku-4-5", headers)).json()).toMatchObject({ type: "model" });
});

test("models as Gemini lists them", async () => {
  const headers = { "x-goog-api-key": key };
  const { models } = (await (await get("/v1beta/models", headers)).json()) as { models: { name: string }[] };
  expect(models.map(({ name }) => name)).toContain("models/gpt-5.2");
  expect(await (await get("/v1beta/models/gpt-5.2", headers)).json()).toMatchObject({ baseModelId: "gpt-5.2" });
});

test("a model this account has not is a 404", async () => {
  expect((await get("/v1/models/gpt-9")).status).toBe(404);
});

test("the account's permission decides, not the host's whole list", async () => {
  await get("/v1/models");
  expect(sandbox.calls("/v1/llm_models")).toHaveLength(1);
  expect(sandbox.calls("/v1/models")).toHaveLength(0);
});

const gemini = "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse";

test("a refusal has the API's shape, its word for it, and the request's id where that API puts one", async () => {
  const [messages, chat, google] = await Promise.all(
    ["/v1/messages", "/v1/chat/completions", gemini].map(async (path) => {
      const answer = await post(path, { "x-api-key": "wrong" });
      const id = answer.headers.get("x-request-id");
      expect({ path, status: answer.status, id }).toEqual({
        path,
        status: 401,
        id: expect.stringMatching(/^[\da-f-]{36}$/),
      });
      return { id, body: (await answer.json()) as Record<string, unknown> };
    }),
  );
  expect(messages?.body).toMatchObject({
    type: "error",
    error: { type: "authentication_error" },
    request_id: messages?.id,
  });
  expect(chat?.body).toMatchObject({ error: { type: "authentication_error", param: null, code: null } });
  expect(google?.body).toMatchObject({
    error: { code: 401, status: "UNAUTHENTICATED", details: [{ requestId: google?.id }] },
  });
});

test("the id of an error is the one the host saw", async () => {
  sandbox.settings.answer = (_seen, response) => void response.destroy();
  for (const path of ["/v1/messages", "/v1/responses"]) {
    const answer = await post(path);
    expect(answer.status).toBe(502);
    expect(sandbox.record.at(-1)?.headers["x-codemie-request-id"]).toBe(answer.headers.get("x-request-id") ?? "");
  }
});

test("errors of the host pass untouched, whatever they look like", async () => {
  for (const [status, type, body] of [
    [400, "application/json", '{"error":{"type":"budget_exceeded"}}'],
    [403, "application/json", '{"error":{"message":"Access denied"}}'],
    [426, "application/json", '{"detail":"Unsupported CodeMie CLI version"}'],
    [429, "application/json", "{}"],
    [500, "text/html", "<h1>oops</h1>"],
    [503, "text/plain", "upstream unreachable"],
  ] as const) {
    sandbox.settings.answer = (_seen, response) =>
      send(response, status, body, { "content-type": type, "retry-after": "7" });
    const answer = await post("/v1/messages");
    expect([answer.status, answer.headers.get("retry-after"), await answer.text()]).toEqual([status, "7", body]);
  }
});

test("what agents report about their users stays here, and needs the key all the same", async () => {
  expect(await (await post("/api/event_logging/batch")).json()).toEqual({ success: true });
  expect(await (await get("/v1/organizations/x/managed-settings")).json()).toEqual({});
  expect((await post("/api/event_logging/batch", {})).status).toBe(401);
  expect(sandbox.record).toEqual([]);
});
