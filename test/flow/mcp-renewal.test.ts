import { expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { AuthorizedBridge, type Protected, startProtected } from "../support/mcp/protected.ts";

/** What becomes of a login when its renewal does not go as it should. */

const refused = (response: ServerResponse, status: number, error: string) =>
  void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ error }));

const refreshes = (server: Protected) =>
  server.calls("/token").filter(({ body }) => body.includes("grant_type=refresh_token")).length;

/** A bridge whose token ends within a second, as it says; the server goes on to take it. */
async function endingSoon(answer: ((response: ServerResponse) => void) | undefined) {
  const server = await startProtected({ expiresIn: 1 });
  const bridge = new AuthorizedBridge(server.url);
  await bridge.initialize();
  server.settings.answer = (seen, response) => {
    if (seen.path === "/token" && seen.body.includes("grant_type=refresh_token")) answer?.(response);
  };
  await Bun.sleep(1_100);
  return { server, bridge };
}

test("a renewal ahead that is refused for now keeps the token in hand, and asks no person", async () => {
  const { server, bridge } = await endingSoon((response) => refused(response, 429, "temporarily_unavailable"));
  for (let i = 0; i < 3; i++) expect((await bridge.call("x")).result).toBeDefined();
  expect(refreshes(server)).toBe(1); // and is not tried again with each request
  server.live.clear();
  expect((await bridge.call("x")).error.message).toContain("answered 429");
  server.settings.answer = undefined;
  expect((await bridge.call("x")).result).toBeDefined();
  expect(bridge.opened().length).toBe(1);
  await bridge.finish();
  await server.close();
});

test("a renewal ahead that is refused for good keeps the token until the server refuses it", async () => {
  const { server, bridge } = await endingSoon((response) => refused(response, 400, "invalid_grant"));
  for (let i = 0; i < 3; i++) expect((await bridge.call("x")).result).toBeDefined();
  expect([refreshes(server), bridge.opened().length]).toEqual([1, 1]);
  server.live.clear();
  expect((await bridge.call("x")).result).toBeDefined();
  expect([refreshes(server), bridge.opened().length]).toEqual([1, 2]);
  await bridge.finish();
  await server.close();
});

test("a renewed token that the server refuses leads to a new login, once", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url);
  await bridge.initialize();
  server.settings.answer = (seen, response) => {
    if (seen.path !== "/token" || !seen.body.includes("grant_type=refresh_token")) return;
    const body = { access_token: "worthless", refresh_token: "next", token_type: "Bearer", expires_in: 3600 };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  server.live.clear();
  expect((await bridge.call("x")).result).toBeDefined();
  expect([refreshes(server), bridge.opened().length]).toEqual([1, 2]);
  server.settings.takesNone = true;
  expect((await bridge.call("x")).error.message).toContain("does not accept the access token");
  expect([refreshes(server), bridge.opened().length]).toEqual([2, 3]);
  await bridge.finish();
  await server.close();
});
