import { expect, test } from "bun:test";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { cases } from "../support/tiers.ts";

/** Threat: a token or a registration that nobody holds any more lives on at the server. */

test("tokens that a wider authorization replaced are revoked at the end too", async () => {
  const server = await startProtected({
    challenge: 'scope="read", ',
    guard: (message, scope, response) => {
      if (message.method !== "write" || scope.split(" ").includes("write")) return false;
      response.writeHead(403, { "www-authenticate": 'Bearer error="insufficient_scope", scope="write"' }).end();
      return true;
    },
  });
  const bridge = new AuthorizedBridge(server.url);
  await bridge.initialize();
  expect((await bridge.call("write")).result).toEqual({ scope: "read write" });
  expect(server.live.size).toBe(2);
  await bridge.finish();
  expect(server.live.size).toBe(0);
  const revoked = server.calls("/revoke").map(({ body }) => new URLSearchParams(body).get("token"));
  for (const secret of server.secrets) if (/^(access|refresh)-/.test(secret)) expect(revoked).toContain(secret);
  await server.close();
});

for (const flags of cases([[], ["--persist"]])) {
  test(`a registration made for an authorization that was declined is removed ${flags}`, async () => {
    const server = await startProtected({ callback: { error: "access_denied", code: undefined } });
    server.settings.answer = (seen, response) => {
      if (seen.path !== "/register") return;
      const registration = {
        ...JSON.parse(seen.body),
        client_id: "registered",
        registration_client_uri: `${server.issuer}/registrations/1`,
        registration_access_token: "to-remove-it",
      };
      response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify(registration));
    };
    const bridge = new AuthorizedBridge(server.url, flags);
    expect((await bridge.initialize()).error.message).toContain("access_denied");
    await bridge.finish();
    const [removal] = server.calls("/registrations/1");
    expect([removal?.method, removal?.headers.authorization]).toEqual(["DELETE", "Bearer to-remove-it"]);
    await server.close();
  });
}

test("SIGHUP, a terminal that closes, ends session and tokens as SIGTERM does", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url);
  await bridge.initialize();
  bridge.child.kill("SIGHUP");
  expect(await bridge.exited()).toBe(143);
  expect(server.record.at(-1)?.method).toBe("DELETE");
  expect(server.live.size).toBe(0);
  bridge.person.remove();
  await server.close();
});
