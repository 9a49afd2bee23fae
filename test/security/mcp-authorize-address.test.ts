import { expect, test } from "bun:test";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { cases } from "../support/tiers.ts";

/** Threat: a server has something opened on this machine that is no web page. */

for (const address of cases([
  "file:///etc/passwd",
  "javascript:alert(1)",
  "smb://127.0.0.1/share",
  "data:text/html,<script>1</script>",
  "-R /Applications",
  "--version",
  "http://192.0.2.1/authorize",
  "https://accounts.example.com@evil.example.com/authorize",
  "$(touch /tmp/owned)",
  "",
])) {
  test(`an authorization endpoint of ${JSON.stringify(address)} is not opened`, async () => {
    const server = await startProtected({ server: { authorization_endpoint: address } });
    const bridge = new AuthorizedBridge(server.url);
    const { error } = await bridge.initialize();
    expect(error.message).toContain("the authorization endpoint that the server names cannot be used");
    expect(error.message).toContain("codemie follows only https: addresses");
    expect(bridge.opened()).toEqual([]);
    expect(bridge.err).not.toContain("open this address");
    await bridge.finish();
    await server.close();
  });
}

test("an address of 500 KB, made of the scopes that the server names, is neither shown nor opened", async () => {
  const server = await startProtected();
  server.settings.resource = { scopes_supported: Array.from({ length: 500 }, (_, i) => `${i}${"s".repeat(1_000)}`) };
  const bridge = new AuthorizedBridge(server.url, ["--client-id", "mine"]);
  const { error } = await bridge.initialize();
  expect(error?.message).toContain("would have more than 16384 characters");
  expect(bridge.err.length).toBeLessThan(2_000);
  expect(bridge.opened()).toEqual([]);
  await bridge.finish();
  await server.close();
});

test("shell metacharacters in the address reach the browser as one argument and start nothing", async () => {
  const server = await startProtected();
  const owned = `/tmp/codemie-owned-${process.pid}`;
  server.settings.server = {
    authorization_endpoint: `${server.issuer}/authorize?x=$(touch ${owned})&y=\`touch ${owned}\`;touch ${owned}|"'`,
  };
  const bridge = new AuthorizedBridge(server.url);
  expect((await bridge.initialize()).result).toBeDefined();
  const [opened] = bridge.opened();
  expect(opened?.length).toBe(1);
  expect(bridge.authorizing()[0]?.searchParams.get("x")).toBe(`$(touch ${owned})`);
  expect(await Bun.file(owned).exists()).toBe(false);
  await bridge.finish();
  await server.close();
});

test("a server on the network cannot send the browser to what listens on this machine", async () => {
  const { authorizeByCode } = await import("../../src/mcp/oauth/code-flow.ts");
  const { OAuthHttp } = await import("../../src/oauth/http.ts");
  const { addressesNamedBy } = await import("../../src/oauth/addresses.ts");
  const never = () => Promise.reject(new Error("nothing is sent"));
  const rule = addressesNamedBy(new URL("https://mcp.example.com/mcp"), false);
  const http = new OAuthHttp({ fetch: never, rule });
  for (const authorization_endpoint of ["http://localhost:8080/do", "https://127.0.0.1/do", "http://[::1]/do"]) {
    const server = { issuer: "https://login.example.com", token_endpoint: "https://login.example.com/token" };
    const deployment = {
      resource: undefined,
      scopes: undefined,
      guessed: false,
      server: { ...server, authorization_endpoint },
    };
    const flow = { deployment, http, trace: () => undefined } as unknown as Parameters<typeof authorizeByCode>[0];
    await expect(authorizeByCode(flow, () => undefined)).rejects.toThrow("the authorization endpoint");
  }
});
