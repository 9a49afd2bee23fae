import { expect, test } from "bun:test";
import { AuthorizedBridge, type Settings, startProtected } from "../support/mcp/protected.ts";
import { startScripted } from "../support/mcp/scripted.ts";

/** Threat: a server, or the runtime, puts a secret into words that the log keeps; or the address itself is the secret. */

const words = "words-of-the-server";

for (const [what, changes, flags] of [
  ["the challenge's address of metadata", { challenge: `resource_metadata="ftp://${words}", ` }, []],
  ["the resource", { resource: { resource: `https://x.example.com/${words} ${words}` } }, []],
  ["an authorization server", { resource: { authorization_servers: [`ftp://${words} ${words}`] } }, []],
  ["an issuer", { server: { issuer: `https://x.example.com/${words}` } }, []],
  ["an issuer that is no address", { server: { issuer: `${words}: ${words}` } }, []],
  ["another issuer than named", {}, ["--issuer", `https://x.example.com/${words}`]],
  ["an endpoint", { server: { token_endpoint: `ftp://x/${words}` } }, []],
  ["the list of methods", { server: { code_challenge_methods_supported: [words] } }, []],
  ["the code of a refusal", { callback: { error: words, error_description: words, code: undefined } }, []],
  ["a scope", { guard: scopeOf(words) }, []],
  [
    "a redirect",
    {
      guard: (_message, _scope, response) => {
        response.writeHead(307, { location: `https://x.example.com/${words}` }).end();
        return true;
      },
    },
    [],
  ],
  [
    "a type",
    {
      guard: (_message, _scope, response) => {
        response.writeHead(200, { "content-type": `text/${words}` }).end(words);
        return true;
      },
    },
    [],
  ],
] as [string, Partial<Settings>, string[]][]) {
  test(`the server's words in ${what} are not in the log`, async () => {
    const server = await startProtected(changes);
    const bridge = new AuthorizedBridge(server.url, flags, { MCP_PROXY_DEBUG: "true" });
    const { error, result } = await bridge.initialize();
    // A challenge's address is only one of the places to look.
    expect(error?.message ?? result.serverInfo.name).toBeString();
    await bridge.end();
    expect(bridge.log()).toContain(error ? "initialize: " : "authorized");
    // The address to open has to be there, and it names the scopes.
    expect(bridge.log().replaceAll(/ opening: .*/g, "")).not.toContain(words);
    bridge.person.remove();
    await server.close();
  });
}

function scopeOf(scope: string): Settings["guard"] {
  return (_message, _scope, response) => {
    response.writeHead(403, { "www-authenticate": `Bearer error="insufficient_scope", scope="${scope}"` }).end();
    return true;
  };
}

test("the path and query of an address are in no line of the log, whoever wrote it", async () => {
  const server = await startScripted();
  const url = `${server.origin}/s/key-in-the-path/mcp?api_key=key-in-the-query`;
  const bridge = new AuthorizedBridge(url, [], { MCP_PROXY_DEBUG: "true" });
  expect((await bridge.initialize()).result).toBeDefined();
  await bridge.end();
  expect(bridge.log()).toContain(`to ${server.origin}`);
  expect(bridge.log()).toContain(`POST ${server.origin} → 200`);
  expect(bridge.log()).not.toContain("key-in-the");
  bridge.person.remove();
  await server.close();
});

test("the address to open is in the log as a whole, however long it is", async () => {
  const server = await startProtected();
  server.settings.server = { authorization_endpoint: `${server.issuer}/authorize?long=${"x".repeat(6_000)}` };
  const bridge = new AuthorizedBridge(server.url);
  expect((await bridge.initialize()).result).toBeDefined();
  await bridge.end();
  expect(bridge.log()).toContain(`opening: ${bridge.authorizing()[0]?.href}\n`);
  bridge.person.remove();
  await server.close();
});

test("what the runtime says of an error stays out: it may hold an address", async () => {
  const { loggable } = await import("../../src/mcp/log.ts");
  const { asCodemieError } = await import("../../src/core/errors.ts");
  const error = Object.assign(new Error("ZlibError fetching http://h/?key=secret"), { code: "ZlibError" });
  expect(loggable(error)).toBe("unexpected: ZlibError");
  expect(loggable(asCodemieError(error))).toBe("unexpected: ZlibError");
});
