import { expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { initializeParams, type RawBridge, type Rpc } from "../support/mcp/bridge.ts";
import type { Script } from "../support/mcp/scripted.ts";
import { scriptedBridge } from "../support/mcp/scripted-bridge.ts";
import { sendJson } from "../support/sandbox/http.ts";
import { cases } from "../support/tiers.ts";

/**
 * A server that wants a page opened before it answers: error -32042 of MCP 2025-11-25 (client/elicitation), and a request for input of
 * mode `url` of 2026-07-28.
 */

const own = "io.modelcontextprotocol/";
const meta = (capabilities: Rpc) => ({
  [`${own}protocolVersion`]: "2026-07-28",
  [`${own}clientInfo`]: { name: "test", version: "1.0.0" },
  [`${own}clientCapabilities`]: capabilities,
});
const pages = { elicitation: { form: {}, url: {} } };
const url = "https://mcp.example.com/connect?elicitationId=e-1";
const message = "Connect your account";
const answered = (response: ServerResponse, id: unknown, body: Rpc) =>
  sendJson(response, 200, { jsonrpc: "2.0", id, ...body });

/** A server with sessions, which refuses the first call of a tool until a page was opened. */
function opening(): { script: Script; calls: Rpc[] } {
  const calls: Rpc[] = [];
  const script: Script = (seen, request, response) => {
    if (request?.method === "initialize" || seen.method !== "POST") return;
    if (!seen.headers["mcp-session-id"]) {
      const error = { code: -32000, message: "Bad Request: No valid session ID provided" };
      return sendJson(response, 400, { jsonrpc: "2.0", error, id: null });
    }
    if (request?.method !== "tools/call") return;
    calls.push(request);
    if (calls.length > 1) return;
    const elicitations = [{ mode: "url", elicitationId: "e-1", url, message }];
    answered(response, request.id, { error: { code: -32042, message: "a page first", data: { elicitations } } });
  };
  return { script, calls };
}

/** A server of MCP 2026-07-28, which asks for a page before it answers. */
function asking(): { script: Script; calls: Rpc[] } {
  const calls: Rpc[] = [];
  const script: Script = (seen, request, response) => {
    if (seen.method !== "POST") return void response.writeHead(405).end();
    if (request?.id === undefined) return;
    if (!request.params?._meta?.[`${own}protocolVersion`]) {
      const data = { supported: ["2026-07-28"] };
      return sendJson(response, 400, {
        jsonrpc: "2.0",
        id: request.id,
        error: { code: -32022, message: "Unsupported protocol version", data },
      });
    }
    if (request.method === "server/discover") {
      const result = { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities: { tools: {} } };
      return answered(response, request.id, { result });
    }
    calls.push(request);
    const given = request.params.inputResponses;
    if (given) return answered(response, request.id, { result: { resultType: "complete", given } });
    const page = { method: "elicitation/create", params: { mode: "url", url, message } };
    const result = { resultType: "input_required", inputRequests: { page }, requestState: "state" };
    answered(response, request.id, { result });
  };
  return { script, calls };
}

async function openSession(bridge: RawBridge, capabilities: Rpc): Promise<void> {
  await bridge.call("initialize", { ...initializeParams, capabilities });
  bridge.send({ jsonrpc: "2.0", method: "notifications/initialized" });
}

test("-32042 becomes input that a client without a session knows; its next call is one like any other", async () => {
  const { script, calls } = opening();
  const { bridge } = await scriptedBridge(script);
  const _meta = meta(pages);
  const { result } = await bridge.call("tools/call", { name: "files", arguments: { n: 1 }, _meta });
  expect(result).toEqual({
    resultType: "input_required",
    inputRequests: { "page-1": { method: "elicitation/create", params: { mode: "url", url, message } } },
  });
  const inputResponses = { "page-1": { action: "accept" } };
  const again = await bridge.call("tools/call", { name: "files", arguments: { n: 1 }, inputResponses, _meta });
  expect(again.result.resultType).toBe("complete");
  expect(calls.map(({ params }) => params)).toEqual(Array(2).fill({ name: "files", arguments: { n: 1 } }));
});

for (const action of cases(["decline", "cancel"], 1)) {
  test(`a page that the person does not open (${action}) is not asked for again: the call ends with an error`, async () => {
    const { script, calls } = opening();
    const { bridge } = await scriptedBridge(script);
    const call = { name: "files", _meta: meta(pages) };
    expect((await bridge.call("tools/call", call)).result.resultType).toBe("input_required");
    const { error } = await bridge.call("tools/call", { ...call, inputResponses: { "page-1": { action } } });
    expect(error.message).toContain("the server wants a page opened first, and it was not");
    expect(calls.length).toBe(1);
  });
}

test("a client without a session that opens no pages gets an error in its place, with the server's words", async () => {
  const { script } = opening();
  const { bridge } = await scriptedBridge(script);
  const { error } = await bridge.call("tools/call", { name: "files", _meta: meta({ elicitation: { form: {} } }) });
  // The number means nothing in that revision.
  expect([error.code, error.message]).toEqual([-32603, "a page first"]);
});

test("a page that a server without sessions wants is asked of a client with one, and named, as its revision has it", async () => {
  const { script, calls } = asking();
  const { bridge } = await scriptedBridge(script);
  await openSession(bridge, pages);
  bridge.send({ jsonrpc: "2.0", id: "call", method: "tools/call", params: { name: "files" } });
  const asked = await bridge.until(() => bridge.messages().find(({ method }: Rpc) => method === "elicitation/create"));
  expect(asked.params).toEqual({ mode: "url", url, message, elicitationId: asked.params.elicitationId });
  expect(asked.params.elicitationId).toBeDefined();
  bridge.send({ jsonrpc: "2.0", id: asked.id, result: { action: "accept" } });
  const answer = await bridge.until(() => bridge.messages().find(({ id, method }: Rpc) => id === "call" && !method));
  expect(answer.result.given).toEqual({ page: { action: "accept" } });
  expect(calls.at(-1)?.params.requestState).toBe("state");
});

test("a client with a session that opens no pages gets an error, and no page", async () => {
  const { script, calls } = asking();
  const { bridge } = await scriptedBridge(script);
  await openSession(bridge, { elicitation: {} });
  const { error } = await bridge.call("tools/call", { name: "files" });
  expect(error.message).toContain("elicitation/create of a page, which the client does not have");
  expect(calls.length).toBe(1);
});

for (const era of cases(["with sessions", "without"] as const, 1)) {
  test(`between a client and a server ${era}, it passes as it is`, async () => {
    const isOld = era === "with sessions";
    const { script } = isOld ? opening() : asking();
    const { bridge } = await scriptedBridge(script);
    if (isOld) await openSession(bridge, pages);
    const answer = await bridge.call("tools/call", { name: "files", ...(isOld ? {} : { _meta: meta(pages) }) });
    if (isOld) {
      const elicitations = [{ mode: "url", elicitationId: "e-1", url, message }];
      expect(answer.error).toEqual({ code: -32042, message: "a page first", data: { elicitations } });
    } else {
      const page = { method: "elicitation/create", params: { mode: "url", url, message } };
      expect(answer.result).toMatchObject({ inputRequests: { page }, requestState: "state" });
    }
  });
}
