import { expect, test } from "bun:test";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { listen, readRequest, send } from "../support/sandbox/http.ts";
import { cases } from "../support/tiers.ts";

/**
 * Threat: an authorization server registers the bridge with an address of somebody else and a token of its choice, and the
 * bridge deletes there what the server likes when it ends; or the token breaks its end.
 */

const other = await listen();
const asked: string[] = [];
other.handle(async (request, response) => {
  const { method, path, headers } = await readRequest(request);
  asked.push(`${method} ${path} ${headers.authorization}`);
  send(response, 204, "");
});

type Server = Awaited<ReturnType<typeof startProtected>>;
const registrations: readonly (readonly [what: string, uri: (server: Server) => string, token: string])[] = [
  ["another port", () => `${other.origin}/customers?x=1`, "chosen"],
  ["a token that is no header's", ({ issuer }) => `${issuer}/registrations/1`, "chosen\u0100"],
  ["a token with a line end", ({ issuer }) => `${issuer}/registrations/1`, "chosen\r\nx: y"],
  ["no address", () => "registrations/1", "chosen"],
  ["the same name, by another number", () => other.origin.replace("127.0.0.1", "[::ffff:127.0.0.1]"), "chosen"],
];

for (const [what, uri, token] of cases(registrations, 3)) {
  test(`${what}: nothing is deleted, and the bridge ends as ever`, async () => {
    const server = await startProtected({ callback: { error: "access_denied", code: undefined } });
    server.settings.answer = (seen, response) => {
      if (seen.path !== "/register") return;
      const registration = {
        ...JSON.parse(seen.body),
        client_id: "registered",
        registration_client_uri: uri(server),
        registration_access_token: token,
      };
      response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify(registration));
    };
    const bridge = new AuthorizedBridge(server.url);
    expect((await bridge.initialize()).error.message).toContain("access_denied");
    await bridge.finish();
    expect(bridge.child.exitCode).toBe(0);
    expect(bridge.err).not.toContain("defect");
    expect(asked).toEqual([]);
    expect(server.record.filter(({ method }) => method === "DELETE")).toEqual([]);
    await server.close();
  });
}
