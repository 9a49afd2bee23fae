import { expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import type { RawBridge, Rpc } from "../support/mcp/bridge.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { scriptedBridge } from "../support/mcp/scripted-bridge.ts";
import { sendJson } from "../support/sandbox/http.ts";
import { ciTest } from "../support/tiers.ts";

/** Threat: a call the person cancelled is carried out all the same, or takes the place of others. */

const cancel = (bridge: RawBridge, requestId: Rpc) =>
  bridge.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } });

test("a call that is cancelled while the person logs in is not sent after the login", async () => {
  const login = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const ran: string[] = [];
  const server = await startProtected({
    guard: (message) => {
      ran.push(message.method);
      return false;
    },
  });
  const bridge = new AuthorizedBridge(server.url);
  await bridge.initialize();
  await bridge.call("before");
  server.live.clear();
  server.settings.answer = async (seen, response) => {
    if (seen.path === "/token" && seen.body.includes("refresh_token")) {
      response.writeHead(400, { "content-type": "application/json" }).end('{"error":"invalid_grant"}');
    }
    if (seen.path !== "/authorize") return;
    begun.resolve();
    await login.promise;
  };
  bridge.send({ jsonrpc: "2.0", id: 900, method: "delete-all" });
  await begun.promise;
  cancel(bridge, 900);
  const after = bridge.call("after");
  login.resolve();
  expect((await after).result).toBeDefined();
  expect(ran).toContain("notifications/cancelled");
  expect(ran).not.toContain("delete-all");
  await bridge.finish();
  await server.close();
});

ciTest(
  "a call that is cancelled while it waits for its turn is not sent, and cancelled ones give theirs up",
  async () => {
    const open: [Rpc, ServerResponse][] = [];
    const full = Promise.withResolvers<void>();
    const { server, bridge } = await scriptedBridge((_seen, message, response) => {
      if (message?.method !== "hang") return;
      open.push([message, response]);
      if (open.length === 200) full.resolve();
      return new Promise((resolve) => response.on("close", resolve));
    });
    await bridge.initialize();
    for (let id = 1001; id <= 1200; id++) bridge.send({ jsonrpc: "2.0", id, method: "hang" });
    await full.promise;
    bridge.send({ jsonrpc: "2.0", id: 1201, method: "danger" });
    cancel(bridge, 1201);
    for (let id = 1001; id <= 1020; id++) cancel(bridge, id);
    // The server answers none of the cancelled calls, and they still make room.
    expect((await bridge.call("next")).result).toBeDefined();
    const [message, response] = open.find(([{ id }]) => id === 1200) ?? [];
    if (response) sendJson(response, 200, { jsonrpc: "2.0", id: message.id, result: "kept" });
    expect((await bridge.answer(1200)).result).toBe("kept");
    expect(server.methods()).not.toContain("danger");
  },
);
