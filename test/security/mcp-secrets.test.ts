import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { Person } from "../support/codemie.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";

/** Threat: a token, a code, a verifier, a cookie, a client's secret or a message ends in a file or on a screen. */

test("after a whole life with MCP_PROXY_DEBUG=true no secret and no body is anywhere, and the log is 0600", async () => {
  const server = await startProtected({
    server: { token_endpoint_auth_methods_supported: ["client_secret_post"] },
    answer: (seen, response) => {
      if (seen.path === "/token") response.setHeader("set-cookie", "as=cookie-of-the-login-server; Path=/");
    },
    guard: (_message, _scope, response) => {
      response.setHeader("set-cookie", "sticky=cookie-of-the-server; Path=/; HttpOnly");
      return false;
    },
  });
  const flags = ["--client-id", "mine", "--client-secret-env", "MINE", "--header", "X-Key: header-secret"];
  const bridge = new AuthorizedBridge(`${server.url}?key=query-secret`, flags, {
    MINE: "secret-of-the-client",
    MCP_PROXY_DEBUG: "true",
  });
  await bridge.initialize();
  await bridge.call("tools/call", { argument: "body-of-a-request" });
  server.live.clear();
  await bridge.call("again"); // a refresh
  expect(await bridge.end()).toBe(0);

  const secrets = [
    ...server.secrets,
    ...["secret-of-the-client", "cookie-of-the-login-server", "cookie-of-the-server", "header-secret", "query-secret"],
    ...["body-of-a-request", "serverInfo"],
  ];
  for (const kind of ["access-", "refresh-", "code-"]) expect(secrets.some((one) => one.startsWith(kind))).toBe(true);
  const { codemieHome } = bridge.person;
  const files = [...new Glob("**/*").scanSync({ cwd: codemieHome, onlyFiles: true, dot: true })];
  expect(files).toContain("logs/mcp-proxy.log");
  expect(files).toContain("audit/audit-000001.jsonl");
  for (const file of files) {
    const text = await Bun.file(join(codemieHome, file)).text();
    for (const secret of secrets) expect([file, secret, text.includes(secret)]).toEqual([file, secret, false]);
  }
  const log = bridge.log();
  expect(log).toContain("client → tools/call");
  expect(log).toContain("POST ");
  for (const secret of secrets) {
    expect([secret, log.includes(secret)]).toEqual([secret, false]);
    expect([secret, bridge.err.includes(secret)]).toEqual([secret, false]);
  }
  for (const path of ["logs", "logs/mcp-proxy.log"]) {
    expect(statSync(join(codemieHome, path)).mode & 0o077).toBe(0);
  }
  bridge.person.remove();
  await server.close();
});

test("what a server says in its errors reaches the client, and not the log", async () => {
  const server = await startProtected({
    guard: (message, _scope, response) => {
      if (message.method !== "bad") return false;
      response.writeHead(500, { "content-type": "application/json" }).end('{"message":"words-of-the-server"}');
      return true;
    },
  });
  const bridge = new AuthorizedBridge(server.url, [], { MCP_PROXY_DEBUG: "true" });
  await bridge.initialize();
  expect((await bridge.call("bad")).error.message).toContain("words-of-the-server");
  server.live.clear();
  server.settings.answer = (seen, response) => {
    if (seen.path !== "/token") return;
    response.writeHead(400).end('{"error":"code-echoed","error_description":"words-of-the-login"}');
  };
  expect((await bridge.call("x")).error.message).toContain("words-of-the-login");
  await bridge.end();
  for (const words of ["words-of-the", "code-echoed"]) {
    expect(bridge.log()).not.toContain(words);
    expect(bridge.err).not.toContain(words);
  }
  bridge.person.remove();
  await server.close();
});

test("the token goes to the server's own origin and nowhere else", async () => {
  const other = await startProtected();
  const server = await startProtected({
    guard: (message, _scope, response) => {
      if (message.method !== "away") return false;
      response.writeHead(307, { location: other.url }).end();
      return true;
    },
  });
  const bridge = new AuthorizedBridge(server.url);
  await bridge.initialize();
  expect((await bridge.call("away")).error.message).toContain("which is not followed");
  expect(other.record).toEqual([]);
  await bridge.finish();
  await server.close();
  await other.close();
});

test("the log is rotated, and what was put aside is kept", async () => {
  const server = await startProtected();
  const first = new AuthorizedBridge(server.url);
  await first.initialize();
  await first.end();
  const file = join(first.person.codemieHome, "logs/mcp-proxy.log");
  await Bun.write(file, "x".repeat(1_000_001));
  for (let run = 0; run < 2; run++) {
    const next = new AuthorizedBridge(server.url, [], {}, first.person);
    await next.initialize();
    await next.end();
  }
  expect(statSync(file).size).toBeLessThan(10_000);
  expect(statSync(`${file}.1`).size).toBe(1_000_001);
  expect(statSync(file).mode & 0o077).toBe(0);
  first.person.remove();
  await server.close();
});

test("the browser is started without the secrets the bridge was given", async () => {
  const server = await startProtected({ server: { token_endpoint_auth_methods_supported: ["client_secret_post"] } });
  const flags = ["--client-id", "mine", "--client-secret-env", "MINE", "--header-env", "X-Key: Key HEADER"];
  const person = new Person();
  const file = join(person.root, "environment");
  const secrets = { MINE: "secret-of-the-client", HEADER: "secret-of-the-header", CODEMIE_API_KEY: "secret-of-ours" };
  const bridge = new AuthorizedBridge(server.url, flags, { ...secrets, BROWSER_ENV: file }, person);
  expect((await bridge.initialize()).result).toBeDefined();
  const had = await Bun.file(file).json();
  expect(had.HOME).toBe(person.home);
  expect(JSON.stringify(had)).not.toContain("secret-of");
  await bridge.finish();
  await server.close();
});
