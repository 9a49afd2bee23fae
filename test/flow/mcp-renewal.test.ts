import { expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { Person } from "../support/codemie.ts";
import { AuthorizedBridge, type Protected, startProtected } from "../support/mcp/protected.ts";
import { cases } from "../support/tiers.ts";

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
  const before = refreshes(server); // on a slow machine it has ended, and was renewed, while the bridge began
  await Bun.sleep(1_100);
  return { server, bridge, renewals: () => refreshes(server) - before };
}

test("a renewal ahead that is refused for now keeps the token in hand, and asks no person", async () => {
  const { server, bridge, renewals } = await endingSoon((response) =>
    refused(response, 429, "temporarily_unavailable"),
  );
  for (let i = 0; i < 3; i++) expect((await bridge.call("x")).result).toBeDefined();
  expect(renewals()).toBe(1); // and is not tried again with each request
  server.live.clear();
  expect((await bridge.call("x")).error.message).toContain("answered 429");
  server.settings.answer = undefined;
  expect((await bridge.call("x")).result).toBeDefined();
  expect(bridge.opened().length).toBe(1);
  await bridge.finish();
  await server.close();
});

test("a renewal ahead that is refused for good keeps the token until the server refuses it", async () => {
  const { server, bridge, renewals } = await endingSoon((response) => refused(response, 400, "invalid_grant"));
  for (let i = 0; i < 3; i++) expect((await bridge.call("x")).result).toBeDefined();
  expect([renewals(), bridge.opened().length]).toEqual([1, 1]);
  server.live.clear();
  expect((await bridge.call("x")).result).toBeDefined();
  expect([renewals(), bridge.opened().length]).toEqual([1, 2]);
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

const form = (body: string) => new URLSearchParams(body);
const json = (response: ServerResponse, status: number, body: object) =>
  void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

for (const rest of cases([{ access_token: null }, { access_token: "a b" }, { token_type: "DPoP" }], 1)) {
  test(`a new refresh token beside ${JSON.stringify(rest)} is kept, in this window and the next: the spent one goes out once`, async () => {
    const server = await startProtected();
    const person = new Person();
    const first = new AuthorizedBridge(server.url, ["--persist"], {}, person);
    await first.initialize();
    const second = new AuthorizedBridge(server.url, ["--persist"], {}, person);
    await second.initialize();
    const presented: string[] = [];
    let isWell = false;
    server.settings.answer = (seen, response) => {
      const token = form(seen.body).get("refresh_token");
      if (seen.path !== "/token" || token === null) return;
      presented.push(token);
      const members = { access_token: "after", token_type: "Bearer", refresh_token: `next-${presented.length}` };
      if (isWell) server.live.set("after", "");
      json(response, 200, isWell ? members : { ...members, ...rest });
    };
    server.live.clear();
    expect((await first.call("x")).error.message).toContain("no token from");
    expect((await second.call("x")).error.message).toContain("no token from");
    expect((await first.call("x")).error.message).toContain("no token from");
    isWell = true;
    expect((await first.call("x")).result).toBeDefined();
    expect((await second.call("x")).result).toBeDefined();
    // Each request went out with the token that the answer before had brought, whichever window sent it.
    expect(presented.slice(1)).toEqual(presented.slice(1).map((_, i) => `next-${i + 1}`));
    expect(presented.length).toBeGreaterThan(3);
    expect(first.opened().length).toBe(1);
    await Promise.all([first.end(), second.end()]);
    person.remove();
    await server.close();
  });
}

for (const members of cases([{ id_token: null }, { scope: 7 }, { token_type: undefined }, { refresh_token: null }])) {
  test(`an answer with ${Object.keys(members)} ${Object.values(members)} renews the token`, async () => {
    const server = await startProtected();
    const bridge = new AuthorizedBridge(server.url);
    await bridge.initialize();
    server.settings.answer = (seen, response) => {
      if (seen.path !== "/token" || !seen.body.includes("grant_type=refresh_token")) return;
      server.live.set("after", "");
      json(response, 200, { access_token: "after", refresh_token: "next", token_type: "Bearer", ...members });
    };
    server.live.clear();
    expect((await bridge.call("x")).result).toBeDefined();
    expect([refreshes(server), bridge.opened().length]).toEqual([1, 1]);
    await bridge.finish();
    await server.close();
  });
}

for (const status of cases([400, 401], 1)) {
  test(`a refresh token that is answered ${status} without a body is over: a new login follows`, async () => {
    const server = await startProtected();
    const bridge = new AuthorizedBridge(server.url);
    await bridge.initialize();
    server.settings.answer = (seen, response) => {
      if (seen.path === "/token" && seen.body.includes("grant_type=refresh_token")) response.writeHead(status).end();
    };
    server.live.clear();
    expect((await bridge.call("x")).result).toBeDefined();
    expect([refreshes(server), bridge.opened().length]).toEqual([1, 2]);
    await bridge.finish();
    await server.close();
  });
}

for (const empty of cases([null, ""], 1)) {
  test(`members that are ${JSON.stringify(empty)} are absent: both metadata documents and the registration`, async () => {
    const none = (names: string[]) => Object.fromEntries(names.map((name) => [name, empty]));
    const server = await startProtected({
      resource: none(["scopes_supported"]),
      server: none([
        ...["device_authorization_endpoint", "jwks_uri", "revocation_endpoint", "scopes_supported"],
        ...["grant_types_supported", "token_endpoint_auth_methods_supported", "code_challenge_methods_supported"],
        ...["token_endpoint_auth_signing_alg_values_supported", "authorization_response_iss_parameter_supported"],
        ...["response_types_supported", "client_id_metadata_document_supported"],
      ]),
    });
    server.settings.answer = (seen, response) => {
      if (seen.path !== "/register") return;
      const secrets = ["client_secret", "client_secret_expires_at", "registration_client_uri"];
      const others = ["registration_access_token", "token_endpoint_auth_method"];
      json(response, 201, { client_id: "registered", ...none([...secrets, ...others]) });
    };
    const bridge = new AuthorizedBridge(server.url);
    expect((await bridge.initialize()).result).toBeDefined();
    await bridge.finish();
    await server.close();
  });
}
