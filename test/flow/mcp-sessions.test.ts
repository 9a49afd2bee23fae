import { expect, onTestFinished, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { codemieMcpProxy, Person } from "../support/codemie.ts";
import { initializeParams, type RawBridge, type Rpc } from "../support/mcp/bridge.ts";
import { openStream, type Script, startScripted } from "../support/mcp/scripted.ts";
import { scriptedBridge } from "../support/mcp/scripted-bridge.ts";
import { goesOn } from "../support/processes.ts";
import { sendJson } from "../support/sandbox/http.ts";
import { ciTest } from "../support/tiers.ts";

/** Sessions that are lost, streams that break, and the end of it all. */

const event = (id: string, message?: Rpc) => `id: ${id}\ndata: ${message ? JSON.stringify(message) : ""}\n\n`;

test("a forgotten session (404): the client's initialize is replayed as it was, and the refused calls sent again", async () => {
  let forgotten = "";
  const { server, bridge } = await scriptedBridge((seen, message, response) => {
    if (message?.method === "initialize") return;
    if (seen.headers["mcp-session-id"] === forgotten) response.writeHead(404).end();
  });
  await bridge.initialize();
  await bridge.call("before");
  forgotten = "session-1";
  bridge.send({ jsonrpc: "2.0", id: 501, method: "one", params: {} });
  bridge.send({ jsonrpc: "2.0", id: 502, method: "two", params: {} });
  expect((await bridge.answer(501)).result).toBeDefined();
  expect((await bridge.answer(502)).result).toBeDefined();
  const opened = server.record.filter(({ body }) => body.includes('"initialize"'));
  expect(opened.length).toBe(2);
  expect(opened[1]?.body).toBe(opened[0]?.body ?? "");
  expect(opened[1]?.headers["mcp-session-id"]).toBeUndefined();
  expect(server.methods().filter((method) => method === "notifications/initialized").length).toBe(2);
  // The client saw one answer to its initialize.
  expect(bridge.messages().filter(({ id }: Rpc) => id === 1).length).toBe(1);
});

const unknown = (id: unknown, code: number, message: string) => ({ jsonrpc: "2.0", id, error: { code, message } });

for (const [what, refuse] of [
  [
    "401 without a challenge",
    (_: Rpc, response: ServerResponse) => response.writeHead(401).end("Unauthorized: Session not found"),
  ],
  ["401 without a challenge and without words", (_: Rpc, response: ServerResponse) => response.writeHead(401).end()],
  ["410", (_: Rpc, response: ServerResponse) => response.writeHead(410).end()],
  [
    "200 with an error",
    ({ id }: Rpc, response: ServerResponse) => sendJson(response, 200, unknown(id, -32001, "Session not found")),
  ],
  [
    "200 with an error that names no request",
    (_: Rpc, response: ServerResponse) =>
      sendJson(response, 200, unknown(null, -32600, "Bad Request: No valid session ID provided")),
  ],
  [
    "an error on a stream",
    ({ id }: Rpc, response: ServerResponse) => {
      openStream(response);
      response.end(`data: ${JSON.stringify(unknown(id, -32000, "Invalid session"))}\n\n`);
    },
  ],
] as const) {
  test(`a forgotten session (${what}): one new session, no login, and the call is answered`, async () => {
    let forgotten = "";
    const { server, bridge } = await scriptedBridge((seen, message, response) => {
      if (message?.method === "initialize" || seen.headers["mcp-session-id"] !== forgotten) return;
      refuse(message, response);
    });
    await bridge.initialize();
    forgotten = "session-1";
    expect((await bridge.call("call")).result).toBeDefined();
    expect(server.methods().filter((method) => method === "initialize").length).toBe(2);
    expect(server.record.filter(({ path }) => path !== "/mcp")).toEqual([]);
  });
}

test("a 401 without a challenge in the new session too is a demand for a token", async () => {
  const { server, bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method === "call") response.writeHead(401).end();
  });
  await bridge.initialize();
  expect((await bridge.call("call")).error).toBeDefined();
  expect(server.methods().filter((method) => method === "call").length).toBe(2);
  expect(server.record.some(({ path }) => path.startsWith("/.well-known/"))).toBe(true);
});

test("an error that says a second time that there is no such session is the call's answer", async () => {
  const { server, bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method === "call") sendJson(response, 200, unknown(message.id, -32001, "Session not found"));
  });
  await bridge.initialize();
  expect((await bridge.call("call")).error).toEqual({ code: -32001, message: "Session not found" });
  expect(server.methods().filter((method) => method === "call").length).toBe(2);
});

test("a tool that knows no such session of its own gives no reason to leave the server's", async () => {
  const { server, bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method === "call") sendJson(response, 200, unknown(message.id, -32602, "Session not found"));
  });
  await bridge.initialize();
  expect((await bridge.call("call")).error.code).toBe(-32602);
  expect(server.methods().filter((method) => method === "initialize").length).toBe(1);
});

test("a request taken with 202 is answered later, on the server's own stream", async () => {
  const own = Promise.withResolvers<ServerResponse>();
  const { bridge } = await scriptedBridge(async (seen, message, response) => {
    if (seen.method === "GET") {
      openStream(response);
      own.resolve(response);
    } else if (message?.method === "later") {
      const stream = await own.promise;
      response.writeHead(202).end();
      response.on("close", () => stream.write(event("1", { jsonrpc: "2.0", id: message.id, result: "late" })));
    }
  });
  await bridge.initialize();
  expect((await bridge.call("later")).result).toBe("late");
});

for (const [what, onStream] of [
  ["has no stream", undefined],
  ["ends its stream", (stream: ServerResponse) => void stream.end()],
] as const) {
  test(`a request taken with 202 by a server that ${what} is answered with an error`, async () => {
    const own = Promise.withResolvers<ServerResponse>();
    const { bridge } = await scriptedBridge(async (seen, message, response) => {
      if (seen.method === "GET" && onStream) {
        openStream(response);
        own.resolve(response);
      } else if (message?.method === "never") {
        response.writeHead(202).end();
        if (onStream) response.on("close", async () => onStream(await own.promise));
      }
    });
    await bridge.initialize();
    expect((await bridge.call("never")).error.message).toContain("it accepted a request without answering it");
  });
}

test("--timeout bounds the wait for an answer to a request taken with 202", async () => {
  const script: Script = (seen, message, response) => {
    if (seen.method === "GET") openStream(response);
    else if (message?.method === "never") response.writeHead(202).end();
  };
  const { bridge } = await scriptedBridge(script, ["--timeout", "1"]);
  await bridge.initialize();
  expect((await bridge.call("never")).error.message).toContain("sent nothing for 1 s");
});

for (const [transport, what] of [
  ["sse", "the opening of a stream"],
  ["http", "the answer to initialize"],
] as const) {
  test(`--timeout bounds the wait for ${what}`, async () => {
    const silent: Script = (_seen, _message, response) => new Promise((resolve) => response.on("close", resolve));
    const { bridge } = await scriptedBridge(silent, ["--timeout", "1", "--transport", transport]);
    expect((await bridge.initialize()).error.message).toContain("sent nothing for 1 s");
  });
}

test("a server that forgets every session: the call is answered with an error, not tried for ever", async () => {
  const { server, bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method === "call") response.writeHead(404).end();
  });
  await bridge.initialize();
  expect((await bridge.call("call")).error.message).toContain("forgot the session");
  expect(server.methods().filter((method) => method === "call").length).toBeLessThan(5);
});

test("a call whose connection breaks is answered with an error and never sent twice", async () => {
  const { server, bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method !== "pay") return;
    openStream(response);
    response.write(": taken\n\n");
    setTimeout(() => response.destroy(), 20);
  });
  await bridge.initialize();
  expect((await bridge.call("pay")).error.message).toContain("it is not known whether the request took effect");
  expect(server.methods().filter((method) => method === "pay").length).toBe(1);
});

test("a stream that breaks before its answer is taken up with Last-Event-ID, after the time the server asks for", async () => {
  let brokenAt = 0;
  let resumedAt = 0;
  let call = 0;
  const { server, bridge } = await scriptedBridge((seen, message, response) => {
    if (message?.method === "long") {
      call = message.id;
      openStream(response);
      response.write(`retry: 300\n${event("e-1", { jsonrpc: "2.0", method: "notifications/a" })}`);
      setTimeout(() => {
        brokenAt = performance.now();
        response.destroy();
      }, 20);
    } else if (seen.method === "GET" && seen.headers["last-event-id"] === "e-1") {
      resumedAt = performance.now();
      openStream(response);
      response.end(event("e-2", { jsonrpc: "2.0", id: call, result: "after all" }));
    }
  });
  await bridge.initialize();
  expect((await bridge.call("long")).result).toBe("after all");
  expect(resumedAt - brokenAt).toBeGreaterThanOrEqual(295);
  expect(server.methods().filter((method) => method === "long").length).toBe(1);
  expect(bridge.messages().filter(({ method }: Rpc) => method === "notifications/a").length).toBe(1);
});

ciTest("the server's own stream is taken up where it broke", async () => {
  const ids: unknown[] = [];
  const { bridge } = await scriptedBridge((seen, _message, response) => {
    if (seen.method !== "GET") return;
    ids.push(seen.headers["last-event-id"]);
    openStream(response);
    const n = ids.length;
    response.write(`retry: 50\n${event(`n-${n}`, { jsonrpc: "2.0", method: `notifications/n${n}` })}`);
    if (n < 3) setTimeout(() => response.destroy(), 20);
  });
  await bridge.initialize();
  await bridge.until(() => bridge.messages().find(({ method }: Rpc) => method === "notifications/n3"));
  expect(ids).toEqual([undefined, "n-1", "n-2"]);
});

test("a session that is lost while nobody asks is opened again, for what the server says unasked", async () => {
  let streams = 0;
  const { server, bridge } = await scriptedBridge((seen, _message, response) => {
    if (seen.method !== "GET") return;
    streams++;
    if (streams === 2) return void response.writeHead(404).end();
    openStream(response);
    if (streams === 1) setTimeout(() => response.destroy(), 20);
    else response.write(event("x", { jsonrpc: "2.0", method: "notifications/back" }));
  });
  await bridge.initialize();
  await bridge.until(() => bridge.messages().find(({ method }: Rpc) => method === "notifications/back"));
  expect(server.methods().filter((method) => method === "initialize").length).toBe(2);
});

test("a 400 that answers the call and happens to speak of a session is that call's answer", async () => {
  const { server, bridge } = await scriptedBridge((_seen, message, response) => {
    const error = { code: -32602, message: "session_name is required" };
    if (message?.method === "bad") sendJson(response, 400, { jsonrpc: "2.0", id: message.id, error });
  });
  await bridge.initialize();
  expect((await bridge.call("bad")).error).toEqual({ code: -32602, message: "session_name is required" });
  expect(server.methods()).toEqual(["initialize", "notifications/initialized", "bad"]);
});

test("a server that refuses to open the session again says why", async () => {
  let opened = 0;
  const { bridge } = await scriptedBridge((_seen, message, response) => {
    const error = { code: -32001, message: "license expired" };
    if (message?.method === "initialize" && ++opened > 1) {
      sendJson(response, 200, { jsonrpc: "2.0", id: message.id, error });
    } else if (message?.method === "call") response.writeHead(404).end();
  });
  await bridge.initialize();
  expect((await bridge.call("call")).error.message).toContain("refuses to open the session again: license expired");
});

test("a second initialize of the client ends the session of the first", async () => {
  const { server, bridge } = await scriptedBridge();
  await bridge.initialize();
  await bridge.initialize();
  await bridge.call("after");
  const ended = server.record.filter(({ method }) => method === "DELETE");
  expect(ended.map(({ headers }) => headers["mcp-session-id"])).toEqual(["session-1"]);
});

ciTest("the server's own stream is asked for again after 502 and 503", async () => {
  const refusals = [502, 503];
  const { bridge } = await scriptedBridge((seen, _message, response) => {
    if (seen.method !== "GET") return;
    const status = refusals.shift();
    if (status !== undefined) return void response.writeHead(status).end();
    openStream(response);
    response.write(event("b", { jsonrpc: "2.0", method: "notifications/back" }));
  });
  await bridge.initialize();
  await bridge.until(() => bridge.messages().find(({ method }: Rpc) => method === "notifications/back"));
});

test("the older transport: a late 404 of the old session leaves the new one alone", async () => {
  const streams: ServerResponse[] = [];
  const late = Promise.withResolvers<ServerResponse>();
  const reopened = Promise.withResolvers<void>();
  const script: Script = async (seen, message, response) => {
    if (seen.method === "GET") {
      openStream(response);
      response.write(`event: endpoint\ndata: /mcp?n=${streams.push(response)}\n\n`);
      if (streams.length === 2) reopened.resolve();
      return;
    }
    if (message?.method === "late" && seen.query.get("n") === "1") {
      late.resolve(response);
      return await new Promise((resolve) => response.on("close", resolve));
    }
    response.writeHead(202).end();
    if (message?.id === undefined) return;
    const answer = { jsonrpc: "2.0", id: message.id, result: { n: seen.query.get("n") } };
    streams.at(-1)?.write(`data: ${JSON.stringify(answer)}\n\n`);
  };
  const { bridge } = await scriptedBridge(script, ["--transport", "sse"]);
  await bridge.initialize();
  bridge.send({ jsonrpc: "2.0", id: 900, method: "late" });
  const held = await late.promise;
  streams[0]?.end();
  await reopened.promise;
  expect((await bridge.call("between")).result).toEqual({ n: "2" });
  held.writeHead(404).end();
  expect((await bridge.answer(900)).result).toEqual({ n: "2" });
  expect(streams.length).toBe(2);
});

test("a protocol version and an event id that would break a header are not sent back", async () => {
  const { server, bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method === "initialize") {
      response.writeHead(200, { "content-type": "application/json" });
      const result = { protocolVersion: "1\r\nx-evil: 1", capabilities: {}, serverInfo: {} };
      response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
    } else if (message?.method === "odd") {
      openStream(response);
      response.end(event("é\u2028", { jsonrpc: "2.0", method: "notifications/odd" }));
    }
  });
  await bridge.initialize();
  expect((await bridge.call("next")).result).toBeDefined();
  expect((await bridge.call("odd")).error.message).toContain("ended before the answer came");
  for (const { headers } of server.record) expect(headers["x-evil"] ?? headers["mcp-protocol-version"]).toBeUndefined();
});

test("an answer the client no longer wants is not made up", async () => {
  const { bridge } = await scriptedBridge((_seen, message, response) =>
    message?.method === "hang" ? new Promise((resolve) => response.on("close", resolve)) : undefined,
  );
  await bridge.initialize();
  bridge.send({ jsonrpc: "2.0", id: 900, method: "hang" });
  bridge.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 900 } });
  await bridge.call("after");
  await bridge.end();
  expect(bridge.messages().some(({ id }: Rpc) => id === 900)).toBe(false);
});

test("at the end of input answers under way still come, the session is ended with DELETE, and it exits 0", async () => {
  const { server, bridge } = await scriptedBridge(async (_seen, message) => {
    if (message?.method === "slow") await Bun.sleep(300);
  });
  await bridge.initialize();
  bridge.send({ jsonrpc: "2.0", id: 600, method: "slow" });
  const started = performance.now();
  expect(await bridge.end()).toBe(0);
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(bridge.messages().find(({ id }: Rpc) => id === 600).result).toBeDefined();
  const last = server.record.at(-1);
  expect([last?.method, last?.headers["mcp-session-id"]]).toEqual(["DELETE", "session-1"]);
});

for (const [what, stop] of [
  ["end of input", (bridge: RawBridge) => void bridge.child.stdin.end()],
  ["SIGTERM", (bridge: RawBridge) => bridge.child.kill("SIGTERM")],
  ["SIGINT", (bridge: RawBridge) => bridge.child.kill("SIGINT")],
] as const) {
  test(`${what}: it exits within 2 s though the server answers nothing any more`, async () => {
    let silent = false;
    const { bridge } = await scriptedBridge((_seen, _message, response) =>
      silent ? new Promise((resolve) => response.on("close", resolve)) : undefined,
    );
    await bridge.initialize();
    await bridge.call("ready");
    silent = true;
    bridge.send({ jsonrpc: "2.0", id: 700, method: "hang" });
    const started = performance.now();
    stop(bridge);
    const code = await bridge.exited();
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(code).toBe(what === "end of input" ? 0 : what === "SIGTERM" ? 143 : 130);
  });
}

test("when its parent dies it ends, though standard input stays open", async () => {
  const server = await startScripted();
  const person = new Person();
  onTestFinished(async () => {
    await server.close();
    person.remove();
  });
  const fifo = `${person.root}/fifo`;
  Bun.spawnSync(["mkfifo", fifo]);
  const line = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: initializeParams });
  // The shell starts the bridge in the background and ends when told; another process keeps the pipe open.
  const script = `exec 3<>'${fifo}'; sleep 30 >&3 2>/dev/null & echo $! >&2; "$0" "$1" <'${fifo}' 2>/dev/null & echo $! >&2; echo '${line}' >&3; read -r _`;
  const shell = Bun.spawn(["bash", "-c", script, codemieMcpProxy, server.url], {
    env: person.env,
    stdio: ["pipe", "ignore", "pipe"],
  });
  while (server.methods().length === 0) await Bun.sleep(10);
  shell.stdin.end();
  await shell.exited;
  const [sleeper, pid] = (await new Response(shell.stderr).text().catch(() => "")).trim().split("\n").map(Number);
  expect(server.methods()).toEqual(["initialize"]);
  while (goesOn(pid ?? 0)) await Bun.sleep(20);
  process.kill(sleeper ?? 0);
});
