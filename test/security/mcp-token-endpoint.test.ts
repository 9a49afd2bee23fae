import { expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { cases } from "../support/tiers.ts";

/** Threat: the token endpoint sends code and verifier on, or answers with what is no token. */

const json = (response: ServerResponse, status: number, body: string) =>
  void response.writeHead(status, { "content-type": "application/json" }).end(body);

for (const [what, answer, expected] of [
  [
    "a redirect",
    (r: ServerResponse) => void r.writeHead(307, { location: "http://127.0.0.1:9/steal" }).end(),
    "the token endpoint redirects",
  ],
  [
    "a page",
    (r: ServerResponse) => void r.writeHead(200, { "content-type": "text/html" }).end("<html>"),
    "answered 200 with something that is not JSON",
  ],
  ["500", (r: ServerResponse) => json(r, 500, '{"error":"server_error"}'), "answered 500"],
  [
    "10 MB",
    (r: ServerResponse) => json(r, 200, `{"access_token":"${"x".repeat(10_000_000)}"`),
    "more than 1000000 bytes",
  ],
  [
    "another kind of token",
    (r: ServerResponse) => json(r, 200, '{"access_token":"x","token_type":"mac"}'),
    "not a bearer",
  ],
  [
    "a token that would break a header",
    (r: ServerResponse) => json(r, 200, '{"access_token":"a\\r\\nx: y","token_type":"bearer"}'),
    "answered 200 without a usable access_token",
  ],
  [
    "a document without a token",
    (r: ServerResponse) => json(r, 200, '{"token_type":"bearer","expires_in":60}'),
    "answered 200 without a usable access_token",
  ],
  [
    "a refusal",
    (r: ServerResponse) => json(r, 400, '{"error":"invalid_grant","error_description":"too late"}'),
    "too late",
  ],
] as const) {
  test(`${what}: an error, nothing sent on, and the bridge stays up`, async () => {
    const server = await startProtected({
      answer: (seen, response) => (seen.path === "/token" ? answer(response) : undefined),
    });
    const bridge = new AuthorizedBridge(server.url);
    expect((await bridge.initialize()).error.message).toContain(expected);
    expect(server.calls("/token").length).toBe(1);
    expect((await bridge.call("next")).error).toBeDefined();
    await bridge.finish();
    await server.close();
  });
}

for (const expires_in of cases([0, -1, "soon", "3600", null])) {
  test(`a lifetime of ${JSON.stringify(expires_in)} is no reason to refuse the token`, async () => {
    const server = await startProtected();
    server.settings.expiresIn = expires_in as number;
    const bridge = new AuthorizedBridge(server.url);
    expect((await bridge.initialize()).result).toBeDefined();
    expect((await bridge.call("x")).result).toBeDefined();
    expect(server.calls("/token").length).toBe(1);
    await bridge.finish();
    await server.close();
  });
}
