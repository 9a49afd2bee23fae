import { expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { zstdCompressSync } from "node:zlib";
import { Person } from "../support/codemie.ts";
import { initializeParams, type Rpc } from "../support/mcp/bridge.ts";
import { initializeResult, openStream, type Script } from "../support/mcp/scripted.ts";
import { scriptedBridge } from "../support/mcp/scripted-bridge.ts";
import { sendJson } from "../support/sandbox/http.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** What passes, unchanged and in order, and what becomes of what is no message. */

const start = (script?: Script, flags: string[] = []) => scriptedBridge(script, flags, { MCP_PROXY_DEBUG: "true" });

test("texts reach the server byte for byte: unknown methods and members, array params, odd ids, spaces, big numbers", async () => {
  const { server, bridge } = await start();
  await bridge.initialize();
  const texts = [
    '{"jsonrpc":"2.0","id":"s-1","method":"future/thing","params":[1,2,3],"extra":{"x":null}}',
    '{ "method" : "tools/call" , "jsonrpc":"2.0", "id": 12.5, "params": {"n": 12345678901234567890, "f": 1.0} }',
    '{"jsonrpc":"2.0","id":"ünïcødé ✓","method":"x","params":{"t":"\\u0041\\n"}}',
    '[{"jsonrpc":"2.0","id":71,"method":"a"},{"jsonrpc":"2.0","method":"b"}]',
    '{"jsonrpc":"2.0","method":"notifications/unknown","params":[]}',
    '{"jsonrpc":"2.0","id":4711,"result":{"answer":"to a request the server never made"}}',
    '{"something":"else"}',
  ];
  for (const text of texts) bridge.line(text);
  await bridge.until(() =>
    server.record.filter((seen) => texts.includes(seen.body)).length === texts.length ? 1 : undefined,
  );
  const bodies = server.record.map(({ body }) => body).filter((body) => texts.includes(body));
  expect(bodies.toSorted()).toEqual(texts.toSorted());
  // Requests that are under way together may arrive in any order; what gets no answer overtakes none.
  expect(bodies.slice(4)).toEqual(texts.slice(4));
});

test("what the server sends reaches the client as it is, on one line: unknown requests, pretty-printed texts", async () => {
  const pretty =
    '{\n  "jsonrpc": "2.0",\r\n  "id": 9,\n  "method": "future/ask",\n  "params": [ 1.0, 12345678901234567890 ]\n}';
  const odd = '{"jsonrpc":"2.0","method":"notifications/odd","extra":[],"params":null}';
  const [a, b] = ['{"jsonrpc":"2.0","method":"notifications/a"}', '{"method":"notifications/b","n":1.0}'];
  const { bridge } = await start((_seen, message, response) => {
    if (message?.method !== "go") return;
    openStream(response);
    for (const text of [pretty, odd, `[ ${a},\n${b} ]`]) {
      response.write(
        `${text
          .split(/\r?\n/)
          .map((line) => `data: ${line}`)
          .join("\n")}\n\n`,
      );
    }
    response.write(": a comment\n\nevent: other\ndata: not a message\n\ndata: not json\n\n");
    response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: "done" })}\n\n`);
  });
  await bridge.initialize();
  expect((await bridge.call("go")).result).toBe("done");
  expect(bridge.lines.slice(1)).toEqual([pretty.replace(/\r?\n/g, " "), odd, a, b, expect.stringContaining('"done"')]);
});

test("notifications keep their order even when the server is slow to take them", async () => {
  let n = 0;
  const { server, bridge } = await start(async (_seen, message) => {
    if (message?.method === "notifications/progress") await Bun.sleep(n++ % 2 === 0 ? 20 : 0);
  });
  await bridge.initialize();
  for (let i = 0; i < 20; i++) {
    bridge.send({ jsonrpc: "2.0", method: "notifications/progress", params: { progress: i } });
  }
  await bridge.call("last");
  const seen = server.record.flatMap(({ body }) => (body ? [JSON.parse(body)] : []));
  const progress = seen
    .filter(({ method }) => method === "notifications/progress")
    .map(({ params }) => params.progress);
  expect(progress).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(seen.at(-1).method).toBe("last");
});

test("nothing goes before initialize is answered, also when the client does not wait", async () => {
  const { server, bridge } = await start(async (_seen, message) => {
    if (message?.method === "initialize") await Bun.sleep(100);
  });
  bridge.send({ jsonrpc: "2.0", id: 1, method: "initialize", params: initializeParams });
  bridge.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  bridge.send({ jsonrpc: "2.0", id: 2, method: "tools/list" });
  await bridge.answer(2);
  expect(server.methods()).toEqual(["initialize", "notifications/initialized", "tools/list"]);
  const list = server.record.find(({ body }) => body.includes("tools/list"));
  expect(list?.headers["mcp-session-id"]).toBe("session-1");
  expect(list?.headers["mcp-protocol-version"]).toBe(initializeResult.protocolVersion);
});

test("what is no JSON is answered with -32700, what is no message with -32600, and the bridge goes on", async () => {
  const { server, bridge } = await start();
  await bridge.initialize();
  for (const line of ["{", "hello", '{"jsonrpc":"2.0",}', "1", "null", '"x"', "[]", "[1]", "", "   "])
    bridge.line(line);
  bridge.child.stdin.write(new Uint8Array([0xff, 0xfe, 0x7b, 0x0a]));
  await bridge.call("after");
  const codes = bridge.messages().flatMap(({ error }: Rpc) => (error ? [error.code] : []));
  expect(codes).toEqual([-32700, -32700, -32700, -32600, -32600, -32600, -32600, -32600, -32700]);
  for (const { id, error } of bridge.messages()) if (error) expect(id).toBe(null);
  expect(server.methods()).toEqual(["initialize", "notifications/initialized", "after"]);
});

ciTest("a line of 10 MB passes whole; one of 65 MB is refused without being kept, and the bridge goes on", async () => {
  const { server, bridge } = await start((_seen, message, response) => {
    if (message?.method === "big")
      sendJson(response, 200, { jsonrpc: "2.0", id: message.id, result: message.params.text.length });
  });
  await bridge.initialize();
  expect((await bridge.call("big", { text: "x".repeat(10_000_000) })).result).toBe(10_000_000);
  bridge.line(`{"jsonrpc":"2.0","id":77,"method":"big","params":"${"x".repeat(65 * 1024 * 1024)}"}`);
  const refused = await bridge.answer(null);
  expect(refused.error.code).toBe(-32700);
  expect(refused.error.message).toContain("longer than");
  await bridge.call("after");
  expect(server.methods().at(-1)).toBe("after");
});

test("an id no double can hold comes back as it was, in our own errors too", async () => {
  const { bridge } = await start((_seen, message, response) => {
    if (message?.method === "bad") response.writeHead(502).end();
  });
  await bridge.initialize();
  bridge.line('{"jsonrpc":"2.0","id":9007199254740993,"method":"bad"}');
  bridge.line('{"jsonrpc":"2.0","id":9007199254740992,"method":"bad","params":{"id":{"deep":9007199254740993}}}');
  const ids = () => bridge.lines.flatMap((line) => /"id":(90071992547409\d\d),"error"/.exec(line)?.[1] ?? []);
  await bridge.until(() => (ids().length === 2 ? true : undefined));
  expect(ids().toSorted()).toEqual(["9007199254740992", "9007199254740993"]);
});

test("an error of the server that names no request reaches the client, also after a bad line", async () => {
  const error = '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"going down"}}';
  const { bridge } = await start((_seen, message, response) => {
    if (message?.method !== "go") return;
    openStream(response);
    response.end(`data: ${error}\n\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: 1 })}\n\n`);
  });
  await bridge.initialize();
  bridge.line("{");
  await bridge.call("go");
  expect(bridge.lines).toContain(error);
});

test("in a batch with the answer to an initialize of ours, the other answer reaches the client alone", async () => {
  const held = Promise.withResolvers<ServerResponse>();
  let opened = 0;
  let refused = false;
  const { bridge } = await start(async (_seen, message, response) => {
    if (message?.method === "held") {
      held.resolve(response);
      return new Promise((resolve) => response.on("close", resolve));
    }
    if (message?.method === "lost" && !refused) {
      refused = true;
      response.writeHead(404).end();
    }
    if (message?.method !== "initialize" || ++opened < 2) return;
    await held.promise;
    const answers = [
      { jsonrpc: "2.0", id: message.id, result: initializeResult },
      { jsonrpc: "2.0", id: 700, result: "with the other" },
    ];
    openStream(response);
    response.end(
      `data: ${JSON.stringify(answers)}\n\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: initializeResult })}\n\n`,
    );
  });
  await bridge.initialize();
  bridge.send({ jsonrpc: "2.0", id: 700, method: "held" });
  await held.promise;
  const lost = bridge.call("lost");
  await bridge.until(() => bridge.lines.find((line) => line.includes("with the other")));
  expect(JSON.parse(bridge.lines.find((line) => line.includes("with the other")) ?? "")).toEqual({
    jsonrpc: "2.0",
    id: 700,
    result: "with the other",
  });
  void lost;
});

for (const [what, wrap] of cases([
  ["in an array of one", (answer: Rpc) => [answer]],
  ["under its id as a text", (answer: Rpc) => ({ ...answer, id: String(answer.id) })],
  ["in an array, under its id as a text", (answer: Rpc) => [{ ...answer, id: String(answer.id) }]],
] as const)) {
  for (const streamed of [false, true]) {
    test(`every answer ${what}${streamed ? ", on a stream" : ""} reaches the client alone, with its own id`, async () => {
      const { bridge } = await start((_seen, message, response) => {
        if (message?.id === undefined) return;
        const result = message.method === "initialize" ? initializeResult : { n: 1 };
        const answer = wrap({ jsonrpc: "2.0", id: message.id, result });
        if (!streamed) return void sendJson(response, 200, answer);
        openStream(response);
        response.end(`data: ${JSON.stringify(answer)}\n\n`);
      });
      expect((await bridge.initialize()).result).toEqual(initializeResult);
      expect(await bridge.call("next")).toEqual({ jsonrpc: "2.0", id: 2, result: { n: 1 } });
      if (what.includes("text")) expect(bridge.err).toContain("the server answers numbers as ids with texts");
    });
  }
}

test("an id as a text is its own where a request has it; one that fits no request is dropped", async () => {
  const held = Promise.withResolvers<ServerResponse>();
  const { bridge } = await start((_seen, message, response) => {
    if (message?.method === "held") {
      held.resolve(response);
      return new Promise((resolve) => response.on("close", resolve));
    }
    if (message?.method !== "go") return undefined;
    openStream(response);
    for (const id of ["x7", 901]) response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", id, result: "lost" })}\n\n`);
    response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", id: "7", result: "the text's" })}\n\n`);
    response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: "done" })}\n\n`);
    return undefined;
  });
  await bridge.initialize();
  bridge.send({ jsonrpc: "2.0", id: "7", method: "held" });
  await held.promise;
  bridge.send({ jsonrpc: "2.0", id: 7, method: "go" });
  expect([(await bridge.answer("7")).result, (await bridge.answer(7)).result]).toEqual(["the text's", "done"]);
  expect(bridge.lines.join("")).not.toContain("lost");
});

for (const [what, head, body] of cases([
  [
    "a last event without its blank line",
    { "content-type": "text/event-stream" },
    (text: string) => `id: 1\ndata: ${text}`,
  ],
  [
    "lines that end with CR only",
    { "content-type": "text/event-stream" },
    (text: string) => `event: message\rdata: ${text}\r\r`,
  ],
  [
    "lines that end with CR only, the last without",
    { "content-type": "text/event-stream" },
    (text: string) => `data: ${text}\r`,
  ],
  ["JSON in zstd", { "content-type": "application/json", "content-encoding": "zstd" }, zstdCompressSync],
  [
    "a stream in zstd",
    { "content-type": "text/event-stream", "content-encoding": "zstd" },
    (text: string) => zstdCompressSync(`data: ${text}\n\n`),
  ],
  ["JSON without a type", {}, (text: string) => `\n ${text}`],
  ["a stream without a type", {}, (text: string) => `: hello\n\ndata: ${text}\n\n`],
  ["a stream without a type or a comment", {}, (text: string) => `data: ${text}\n\n`],
] as const)) {
  test(`framing: ${what}`, async () => {
    const { bridge } = await start((_seen, message, response) => {
      if (message?.method !== "go") return;
      response.writeHead(200, head).end(body(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: "read" })));
    });
    await bridge.initialize();
    expect((await bridge.call("go")).result).toBe("read");
  });
}

test("framing: an answer that is cut off at the end of its stream is none, and the stream is resumed before it", async () => {
  let id = 0;
  const { bridge } = await start((seen, message, response) => {
    if (message?.method === "go") {
      id = message.id;
      openStream(response);
      response.end(
        `id: 1\ndata: {"jsonrpc":"2.0","method":"notifications/a"}\n\nid: 2\ndata: {"jsonrpc":"2.0","id":${id},"result":"re`,
      );
    } else if (seen.headers["last-event-id"] === "1") {
      openStream(response);
      response.end(`id: 2\ndata: {"jsonrpc":"2.0","id":${id},"result":"read"}\n\n`);
    }
  });
  await bridge.initialize();
  expect((await bridge.call("go")).result).toBe("read");
});

test("a mistake on the command line is said on standard error, also with --json", async () => {
  const { codemieMcpProxy } = await import("../support/codemie.ts");
  const run = (...args: string[]) => Bun.spawnSync([codemieMcpProxy, ...args], { env: new Person().env });
  const wrong = run("ftp://example.com/mcp", "--json");
  expect([wrong.exitCode, wrong.stdout.toString()]).toEqual([2, ""]);
  expect(wrong.stderr.toString()).toContain("only https: is supported");
  const explained = run("ftp://example.com/mcp", "--json", "--explain");
  expect(JSON.parse(explained.stdout.toString()).error.code).toBe("usage");
});

test("standard output carries JSON-RPC only, also with MCP_PROXY_DEBUG=true, and the log holds no body", async () => {
  const { bridge } = await start();
  await bridge.initialize();
  await bridge.call("tools/call", { secret: "body-of-a-call" });
  await bridge.end();
  for (const line of bridge.lines) expect(JSON.parse(line).jsonrpc).toBe("2.0");
  expect(bridge.err).toContain("client → tools/call");
  expect(bridge.err).not.toContain("body-of-a-call");
});

test("--ignore-tool: left out of the list, calls refused, also in a batch; nothing else is touched", async () => {
  const names = ["read", "delete_all", "Delete", "send.mail", "resend.mail", "x"];
  const called: unknown[] = [];
  const script: Script = (_seen, message, response) => {
    if (message?.method === "tools/call") called.push(message.params.name);
    if (message?.method !== "tools/list") return;
    const tools = names.map((name) => ({ name, inputSchema: { type: "object" }, extra: 1 }));
    sendJson(response, 200, { jsonrpc: "2.0", id: message.id, result: { tools, nextCursor: "c" } });
  };
  const { bridge } = await start(script, ["--ignore-tool", "delete*", "--ignore-tool=send.*"]);
  await bridge.initialize();
  const { result } = await bridge.call("tools/list");
  expect(result.tools.map(({ name }: { name: string }) => name)).toEqual(["read", "resend.mail", "x"]);
  expect(result).toMatchObject({ nextCursor: "c", tools: [{ extra: 1 }, {}, {}] });
  bridge.line('{"jsonrpc":"2.0","id":802,"method":"tools/call","Params":{"Name":" delete_x"}}');
  await bridge.until(() => bridge.lines.find((line) => line.includes('"id":802') && line.includes("left out")));
  for (const name of ["delete_all", "DELETE", "send.mail"]) {
    const { error } = await bridge.call("tools/call", { name, arguments: {} });
    expect(error).toMatchObject({ message: `codemie-mcp-proxy: the tool ${name} is left out by --ignore-tool` });
  }
  bridge.line('[{"jsonrpc":"2.0","id":801,"method":"tools\\/call","params":{"name":"\\u0064elete"}}]');
  await bridge.until(() => bridge.lines.find((line) => line.includes('"id":801') && line.includes("left out")));
  expect(called).toEqual([]);
});
