import { expect, onTestFinished, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { logInAs } from "../support/browser.ts";
import { Person } from "../support/codemie.ts";
import { RawBridge } from "../support/mcp/bridge.ts";
import { connectClient } from "../support/mcp/client.ts";
import { freePort } from "../support/mcp/everything.ts";
import { startBehindOidc } from "../support/mcp/oidc.ts";
import { AuthorizedBridge, scriptedBrowser, startProtected } from "../support/mcp/protected.ts";
import { initializeResult, openStream, startScripted } from "../support/mcp/scripted.ts";
import { sharedBrowser } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

const browser = await sharedBrowser();

/** The address the bridge asks to open. */
const address = (bridge: RawBridge) => bridge.until(() => /https?:\/\/\S+\/auth\?\S+/.exec(bridge.err)?.[0]);

ciTest(
  "oidc-provider and a real browser: registration, consent, rotation in mid-session, and nothing left at the end",
  async () => {
    let seconds = 3600;
    const server = await startBehindOidc(() => seconds);
    const person = new Person();
    const bridge = new RawBridge(person, [server.url]);
    seconds = 6; // long enough for a slow machine to use a token that it just got
    const initialized = bridge.initialize();
    const context = await browser.newContext();
    const page = await logInAs(context, await address(bridge), "ada");
    await page.waitForSelector("text=Access granted");
    expect(page.url()).not.toContain("code=");
    expect((await initialized).result).toBeDefined();
    expect((await bridge.call("who")).result).toEqual({ scope: "tools", who: "ada" });
    // Both before and after its end a token is renewed without a person; each refresh token works once.
    for (const ms of [5_300, 6_500]) {
      await Bun.sleep(ms);
      expect((await bridge.call("who")).result.who).toBe("ada");
    }
    expect(server.requests.filter((line) => line === "POST /token 200").length).toBeGreaterThanOrEqual(3);
    expect(server.requests.filter((line) => line.startsWith("POST /token 4"))).toEqual([]);
    expect(await bridge.end()).toBe(0);
    expect(server.requests.filter((line) => line === "POST /token/revocation 200").length).toBe(2);
    expect(server.requests.some((line) => /^DELETE \/reg\/\S+ 204$/.test(line))).toBe(true);
    await context.close();
    await server.close();
    person.remove();
  },
);

test("the SDK's example server with OAuth", async () => {
  const [port, authPort] = [await freePort(), await freePort()];
  const example = join(
    import.meta.dir,
    "../../node_modules/@modelcontextprotocol/sdk/dist/esm/examples/server/simpleStreamableHttp.js",
  );
  const child = Bun.spawn(["node", example, "--oauth"], {
    env: { PATH: process.env.PATH ?? "", MCP_PORT: String(port), MCP_AUTH_PORT: String(authPort) },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const listening = Promise.withResolvers<void>();
  void (async () => {
    // Read on to the end: a server whose output nobody takes would die of it.
    for await (const chunk of child.stdout)
      if (new TextDecoder().decode(chunk).includes("listening")) listening.resolve();
  })();
  await listening.promise;
  const person = new Person();
  const env = { CODEMIE_BROWSER: scriptedBrowser };
  const { client } = await connectClient(person, [`http://localhost:${port}/mcp`], { env });
  expect((await client.listTools()).tools.map(({ name }) => name)).toContain("greet");
  const { content } = await client.callTool({ name: "greet", arguments: { name: "Ada" } });
  expect(JSON.stringify(content)).toContain("Hello, Ada");
  await client.close();
  child.kill("SIGKILL");
  await child.exited;
  person.remove();
});

test("a 403 insufficient_scope: the union of scopes is asked for, and the same request sent again", async () => {
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
  expect((await bridge.call("read")).result).toEqual({ scope: "read" });
  expect((await bridge.call("write")).result).toEqual({ scope: "read write" });
  expect((await bridge.call("read")).result).toEqual({ scope: "read write" });
  expect(bridge.opened().length).toBe(2);
  await bridge.finish();
  await server.close();
});

test("a login over the older transport, and a renewal in mid-session", async () => {
  const server = await startProtected();
  let stream: ServerResponse | undefined;
  const older = await startScripted((seen, message, response) => {
    const token = String(seen.headers.authorization ?? "").replace("Bearer ", "");
    if (!server.live.has(token)) {
      const where = `resource_metadata="${server.origin}/.well-known/oauth-protected-resource/mcp"`;
      return void response.writeHead(401, { "www-authenticate": `Bearer ${where}` }).end();
    }
    if (seen.method === "GET") {
      stream = response;
      openStream(response);
      return void response.write("event: endpoint\ndata: /messages?session=1\n\n");
    }
    response.writeHead(202).end();
    const result = message.method === "initialize" ? initializeResult : { path: seen.target };
    if (message.id !== undefined) {
      stream?.write(`event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result })}\n\n`);
    }
  });
  const flags = ["--transport", "sse", "--resource", server.url];
  const bridge = new AuthorizedBridge(older.url, flags);
  expect((await bridge.initialize()).result).toBeDefined();
  server.live.clear();
  expect((await bridge.call("x")).result).toEqual({ path: "/messages?session=1" });
  expect(bridge.opened().length).toBe(1);
  await bridge.finish();
  await older.close();
  await server.close();
});

test("the flags: --scope, --resource, --no-resource, --callback-port, MCP_CLIENT_NAME", async () => {
  const server = await startProtected({ challenge: 'scope="theirs", ' });
  const port = await freePort();
  const flags = ["--scope", "mine too", "--resource", "https://other.example.com/mcp", "--callback-port", String(port)];
  const bridge = new AuthorizedBridge(server.url, flags, { MCP_CLIENT_NAME: "My Editor" });
  expect((await bridge.initialize()).result).toBeDefined();
  const asked = server.calls("/authorize")[0]?.query;
  expect(asked?.get("scope")).toBe("mine too");
  expect(asked?.get("resource")).toBe("https://other.example.com/mcp");
  expect(asked?.get("redirect_uri")).toBe(`http://localhost:${port}/callback`);
  expect(JSON.parse(server.calls("/register")[0]?.body ?? "")).toMatchObject({
    client_name: "My Editor",
    redirect_uris: [`http://localhost:${port}/callback`],
    token_endpoint_auth_method: "none",
  });
  await bridge.finish();

  const without = new AuthorizedBridge(server.url, ["--no-resource"]);
  expect((await without.initialize()).result).toBeDefined();
  expect(server.calls("/authorize")[1]?.query.has("resource")).toBe(false);
  expect(server.calls("/token").at(-1)?.body).not.toContain("resource");
  expect(JSON.parse(server.calls("/register")[1]?.body ?? "").client_name).toBe("CodeMie CLI");
  await without.finish();
  await server.close();
});

for (const [host, name] of cases([
  ["127.0.0.1", "127.0.0.1"],
  ["::1", "[::1]"],
] as const)) {
  test(`--callback-host ${host}: registered and asked for, and the browser comes back there`, async () => {
    const server = await startProtected();
    const port = await freePort();
    const bridge = new AuthorizedBridge(server.url, ["--callback-host", host, "--callback-port", String(port)]);
    expect((await bridge.initialize()).result).toBeDefined();
    const redirect = `http://${name}:${port}/callback`;
    expect(server.calls("/authorize")[0]?.query.get("redirect_uri")).toBe(redirect);
    expect(JSON.parse(server.calls("/register")[0]?.body ?? "").redirect_uris).toEqual([redirect]);
    await bridge.finish();
    await server.close();
  });
}

test("a callback port that is taken is said", async () => {
  const server = await startProtected();
  const port = Number(new URL(server.url).port);
  const bridge = new AuthorizedBridge(server.url, ["--callback-port", String(port)]);
  expect((await bridge.initialize()).error.message).toContain(`port ${port} is in use`);
  await bridge.finish();
  await server.close();
});

test("a job in CI has nobody who logs in: the error comes at once, and names what needs no person", async () => {
  const server = await startProtected();
  onTestFinished(() => server.close());
  const bridge = new RawBridge(new Person(), [server.url], { env: { CI: "true", CODEMIE_BROWSER: "" } });
  const { error } = await bridge.initialize();
  expect(error.data.code).toBe("auth_needed");
  expect(error.message).toContain("needs a login, and nobody can log in here: a job in CI has no browser; give");
  expect(error.message).toContain("--grant client-credentials");
  expect(await bridge.end()).toBe(0);
  bridge.person.remove();
});

test("nothing is opened, and nobody is asked for metadata, before the server demands a token", async () => {
  const server = await startProtected();
  server.live.set("given", "");
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the bridge fills it in
  const bridge = new AuthorizedBridge(server.url, ["--header", "Authorization: Bearer ${TOKEN}"], { TOKEN: "given" });
  expect((await bridge.initialize()).result).toBeDefined();
  server.live.clear();
  const { error } = await bridge.call("x");
  expect(error.message).toContain("answered 401 to the Authorization header given with --header");
  expect(bridge.opened()).toEqual([]);
  expect(server.serverRecord).toEqual([]);
  await bridge.finish();
  await server.close();
});

test("other requests wait for an authorization under way, and an end of input does not", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url, [], { BROWSER_STAYS: "1" });
  bridge.send({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} });
  const url = await bridge.until(() => /http:\/\/\S+\/authorize\?\S+/.exec(bridge.err)?.[0]);
  bridge.send({ jsonrpc: "2.0", id: 2, method: "waits" });
  // The log has the address while the wait goes on.
  while (!bridge.log().includes(url)) await Bun.sleep(5);
  const started = performance.now();
  expect(await bridge.end()).toBe(0);
  expect(performance.now() - started).toBeLessThan(2_000);
  for (const id of [1, 2]) expect(bridge.messages().find((message) => message.id === id).error).toBeDefined();
  bridge.person.remove();
  await server.close();
});

test("a server that takes a key and knows no login: the error names the flag for the key", async () => {
  const server = await startScripted((_seen, message, response) => {
    response.writeHead(message?.method === "initialize" ? 401 : 404).end();
  });
  const bridge = new AuthorizedBridge(server.url);
  const { error } = await bridge.initialize();
  expect(error.message).toContain("demands a credential and offers no login");
  expect(error.message).toContain("--header-env");
  expect(bridge.opened()).toEqual([]);
  await bridge.finish();
  await server.close();
});
