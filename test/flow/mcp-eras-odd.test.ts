import { expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { Person } from "../support/codemie.ts";
import { initializeParams, RawBridge, type Rpc } from "../support/mcp/bridge.ts";
import { openStream, type Script, startScripted } from "../support/mcp/scripted.ts";
import { scriptedBridge } from "../support/mcp/scripted-bridge.ts";
import { sendJson } from "../support/sandbox/http.ts";

/** Servers of MCP 2026-07-28, and of neither or either revision, that do what no SDK does. */

const own = "io.modelcontextprotocol/";
const meta = (capabilities: Rpc = {}) => ({
  [`${own}protocolVersion`]: "2026-07-28",
  [`${own}clientInfo`]: { name: "test", version: "1.0.0" },
  [`${own}clientCapabilities`]: capabilities,
});

const result = (response: ServerResponse, id: unknown, body: Rpc) =>
  sendJson(response, 200, { jsonrpc: "2.0", id, result: { resultType: "complete", ...body } });
const refuse = (response: ServerResponse, status: number, id: unknown, error: Rpc) =>
  sendJson(response, status, { jsonrpc: "2.0", id, error });

/** Answers as a server of 2026-07-28 alone; what `script` answers comes first. */
const modern =
  (script: (message: Rpc, response: ServerResponse, headers: Rpc) => void | Promise<void> = () => undefined): Script =>
  async (seen, message, response) => {
    if (seen.method !== "POST") return void response.writeHead(405).end();
    await script(message, response, seen.headers);
    if (response.headersSent || response.destroyed || message?.id === undefined) return;
    if (!message.params?._meta?.[`${own}protocolVersion`]) {
      const data = { supported: ["2026-07-28"] };
      return refuse(response, 400, message.id, { code: -32022, message: "Unsupported protocol version", data });
    }
    if (message.method === "server/discover") {
      return result(response, message.id, { supportedVersions: ["2026-07-28"], capabilities: { tools: {} } });
    }
    result(response, message.id, { echo: message.params });
  };

/** Answers as a server of 2025-11-25 that refuses what belongs to no session. */
const earlier: Script = (seen, message, response) => {
  if (message?.method === "initialize" || seen.method !== "POST" || seen.headers["mcp-session-id"]) return;
  const error = { code: -32000, message: "Bad Request: No valid session ID provided" };
  refuse(response, 400, null, error);
};

const modernCall = (bridge: RawBridge, method: string, params: Rpc = {}, capabilities: Rpc = {}) =>
  bridge.call(method, { ...params, _meta: { ...params._meta, ...meta(capabilities) } });

test("the client's own server/discover is the only question that a server of its revision gets", async () => {
  const { server, bridge } = await scriptedBridge(modern());
  await modernCall(bridge, "server/discover");
  const answer = await modernCall(bridge, "prompts/get", { name: "Zürich" });
  expect(answer.result.echo.name).toBe("Zürich");
  expect(server.methods()).toEqual(["server/discover", "prompts/get"]);
  const headers = server.record.at(-1)?.headers;
  expect(headers?.["mcp-protocol-version"]).toBe("2026-07-28");
  expect(headers?.["mcp-method"]).toBe("prompts/get");
  expect(headers?.["mcp-name"]).toBe("=?base64?WsO8cmljaA==?=");
  expect(headers?.["mcp-session-id"]).toBeUndefined();
});

test("a client with a session at a server without gets what it expects, each request with what the server expects", async () => {
  const { server, bridge } = await scriptedBridge(modern());
  const opened = await bridge.call("initialize", {
    ...initializeParams,
    capabilities: { roots: { listChanged: true } },
  });
  expect(opened.result.protocolVersion).toBe("2025-11-25");
  bridge.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  expect((await bridge.call("ping")).result).toEqual({});
  expect((await bridge.call("logging/setLevel", { level: "error" })).result).toEqual({});
  bridge.line('{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"a","n":12345678901234567890}}');
  const answer = await bridge.answer("x");
  expect(answer.result.resultType).toBeUndefined();
  const { body } = server.record.at(-1) ?? { body: "" };
  expect(body).toContain("12345678901234567890");
  expect(JSON.parse(body).params._meta).toEqual({ ...meta({ roots: {} }), [`${own}logLevel`]: "error" });
  expect(server.methods()).toEqual(["initialize", "server/discover", "tools/call"]);
});

test("a client without a session at a server with one: one session, opened and ended by the bridge", async () => {
  const { server, bridge } = await scriptedBridge(earlier);
  const found = await modernCall(bridge, "server/discover");
  expect(found.result).toMatchObject({ resultType: "complete", supportedVersions: ["2026-07-28"], ttlMs: 0 });
  expect(found.result._meta[`${own}serverInfo`].name).toBe("scripted");
  const answer = await modernCall(bridge, "tools/call", { name: "a", _meta: { progressToken: 7 } });
  expect(answer.result).toMatchObject({ resultType: "complete", echo: { name: "a", _meta: { progressToken: 7 } } });
  expect(server.methods()).toEqual(["server/discover", "initialize", "notifications/initialized", "tools/call"]);
  const removed = await modernCall(bridge, "logging/setLevel", { level: "error" });
  expect(removed.error.code).toBe(-32601);
});

test("server/discover, its answer, and then initialize: both are answered, from either kind of server", async () => {
  for (const script of [modern(), earlier]) {
    const { bridge } = await scriptedBridge(script);
    expect((await modernCall(bridge, "server/discover")).result.supportedVersions).toEqual(["2026-07-28"]);
    expect((await bridge.call("initialize", initializeParams)).result.protocolVersion).toBe("2025-11-25");
    bridge.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    expect((await bridge.call("tools/call", { name: "a" })).result.echo.name).toBe("a");
  }
});

test("a server that speaks another revision in mid-run, and back again, goes on answering either client", async () => {
  let script = earlier;
  const { bridge } = await scriptedBridge((...all) => script(...all));
  await bridge.initialize();
  for (const next of [modern(), earlier, modern()]) {
    script = next;
    expect((await bridge.call("tools/call", { name: "a" })).result.echo.name).toBe("a");
  }
  const { bridge: other } = await scriptedBridge((...all) => script(...all));
  await modernCall(other, "server/discover");
  for (const next of [earlier, modern(), earlier]) {
    script = next;
    expect((await modernCall(other, "tools/call", { name: "a" })).result.echo.name).toBe("a");
  }
});

test("a change of the revision under many requests at once: each is answered, as many times as it was sent", async () => {
  for (const [first, next] of [
    [modern(), earlier],
    [earlier, modern()],
  ] as const) {
    let script: Script = first;
    const { bridge } = await scriptedBridge((...all) => script(...all));
    await bridge.initialize();
    const { bridge: other } = await scriptedBridge((...all) => script(...all));
    await modernCall(other, "server/discover");
    await modernCall(other, "tools/call", { name: "first" });
    script = next;
    const names = Array.from({ length: 20 }, (_, i) => `call ${i}`);
    const old = await Promise.all(names.map((name) => bridge.call("tools/call", { name })));
    expect(old.map(({ result: one }) => one?.echo.name)).toEqual(names);
    const later = await Promise.all(names.map((name) => modernCall(other, "tools/call", { name })));
    expect(later.map(({ result: one }) => one?.echo.name)).toEqual(names);
    const ids = [...bridge.messages(), ...other.messages()].map(({ id }) => id);
    expect(ids.length).toBe(1 + 20 + 2 + 20);
  }
});

test("a server that answers a question it does not know in its own way is taken for one with sessions", async () => {
  for (const status of [202, 200, 500]) {
    const { bridge } = await scriptedBridge((...all) => {
      const [, message, response] = all;
      if (message?.method === "server/discover")
        return void response.writeHead(status).end(status === 200 ? "hello" : "");
      return earlier(...all);
    });
    expect((await modernCall(bridge, "server/discover")).result.supportedVersions).toEqual(["2026-07-28"]);
    expect((await modernCall(bridge, "tools/call", { name: "a" })).result.echo.name).toBe("a");
  }
});

test("a server of 2026-07-28 that fails at first is found again", async () => {
  let failures = 2;
  const { bridge } = await scriptedBridge(
    modern((_message, response) => {
      if (failures-- > 0) response.writeHead(503).end();
    }),
  );
  expect((await modernCall(bridge, "tools/call", { name: "a" })).error.message).toContain("503");
  expect((await modernCall(bridge, "tools/call", { name: "a" })).result.echo.name).toBe("a");
});

test("a version that nobody knows is named in the error; a refusal of a version reaches the client that can read it", async () => {
  const future = modern((message, response) => {
    if (message?.method !== "server/discover") return;
    result(response, message.id, { supportedVersions: ["2099-01-01"], capabilities: {} });
  });
  const { bridge } = await scriptedBridge(future);
  expect((await bridge.call("initialize", initializeParams)).error.message).toContain("2099-01-01");

  const refusing = modern((message, response) => {
    // Without the id, as some servers send it.
    const data = { supported: ["2099-01-01"], requested: "2026-07-28" };
    if (message) refuse(response, 400, null, { code: -32022, message: "Unsupported protocol version", data });
  });
  const { bridge: other } = await scriptedBridge(refusing);
  expect((await modernCall(other, "server/discover")).error.data.supported).toEqual(["2099-01-01"]);
});

test("input without end, or that the client does not have, ends the call with an error", async () => {
  let rounds = 0;
  const asking = modern((message, response) => {
    if (message?.method !== "tools/call") return;
    rounds++;
    const method = message.params.name;
    result(response, message.id, { resultType: "input_required", inputRequests: { a: { method, params: {} } } });
  });
  const { bridge } = await scriptedBridge(asking);
  await bridge.call("initialize", { ...initializeParams, capabilities: { roots: {} } });
  bridge.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  const refused = await bridge.call("tools/call", { name: "elicitation/create" });
  expect(refused.error.message).toContain("elicitation/create, which the client does not have");
  expect(rounds).toBe(1);
  bridge.send({ jsonrpc: "2.0", id: "end", method: "tools/call", params: { name: "roots/list" } });
  let answered = 0;
  const ended = await bridge.until(() => {
    const messages = bridge.messages();
    const asked = messages.filter(({ method }: Rpc) => method === "roots/list");
    for (; answered < asked.length; answered++) {
      bridge.send({ jsonrpc: "2.0", id: asked[answered].id, result: { roots: [] } });
    }
    return messages.find(({ id, method }: Rpc) => id === "end" && !method);
  });
  expect(ended.error.message).toContain("asked for input 10 times");
  expect(rounds).toBe(12);
});

test("a call refused for its headers is sent again once, after the list of tools was read to its end", async () => {
  const tool = (name: string, header: unknown) => ({
    name,
    inputSchema: {
      type: "object",
      properties: { a: { type: "object", properties: { b: { type: "integer", "x-mcp-header": header } } } },
    },
  });
  const pages = [[tool("other", "B")], [tool("mine", "B"), tool("broken", "")]];
  const { server, bridge } = await scriptedBridge(
    modern((message, response, headers) => {
      if (message?.method === "tools/list") {
        const page = Number(message.params.cursor ?? 0);
        result(response, message.id, { tools: pages[page], ...(page === 0 ? { nextCursor: "1" } : {}) });
      } else if (message?.method === "tools/call" && headers["mcp-param-b"] === undefined) {
        refuse(response, 400, message.id, { code: -32020, message: "Header mismatch" });
      }
    }),
  );
  await modernCall(bridge, "server/discover");
  const answer = await modernCall(bridge, "tools/call", { name: "mine", arguments: { a: { b: 42 } } });
  expect(answer.result.echo.name).toBe("mine");
  expect(server.record.at(-1)?.headers["mcp-param-b"]).toBe("42");
  expect(server.methods()).toEqual(["server/discover", "tools/call", "tools/list", "tools/list", "tools/call"]);
  // A second refusal is the answer.
  const again = await modernCall(bridge, "tools/call", { name: "mine", arguments: {} });
  expect(again.error.code).toBe(-32020);
  const list = await modernCall(bridge, "tools/list", { cursor: "1" });
  expect(list.result.tools.map(({ name }: Rpc) => name)).toEqual(["mine"]);
});

test("10,000 tools with headers: those that may not be are left out, and a call has its own headers alone", async () => {
  const places = [
    ["items", { type: "array", items: { type: "string", "x-mcp-header": "X" } }],
    ["number", { type: "number", "x-mcp-header": "X" }],
    ["empty", { type: "string", "x-mcp-header": "" }],
    ["lines", { type: "string", "x-mcp-header": "A\r\nB" }],
    ["branch", { anyOf: [{ type: "string", "x-mcp-header": "X" }] }],
  ] as const;
  const tools: Rpc[] = Array.from({ length: 10_000 }, (_, i) => ({
    name: `tool-${i}`,
    inputSchema: { type: "object", properties: { p: { type: "string", "x-mcp-header": `P-${i}` } } },
  }));
  for (const [name, schema] of places) tools.push({ name, inputSchema: { type: "object", properties: { p: schema } } });
  tools.push({
    name: "data",
    inputSchema: { type: "object", default: { "x-mcp-header": 1 }, properties: { "x-mcp-header": {} } },
  });
  const { server, bridge } = await scriptedBridge(
    modern((message, response) => {
      if (message?.method === "tools/list") result(response, message.id, { tools });
    }),
  );
  const list = await modernCall(bridge, "tools/list");
  expect(list.result.tools.length).toBe(10_001);
  expect(list.result.tools.at(-1).name).toBe("data");
  await modernCall(bridge, "tools/call", { name: "tool-77", arguments: { p: "=?base64?x?=", q: "no" } });
  const { headers } = server.record.at(-1) ?? { headers: {} };
  expect(Object.keys(headers).filter((name) => name.startsWith("mcp-param-"))).toEqual(["mcp-param-p-77"]);
  expect(headers).toHaveProperty("mcp-param-p-77", "=?base64?PT9iYXNlNjQ/eD89?=");
});

test("a stream that breaks before its answer is an error, and the request is not sent again", async () => {
  const { server, bridge } = await scriptedBridge(
    modern((message, response) => {
      if (message?.method !== "tools/call") return;
      openStream(response);
      response.write('id: 1\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n');
      setImmediate(() => response.destroy());
    }),
  );
  await modernCall(bridge, "server/discover");
  const answer = await modernCall(bridge, "tools/call", { name: "a" });
  expect(answer.error.message).toContain("not known whether");
  expect(server.methods()).toEqual(["server/discover", "tools/call"]);
  expect(server.record.every(({ method }) => method === "POST")).toBe(true);
});

test("a result that is no object, and the schema of one, is kept from a client that would refuse the whole list for it", async () => {
  const tools = [
    { name: "list", inputSchema: { type: "object" }, outputSchema: { type: "array" } },
    { name: "object", inputSchema: { type: "object" }, outputSchema: { type: "object" } },
  ];
  const { bridge } = await scriptedBridge(
    modern((message, response) => {
      if (message?.method === "tools/list") result(response, message.id, { tools, ttlMs: 5, cacheScope: "public" });
      const content = [{ type: "text", text: "[1]" }];
      if (message?.method === "tools/call") result(response, message.id, { content, structuredContent: [1] });
    }),
  );
  await bridge.initialize();
  const { inputSchema } = tools[0] ?? {};
  expect((await bridge.call("tools/list")).result).toEqual({ tools: [{ name: "list", inputSchema }, tools[1]] });
  expect((await bridge.call("tools/call", { name: "list" })).result).toEqual({
    content: [{ type: "text", text: "[1]" }],
  });
});

test("an answer nested too deep is an error, in either direction, and the bridge goes on", async () => {
  const deep = (id: unknown) =>
    `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${"[".repeat(600)}${"]".repeat(600)}}`;
  const deeply: Script = (_seen, message, response) => {
    const isDeep = message?.params?.name === "deep";
    if (isDeep) response.writeHead(200, { "content-type": "application/json" }).end(deep(message.id));
  };
  const { bridge } = await scriptedBridge(modern((message, response) => deeply(undefined as never, message, response)));
  await bridge.initialize();
  expect((await bridge.call("tools/call", { name: "deep" })).error.message).toContain("nested deeper");
  expect((await modernCall(bridge, "tools/call", { name: "deep" })).error.message).toContain("nested deeper");
  expect((await bridge.call("tools/call", { name: "a" })).result.echo.name).toBe("a");
  const { bridge: other } = await scriptedBridge((...all) => {
    deeply(...all);
    if (!all[2].headersSent) return earlier(...all);
  });
  expect((await modernCall(other, "tools/call", { name: "deep" })).error.message).toContain("nested deeper");
  expect((await modernCall(other, "tools/call", { name: "a" })).result.echo.name).toBe("a");
});

test("a call with the state of no call that waits is refused, and reaches no server", async () => {
  const { server, bridge } = await scriptedBridge(earlier);
  await modernCall(bridge, "server/discover");
  const before = server.record.length;
  const answer = await modernCall(bridge, "tools/call", { name: "a", requestState: "guessed", inputResponses: {} });
  expect(answer.error.code).toBe(-32602);
  expect(server.record.slice(before).some(({ body }) => body.includes("tools/call"))).toBe(false);
});

test("--protocol fixes what the server speaks, with no question to it", async () => {
  const { server, bridge } = await scriptedBridge(earlier, ["--protocol", "2025-11-25"]);
  await modernCall(bridge, "tools/call", { name: "a" });
  expect(server.methods()[0]).toBe("initialize");
  const { server: later, bridge: other } = await scriptedBridge(modern(), ["--protocol", "2026-07-28"]);
  await other.initialize();
  expect((await other.call("tools/call", { name: "a" })).result.echo.name).toBe("a");
  expect(later.methods()).toEqual(["server/discover", "tools/call"]);
});

test("--explain names the revision that the server speaks", async () => {
  const server = await startScripted(modern());
  const person = new Person();
  const explained = new RawBridge(person, ["--explain", "--json", server.url]);
  expect(await explained.exited()).toBe(0);
  expect(JSON.parse(explained.lines.join("\n")).steps.at(-1).detail).toContain("protocol 2026-07-28");
  await server.close();
  person.remove();
});
