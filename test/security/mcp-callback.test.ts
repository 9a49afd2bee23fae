import { expect, test } from "bun:test";
import { judgeCallback } from "../../src/oauth/authorization.ts";
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

const spelled = (issuer: string) => [
  "",
  `${issuer}/`,
  issuer.replace("http:", "HTTP:"),
  issuer.replace("127.0.0.1", "127.0.0.%31"),
];

test("iss is compared as text, of each of several, and promised or not (RFC 3986 section 6.2.1)", () => {
  const issuer = "http://127.0.0.1:8080";
  for (const promised of [true, false]) {
    const server = { issuer, token_endpoint: "", authorization_response_iss_parameter_supported: promised };
    const judged = (...given: string[]) => {
      const url = new URL("http://localhost/callback?code=c");
      for (const iss of given) url.searchParams.append("iss", iss);
      return judgeCallback(url, server).kind;
    };
    for (const odd of spelled(issuer)) expect([odd, judged(odd)]).toEqual([odd, "other-issuer"]);
    expect(judged(issuer, "https://evil.example.com")).toBe("other-issuer");
    expect(judged("https://evil.example.com", issuer)).toBe("other-issuer");
    expect(judged(issuer)).toBe("code");
  }
});

test("another issuer's words are not shown, by --explain either", async () => {
  const server = await startProtected({
    callback: {
      iss: "https://evil.example.com",
      code: undefined,
      error: "visit_evil_com",
      error_description: "call us",
    },
  });
  const bridge = new AuthorizedBridge(server.url, ["--explain"]);
  await bridge.end();
  const shown = bridge.err + bridge.lines.join("\n");
  expect(shown).toContain("another issuer");
  expect(shown).not.toMatch(/visit_evil_com|call us/);
  bridge.person.remove();
  await server.close();
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
