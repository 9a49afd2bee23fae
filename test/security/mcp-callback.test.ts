import { expect, test } from "bun:test";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { cases } from "../support/tiers.ts";

/** Threat: somebody else's answer ends at our callback: another code, another error, another issuer. */

const withBrowser = async (callback: Record<string, string | undefined>, server = {}, args: string[] = []) => {
  const host = await startProtected({ callback, server });
  const bridge = new AuthorizedBridge(host.url, args);
  const { error } = await bridge.initialize();
  await bridge.finish();
  await host.close();
  return { error, tokenRequests: host.calls("/token").length };
};

for (const [what, callback] of cases([
  ["a wrong state", { state: "forged" }],
  ["no state", { state: undefined }],
  ["an empty state", { state: "" }],
  ["an error with a wrong state", { state: "forged", code: undefined, error: "access_denied" }],
] as const)) {
  test(`${what}: not believed, and the wait goes on until its time is over`, async () => {
    const { error, tokenRequests } = await withBrowser(callback, {}, ["--auth-timeout", "1"]);
    expect(error.message).toContain("nobody finished the authorization");
    expect(error.message).toContain("within 1 s");
    expect(tokenRequests).toBe(0);
  });
}

test("iss of another issuer: the code is not redeemed (RFC 9207)", async () => {
  const { error, tokenRequests } = await withBrowser({ iss: "https://evil.example.com" });
  expect(error.message).toContain("did not come from");
  expect(error.message).toContain("RFC 9207");
  expect(tokenRequests).toBe(0);
});

test("iss is checked before an error is believed", async () => {
  const { error } = await withBrowser({ iss: "https://evil.example.com", code: undefined, error: "access_denied" });
  expect(error.message).toContain("RFC 9207");
});

test("iss promised and missing: refused; neither promised nor sent: fine", async () => {
  expect((await withBrowser({ iss: undefined })).error.message).toContain("RFC 9207");
  const quiet = await withBrowser({ iss: undefined }, { authorization_response_iss_parameter_supported: undefined });
  expect(quiet.error).toBeUndefined();
  expect(quiet.tokenRequests).toBe(1);
});

test("each authorization has its own callback, state and verifier, and a spent state is worth nothing", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url);
  await bridge.initialize();
  server.forgetTokens();
  expect((await bridge.call("again")).result).toBeDefined();
  const [first, second] = bridge.authorizing();
  for (const name of ["state", "code_challenge"]) {
    const values = [first, second].map((url) => url?.searchParams.get(name));
    expect(values[0]).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(values[1]).not.toBe(values[0]);
  }
  // A refusal to renew may mean that the server has forgotten the client, so that registers anew.
  expect(server.calls("/register").length).toBe(2);
  await bridge.finish();
  await server.close();
});
