import { expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { openStream } from "../support/mcp/scripted.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: a server, or a person, makes the bridge open tab after tab. */

test("401 for ever: one tab, an error that helps, and no tab for the next requests either", async () => {
  const server = await startProtected({ takesNone: true });
  const bridge = new AuthorizedBridge(server.url);
  expect((await bridge.initialize()).error.message).toContain(
    "does not accept the access token that was issued for it",
  );
  for (let i = 0; i < 5; i++) expect((await bridge.call("again")).error.data.code).toBe("auth_refused");
  expect(bridge.opened().length).toBe(1);
  await bridge.finish();
  await server.close();
});

for (const [what, header] of cases(
  [
    ["for a scope that was granted", 'Bearer error="insufficient_scope", scope="a"'],
    ["for more and more scopes", ""],
    ["without a scope", 'Bearer error="insufficient_scope"'],
  ] as const,
  1,
)) {
  test(`403 for ever, ${what}: at most three tabs, and an error that helps`, async () => {
    let n = 0;
    const server = await startProtected({
      challenge: 'scope="a", ',
      guard: (message, _scope, response) => {
        if (message.method !== "denied") return false;
        const value = header || `Bearer error="insufficient_scope", scope="s${n++}"`;
        response.writeHead(403, { "www-authenticate": value }).end();
        return true;
      },
    });
    const bridge = new AuthorizedBridge(server.url);
    await bridge.initialize();
    const { error } = await bridge.call("denied");
    expect(error.data.code).toBe("auth_refused");
    expect(error.message).toMatch(/asking for it did not help|does not accept the access token/);
    expect(bridge.opened().length).toBeLessThanOrEqual(4);
    expect((await bridge.call("allowed")).result).toBeDefined();
    await bridge.finish();
    await server.close();
  });
}

test("a server that grants less than it demands is asked once", async () => {
  const server = await startProtected({
    challenge: 'scope="a", ',
    callback: {},
    answer: (seen, response) => {
      if (seen.path !== "/token") return;
      server.live.set("narrow", "a");
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ access_token: "narrow", token_type: "bearer", scope: "a" }));
    },
    guard: (message, _scope, response) => {
      if (message.method !== "write") return false;
      response.writeHead(403, { "www-authenticate": 'Bearer error="insufficient_scope", scope="b"' }).end();
      return true;
    },
  });
  const bridge = new AuthorizedBridge(server.url);
  await bridge.initialize();
  for (let i = 0; i < 3; i++) expect((await bridge.call("write")).error.message).toContain("the scope b");
  expect(bridge.opened().length).toBe(2);
  await bridge.finish();
  await server.close();
});

test("the person declines: an error at once, and no new tab for the requests that follow", async () => {
  const server = await startProtected({ callback: { code: undefined, error: "access_denied" } });
  const bridge = new AuthorizedBridge(server.url);
  const { error } = await bridge.initialize();
  expect(error.message).toContain("refused: access_denied; the authorization was declined");
  for (let i = 0; i < 5; i++) expect((await bridge.call("again")).error.message).toContain("access_denied");
  expect(bridge.opened().length).toBe(1);
  await bridge.finish();
  await server.close();
});

test("the person never answers: an error after --auth-timeout, and no new tab", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url, ["--auth-timeout", "1"], { BROWSER_STAYS: "1" });
  expect((await bridge.initialize()).error.message).toContain("nobody finished the authorization");
  expect((await bridge.call("again")).error.message).toContain("logs/mcp-proxy.log");
  expect(bridge.opened().length).toBe(1);
  await bridge.finish();
  await server.close();
});

ciTest("a session that is lost while nobody asks opens no tab; the next request opens one", async () => {
  const opened = Promise.withResolvers<ServerResponse>();
  const server = await startProtected({
    stream: (response) => {
      openStream(response);
      opened.resolve(response);
    },
  });
  const bridge = new AuthorizedBridge(server.url, [], { MCP_PROXY_DEBUG: "true" });
  await bridge.initialize();
  const stream = await opened.promise;
  // The server forgets session and tokens.
  server.forgetTokens();
  server.settings.stream = (response) => void response.writeHead(404).end();
  stream.end();
  await bridge.until(() => (bridge.err.includes("demands an authorization") ? true : undefined));
  expect(bridge.opened().length).toBe(1);
  expect((await bridge.call("again")).result).toBeDefined();
  expect(bridge.opened().length).toBe(2);
  await bridge.finish();
  await server.close();
});

test("many requests at once share one tab", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url);
  await bridge.initialize();
  server.forgetTokens();
  const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => bridge.call(`call/${i}`)));
  for (const answer of answers) expect(answer.result).toBeDefined();
  expect(bridge.opened().length).toBe(2);
  await bridge.finish();
  await server.close();
});

test("registration refused: an error that names the way out, and no tab", async () => {
  const server = await startProtected({
    answer: (seen, response) => {
      if (seen.path !== "/register") return;
      response
        .writeHead(403, { "content-type": "application/json" })
        .end('{"error":"access_denied","error_description":"closed"}');
    },
  });
  const bridge = new AuthorizedBridge(server.url);
  expect((await bridge.initialize()).error.message).toContain(
    "refused to register this client: 403 closed; register one",
  );
  expect(bridge.opened()).toEqual([]);
  await bridge.finish();
  await server.close();
});

test("no registration offered and no client named: an error that names the flag", async () => {
  const server = await startProtected({ server: { registration_endpoint: undefined } });
  const bridge = new AuthorizedBridge(server.url);
  expect((await bridge.initialize()).error.message).toContain("--client-id");
  await bridge.finish();
  await server.close();
});

/**
 * A server that pings its client over its stream, and treats each of the client's answers, which come by themselves, as it
 * likes.
 *
 * @param judge answers the client's answer to a ping; false: it is taken
 */
async function startPinging(pings: number, judge: (response: ServerResponse) => boolean, expiresIn = 3600) {
  const stream = Promise.withResolvers<ServerResponse>();
  const over = Promise.withResolvers<void>();
  let sent = 0;
  const ping = async () => {
    const message = { jsonrpc: "2.0", id: `ping ${++sent}`, method: "ping" };
    (await stream.promise).write(`data: ${JSON.stringify(message)}\n\n`);
  };
  const seen = new Set<string>();
  const server = await startProtected({
    expiresIn,
    stream: (response) => {
      openStream(response);
      stream.resolve(response);
    },
    guard: (message, _scope, response) => {
      if (message.method !== undefined || !String(message.id).startsWith("ping")) return false;
      const isFirst = !seen.has(message.id);
      seen.add(message.id);
      if (!isFirst || !judge(response)) response.writeHead(202).end();
      if (isFirst && sent < pings) void ping();
      else if (isFirst) over.resolve();
      return true;
    },
  });
  return { server, ping, over: over.promise };
}

for (const [status, header] of cases(
  [
    [401, "Bearer"],
    [403, 'Bearer error="insufficient_scope", scope="more"'],
  ] as const,
  1,
)) {
  test(`a server that pings, and demands an authorization (${status}) for each answer: no tab, for nobody asked`, async () => {
    const { server, ping, over } = await startPinging(20, (response) => {
      response.writeHead(status, { "www-authenticate": header }).end();
      return true;
    });
    const bridge = new AuthorizedBridge(server.url);
    await bridge.initialize();
    await ping();
    await answerPings(bridge, over);
    expect(bridge.opened().length).toBe(1);
    expect((await bridge.call("allowed")).result).toBeDefined();
    await bridge.finish();
    await server.close();
  });
}

/** Answers the server's pings, as every client does by itself, until the server has had all answers. */
async function answerPings(bridge: AuthorizedBridge, over: Promise<void>): Promise<void> {
  const answered = new Set<string>();
  const answers = bridge.until(() => {
    for (const { id, method } of bridge.messages()) {
      if (method !== "ping" || answered.has(id)) continue;
      answered.add(id);
      bridge.send({ jsonrpc: "2.0", id, result: {} });
    }
    return undefined;
  });
  await Promise.race([over, answers]);
  answers.catch(() => undefined); // it ends with the bridge
}

test("a server that pings, and gives tokens that end at once: they are not renewed with each answer", async () => {
  const { server, ping, over } = await startPinging(200, () => false, 0.001);
  const bridge = new AuthorizedBridge(server.url, ["--persist"]);
  await bridge.initialize();
  const begun = Date.now();
  await ping();
  await answerPings(bridge, over);
  const renewals = server.calls("/token").length - 1;
  expect(renewals).toBeLessThanOrEqual(1 + Math.floor((Date.now() - begun) / 10_000));
  await bridge.finish();
  await server.close();
});

test("a server that pings, and takes each token once: they are not renewed with each answer", async () => {
  const { server, ping, over } = await startPinging(100, (response) => {
    response.writeHead(401, { "www-authenticate": "Bearer" }).end();
    return true;
  });
  const bridge = new AuthorizedBridge(server.url, ["--persist"]);
  await bridge.initialize();
  const begun = Date.now();
  await ping();
  await answerPings(bridge, over);
  const renewals = server.calls("/token").length - 1;
  expect(renewals).toBeLessThanOrEqual(1 + Math.floor((Date.now() - begun) / 10_000));
  await bridge.finish();
  await server.close();
});

test("an authorization demanded with every request: no more than five tabs in a while, and an error that says so", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url);
  await bridge.initialize();
  const answers: { error?: { message: string } }[] = [];
  for (let i = 0; i < 8; i++) {
    server.forgetTokens();
    answers.push(await bridge.call(`call/${i}`));
  }
  expect(bridge.opened().length).toBe(5);
  expect(answers.map(({ error }) => error === undefined)).toEqual([...Array(4).fill(true), ...Array(4).fill(false)]);
  expect(answers.at(-1)?.error?.message).toContain("demanded 5 authorizations within 10 minutes");
  await bridge.finish();
  await server.close();
});
