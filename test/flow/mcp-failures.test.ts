import { expect, onTestFinished, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { freePort, startEverything } from "../support/mcp/everything.ts";
import { openStream, type Script, startScripted } from "../support/mcp/scripted.ts";
import { bridgeTo, scriptedBridge } from "../support/mcp/scripted-bridge.ts";
import { send, sendJson } from "../support/sandbox/http.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Whatever happens, every request gets an answer that says what to do, and the next one is tried. */

ciTest("a server that is down: an error within 10 s, and once it is up the next request works", async () => {
  const everything = await startEverything("streamableHttp");
  await everything.kill();
  const bridge = bridgeTo(everything.url);
  onTestFinished(() => everything.kill());
  const start = performance.now();
  const { error } = await bridge.initialize();
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(error.message).toMatch(/^codemie-mcp-proxy: cannot reach .*: connection refused; check the address/);
  expect(error.data.code).toBe("unreachable");
  await everything.start();
  // The client goes on as if nothing had been: its initialize is sent again for it.
  expect((await bridge.call("tools/list")).result.tools.length).toBeGreaterThan(0);
});

for (const [status, expected] of cases([
  [500, "answered 500; try again in a moment"],
  [502, "answered 502; try again in a moment"],
  [403, "answered 403; ask the server's administrator for access"],
  [429, "answered 429; the server asks for fewer requests"],
  [413, "answered 413; the message is longer than the server accepts"],
] as const)) {
  test(`${status} is answered with what to do, and the next request is sent`, async () => {
    const { bridge } = await scriptedBridge((_seen, message, response) => {
      if (message?.method === "bad") send(response, status, "<html>no</html>");
    });
    await bridge.initialize();
    expect((await bridge.call("bad")).error.message).toContain(expected);
    expect((await bridge.call("good", { a: 1 })).result).toEqual({ echo: { a: 1 } });
  });
}

test("the server's own JSON-RPC error passes as it is, whatever its status", async () => {
  const { bridge } = await scriptedBridge((_seen, message, response) => {
    const error = { code: -32042, message: "their words", data: [1] };
    if (message?.method === "bad") sendJson(response, 400, { jsonrpc: "2.0", id: message.id, error });
  });
  await bridge.initialize();
  expect((await bridge.call("bad")).error).toEqual({ code: -32042, message: "their words", data: [1] });
});

for (const [what, script] of [
  ["a page", (r) => send(r, 200, "<html>", { "content-type": "text/html" })],
  ["202 and nothing", (r) => void r.writeHead(202).end()],
  ["a stream that ends at once", (r) => void r.writeHead(200, { "content-type": "text/event-stream" }).end()],
  ["JSON that answers nothing", (r) => sendJson(r, 200, {})],
  ["text that is no JSON", (r) => send(r, 200, "{", { "content-type": "application/json" })],
  ["a connection that breaks", (r) => void r.destroy()],
  ["a redirect to another host", (r) => void r.writeHead(307, { location: "http://127.0.0.2:1/mcp" }).end()],
  ["a redirect that changes the method", (r) => void r.writeHead(302, { location: "/other" }).end()],
] as [string, (response: Parameters<Script>[2]) => void][]) {
  test(`${what} instead of an answer: an error, and the bridge stays up`, async () => {
    let calls = 0;
    const { bridge } = await scriptedBridge((_seen, message, response) => {
      if (message?.method === "bad") {
        calls++;
        script(response);
      }
    });
    await bridge.initialize();
    const { error } = await bridge.call("bad");
    expect(error.message).toStartWith("codemie-mcp-proxy: ");
    expect(error.message).toContain("; ");
    expect(calls).toBe(1); // never sent twice
    expect((await bridge.call("good")).result).toBeDefined();
  });
}

test("a redirect within the server's own origin that keeps the method is followed", async () => {
  const { server, bridge } = await scriptedBridge((seen, _message, response) => {
    if (seen.path === "/mcp") response.writeHead(307, { location: "/mcp/" }).end();
  });
  expect((await bridge.initialize()).result).toBeDefined();
  expect(server.record.some(({ path }) => path === "/mcp/")).toBe(true);
});

test("a server that goes silent: an error once --timeout is over", async () => {
  const { bridge } = await scriptedBridge(
    (_seen, message, response) =>
      message?.method === "hang" ? new Promise((resolve) => response.on("close", resolve)) : undefined,
    ["--timeout", "1"],
  );
  await bridge.initialize();
  expect((await bridge.call("hang")).error.message).toContain("sent nothing for 1 s; try again");
  expect((await bridge.call("good")).result).toBeDefined();
});

test("signs of life set the time limit back", async () => {
  const { bridge } = await scriptedBridge(
    async (_seen, message, response) => {
      if (message?.method !== "slow") return;
      openStream(response);
      for (let i = 0; i < 4; i++) {
        await Bun.sleep(400);
        response.write(": still here\n\n");
      }
      response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: "late" })}\n\n`);
    },
    ["--timeout", "1"],
  );
  await bridge.initialize();
  expect((await bridge.call("slow")).result).toBe("late");
});

test("a stream and a body that go silent midway: an error once --timeout is over", async () => {
  const { bridge } = await scriptedBridge(
    (_seen, message, response) => {
      if (message?.method !== "stream" && message?.method !== "body") return;
      if (message.method === "stream") openStream(response);
      else response.writeHead(200, { "content-type": "application/json" });
      response.write(message.method === "stream" ? ": here\n\n" : "{");
      return new Promise((resolve) => response.on("close", resolve));
    },
    ["--timeout", "1"],
  );
  await bridge.initialize();
  for (const method of ["stream", "body"]) {
    expect((await bridge.call(method)).error.message).toContain("sent nothing for 1 s; try again");
  }
});

test("a body that comes in drips sets the time limit back", async () => {
  const { bridge } = await scriptedBridge(
    async (_seen, message, response) => {
      if (message?.method !== "slow") return;
      response.writeHead(200, { "content-type": "application/json" });
      const text = JSON.stringify({ jsonrpc: "2.0", id: message.id, result: "late" });
      for (let from = 0; from < text.length; from += 10) {
        response.write(text.slice(from, from + 10));
        await Bun.sleep(400);
      }
      response.end();
    },
    ["--timeout", "1"],
  );
  await bridge.initialize();
  expect((await bridge.call("slow")).result).toBe("late");
});

test("the older transport: what comes on the stream sets the time limit back", async () => {
  let stream: ServerResponse | undefined;
  const { bridge } = await scriptedBridge(
    async (seen, message, response) => {
      if (seen.method === "GET") {
        openStream(response);
        response.write("event: endpoint\ndata: /mcp\n\n");
        stream = response;
        return;
      }
      response.writeHead(202).end();
      for (let i = 0; message?.method === "slow" && i < 4; i++) {
        await Bun.sleep(400);
        stream?.write(": still here\n\n");
      }
      const answer = { jsonrpc: "2.0", id: message?.id, result: "late" };
      if (message?.id !== undefined) stream?.write(`data: ${JSON.stringify(answer)}\n\n`);
    },
    ["--timeout", "1", "--transport", "sse"],
  );
  await bridge.initialize();
  expect((await bridge.call("slow")).result).toBe("late");
});

for (const [what, body] of [
  ["breaks off", (r) => void setTimeout(() => r.destroy(), 20)],
  ["cannot be unpacked", (r) => void r.end("this is no gzip")],
] as [string, (response: ServerResponse) => void][]) {
  test(`a JSON answer that ${what} is no defect of ours, and its address stays out of answer and log`, async () => {
    const server = await startScripted((_seen, message, response) => {
      if (message?.method !== "bad") return;
      const packed = what === "breaks off" ? {} : { "content-encoding": "gzip" };
      response.writeHead(200, { "content-type": "application/json", ...packed });
      response.write(what === "breaks off" ? '{"jsonrpc"' : "");
      body(response);
    });
    const bridge = bridgeTo(`${server.url}?api_key=query-secret`, [], { MCP_PROXY_DEBUG: "true" });
    onTestFinished(() => server.close());
    await bridge.initialize();
    const { error } = await bridge.call("bad");
    expect(error.message).toContain("ended before the answer came");
    await bridge.end();
    const log = readFileSync(join(bridge.person.codemieHome, "logs/mcp-proxy.log"), "utf8");
    expect(log).toContain("bad: the connection to");
    for (const text of [log, bridge.err, ...bridge.lines]) expect(text).not.toContain("query-secret");
  });
}

test("a connection that is reset as it is used: what only reads is asked again once, what may have had its effect is not", async () => {
  const arrived: unknown[] = [];
  let resets = 1;
  const server = await startScripted((seen, message, response) => {
    if (message?.id === undefined || message.method === "initialize") return;
    arrived.push(message.method);
    if (resets-- > 0) response.socket?.resetAndDestroy();
    else sendJson(response, 200, { jsonrpc: "2.0", id: message.id, result: { seen: seen.method } });
  });
  onTestFinished(() => server.close());
  const bridge = bridgeTo(server.url);
  await bridge.initialize();
  expect((await bridge.call("tools/list")).result).toEqual({ seen: "POST" });
  resets = 1;
  expect((await bridge.call("tools/call", { name: "pay" })).error.message).toContain(
    "not known whether the request took",
  );
  resets = 2;
  expect((await bridge.call("resources/read")).error.message).toContain("ended before the answer came");
  expect(arrived).toEqual(["tools/list", "tools/list", "tools/call", "resources/read", "resources/read"]);
});

test("a name that does not resolve and a certificate nobody vouches for are said", async () => {
  const nowhere = bridgeTo("https://does-not-exist.invalid/mcp");
  expect((await nowhere.initialize()).error.message).toContain("cannot reach https://does-not-exist.invalid");
  const refused = bridgeTo(`http://127.0.0.1:${await freePort()}/mcp`, ["--transport", "sse"]);
  expect((await refused.initialize()).error.message).toContain("connection refused");
});

ciTest("the older transport is tried on 400, 404 and 405 and on nothing else", async () => {
  for (const status of [400, 401, 403, 404, 405, 410, 415, 500, 503]) {
    const { server, bridge } = await scriptedBridge(
      (_seen, _message, response) => void response.writeHead(status).end(),
    );
    expect((await bridge.initialize()).error).toBeDefined();
    const streams = server.record.filter(({ method, path }) => method === "GET" && path === "/mcp").length;
    expect([status, streams > 0]).toEqual([status, [400, 404, 405].includes(status)]);
  }
});

test("a stream of the older transport that names an endpoint elsewhere is refused", async () => {
  const { bridge } = await scriptedBridge(
    (seen, _message, response) => {
      if (seen.method !== "GET") return;
      openStream(response);
      response.write("event: endpoint\ndata: http://127.0.0.2:9/steal\n\n");
    },
    ["--transport", "sse"],
  );
  expect((await bridge.initialize()).error.message).toContain("which is not followed");
});
