import { expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { constants, deflateRawSync } from "node:zlib";
import { codemieMcpProxy, Person } from "../support/codemie.ts";
import { initializeParams, type RawBridge, type Rpc } from "../support/mcp/bridge.ts";
import { openStream, type Script, startScripted } from "../support/mcp/scripted.ts";
import { scriptedBridge } from "../support/mcp/scripted-bridge.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: a server makes the bridge fill the machine's memory. */

const megabyte = 1024 * 1024;
/** The most memory a bridge may have held at any time, MB: a message of 64 MB, a few times over. */
const most = 450;

/** @returns the most memory a process has held so far, MB */
function peak(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** Writes a block again and again, at the reader's pace, until the reader goes or so many bytes are sent. */
async function pour(
  response: ServerResponse,
  block: Buffer | string,
  bytes: number,
  onBlock: () => void = () => undefined,
) {
  const gone = Promise.withResolvers<void>();
  response.on("close", gone.resolve);
  for (let sent = 0; sent < bytes && !response.destroyed; sent += block.length) {
    onBlock();
    if (response.write(block)) continue;
    await Promise.race([new Promise<void>((resolve) => response.once("drain", resolve)), gone.promise]);
  }
}

async function start(script: Script): Promise<RawBridge> {
  const { bridge } = await scriptedBridge(script);
  await bridge.initialize();
  return bridge;
}

/**
 * The beginning of a gzip stream (RFC 1952) that unpacks to so many MB of blanks: one MB of them, packed once, again and
 * again. The trailer is not there: a bridge that got so far would have read too much.
 */
function blanksPacked(count: number): Buffer {
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
  const block = deflateRawSync(Buffer.alloc(megabyte, " "), { finishFlush: constants.Z_SYNC_FLUSH });
  return Buffer.concat([header, ...Array<Buffer>(count).fill(block)]);
}

const json = { "content-type": "application/json" };
for (const [what, script] of [
  [
    "JSON of 1 GB",
    async (response) => {
      response.writeHead(200, json);
      await pour(response, Buffer.alloc(megabyte, " "), 1024 * megabyte);
      response.end();
    },
  ],
  [
    "a small body that unpacks to 1 GB",
    (response) => {
      response.writeHead(200, { ...json, "content-encoding": "gzip" });
      response.end(blanksPacked(1_000));
    },
  ],
  [
    "one event of 1 GB",
    async (response) => {
      openStream(response);
      response.write("data: ");
      await pour(response, Buffer.alloc(megabyte, "x"), 1024 * megabyte);
      response.end();
    },
  ],
] as [string, (response: ServerResponse) => void | Promise<void>][]) {
  test(`${what}: an error, and no more memory than a message may need`, async () => {
    const bridge = await start((_seen, message, response) =>
      message?.method === "big" ? script(response) : undefined,
    );
    expect((await bridge.call("big")).error.message).toContain("a message longer than 67108864 bytes");
    expect(peak(bridge.child.pid)).toBeLessThan(most);
    expect((await bridge.call("after")).result).toBeDefined();
  });
}

test("an answer of 40 MB of small lists arrives, and needs no more memory than one text of that length", async () => {
  const lists = `[${"[],".repeat(13 * megabyte)}[]]`;
  const bridge = await start((_seen, message, response) => {
    if (message?.method !== "lists") return;
    response.writeHead(200, json).end(`{"jsonrpc":"2.0","id":${message.id},"result":${lists}}`);
  });
  bridge.send({ jsonrpc: "2.0", id: 900, method: "lists" });
  // Only the bridge's memory counts here: the test does not parse the line either.
  const line = await bridge.until(() => bridge.lines.find((one) => one.includes('"id":900,')));
  expect(line.length).toBeGreaterThan(lists.length);
  expect(peak(bridge.child.pid)).toBeLessThan(most);
});

ciTest("an answer of 60 MB of short lines arrives on one line, which costs its text twice more", async () => {
  const bridge = await start((_seen, message, response) => {
    if (message?.method !== "lines") return;
    response.writeHead(200, json).end(`{"jsonrpc":"2.0","id":${message.id},${"\n ".repeat(30 * megabyte)}"result":{}}`);
  });
  expect((await bridge.call("lines")).result).toEqual({});
  expect(peak(bridge.child.pid)).toBeLessThan(most + 2 * 60);
});

for (const kind of ["JSON", "events"]) {
  ciTest(
    `10 answers of 20 MB at once, as ${kind}, arrive, and need no more memory than one after the other`,
    async () => {
      const big = "x".repeat(20 * megabyte);
      let asked = 0;
      const all = Promise.withResolvers<void>();
      const bridge = await start(async (_seen, message, response) => {
        if (message?.method !== "big") return;
        if (++asked === 10) all.resolve();
        await all.promise;
        if (kind === "JSON") response.writeHead(200, json);
        else openStream(response);
        const text = `{"jsonrpc":"2.0","id":${message.id},"result":"${big}"}`;
        response.end(kind === "JSON" ? text : `data: ${text}\n\n`);
      });
      const answers = Array.from({ length: 10 }, () => bridge.call("big"));
      for (const answer of answers) expect((await answer).result.length).toBe(big.length);
      // All at once would take ten times as much as one; the collector's pace is worth some of it.
      expect(peak(bridge.child.pid)).toBeLessThan(most + 150);
    },
  );
}

ciTest("a flood of events that are no messages does not pile up in the log's queue", async () => {
  const bridge = await start(async (_seen, message, response) => {
    if (message?.method !== "junk") return;
    openStream(response);
    await pour(response, "data: x\n\n".repeat(10_000), 20 * megabyte);
    response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: "done" })}\n\n`);
  });
  expect((await bridge.call("junk")).result).toBe("done");
  expect(peak(bridge.child.pid)).toBeLessThan(most);
});

test("a client that does not read holds up the server, not the memory", async () => {
  let sent = 0;
  const stalled = Promise.withResolvers<void>();
  const server = await startScripted(async (_seen, message, response) => {
    if (message?.method !== "flood") return;
    openStream(response);
    const note = `data: ${JSON.stringify({ jsonrpc: "2.0", method: "n", params: "y".repeat(60_000) })}\n\n`;
    // Nothing more goes out for a second: the bridge has stopped to read.
    let timer = setTimeout(stalled.resolve, 10_000);
    await pour(response, note, 1024 * megabyte, () => {
      sent += note.length;
      clearTimeout(timer);
      timer = setTimeout(stalled.resolve, 1_000);
    });
  });
  const person = new Person();
  mkdirSync(person.codemieHome, { recursive: true });
  const fifo = `${person.root}/unread`;
  Bun.spawnSync(["mkfifo", fifo]);
  const child = Bun.spawn(["bash", "-c", `exec 3<>'${fifo}'; exec "$0" "$1" >&3`, codemieMcpProxy, server.url], {
    cwd: person.cwd,
    env: person.env,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const say = (message: object) => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
    void child.stdin.flush();
  };
  say({ id: 1, method: "initialize", params: initializeParams });
  say({ id: 2, method: "flood" });
  await stalled.promise;
  expect(sent).toBeLessThan(200 * megabyte);
  expect(peak(child.pid)).toBeLessThan(most);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(143);
  person.remove();
  await server.close();
});

const own = "io.modelcontextprotocol/";
const modernMeta = {
  [`${own}protocolVersion`]: "2026-07-28",
  [`${own}clientInfo`]: { name: "test", version: "1.0.0" },
  [`${own}clientCapabilities`]: { elicitation: { form: {}, url: {} } },
};
const callOf = (id: number, params: Rpc = {}) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "t", arguments: {}, ...params, _meta: modernMeta },
});
const times = (part: string, bytes: number) => `${part},`.repeat(bytes / (part.length + 1)) + part;

/** A server of MCP 2025-11-25, as a client of 2026-07-28 meets it; `call` answers its calls. */
const earlier =
  (call: (message: Rpc, response: ServerResponse) => void | Promise<void>): Script =>
  async (seen, message, response) => {
    if (message?.method === "tools/call") return await call(message, response);
    if (message?.method !== "initialize" && seen.method === "POST" && !seen.headers["mcp-session-id"]) {
      response.writeHead(400, json).end('{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}');
    }
  };

/** A server of MCP 2026-07-28, as a client that opens a session meets it; `list` is the result of what else it is asked. */
const later =
  (list: string, versions = '["2026-07-28"]'): Script =>
  (_seen, message, response) => {
    if (message?.method === undefined || message.id === undefined) return;
    response.writeHead(message.method === "initialize" ? 400 : 200, json);
    const id = JSON.stringify(message.id);
    if (message.method === "initialize") {
      const data = { supported: ["2026-07-28"] };
      const error = JSON.stringify({ code: -32022, message: "Unsupported protocol version", data });
      response.end(`{"jsonrpc":"2.0","id":${id},"error":${error}}`);
    } else if (message.method === "server/discover") {
      const result = `{"resultType":"complete","supportedVersions":${versions},"capabilities":{"tools":{}}}`;
      response.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
    } else response.end(`{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete",${list}}}`);
  };

/** Sends a request, and waits for the line of its answer without parsing it. */
async function lineOf(bridge: RawBridge, message: Rpc): Promise<string> {
  bridge.send(message);
  return await bridge.until(() =>
    bridge.lines.find((one) => new RegExp(`"id":${message.id}\\b`).test(headAndTail(one))),
  );
}
const headAndTail = (line: string) => line.slice(0, 100) + line.slice(-100);

/** @returns so many members, each with a name of its own */
function members(count: number): string {
  const blocks: string[] = [];
  for (let i = 0; i < count; i += 1_000) {
    blocks.push(Array.from({ length: 1_000 }, (_, j) => `"m${(i + j).toString(36)}":0`).join(","));
  }
  return blocks.join(",");
}

const pages = (id: unknown, bytes: number) =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":{"code":-32042,"message":"","data":{"elicitations":[${times("{}", bytes)}]}}}`;

test("millions of pages to open first: the call ends with an error, and none of them becomes a question", async () => {
  const { bridge } = await scriptedBridge(
    earlier((message, response) => void response.writeHead(200, json).end(pages(message.id, 8 * megabyte))),
  );
  const line = await lineOf(bridge, callOf(700));
  expect(line).toContain('"error"');
  expect(line).not.toContain("input_required");
  expect(peak(bridge.child.pid)).toBeLessThan(most);
});

const question = (id: string, message: string) =>
  `data: ${JSON.stringify({ jsonrpc: "2.0", id, method: "elicitation/create", params: { message, requestedSchema: { type: "object", properties: {} } } })}\n\n`;

test("a server's name of 20 MB goes into no answer", async () => {
  const { bridge } = await scriptedBridge((seen, message, response) => {
    if (message?.method !== "initialize")
      return earlier(({ id }) => {
        response.writeHead(200, json).end(JSON.stringify({ jsonrpc: "2.0", id, result: { content: [] } }));
      })(seen, message, response);
    const serverInfo = { name: "x".repeat(20 * megabyte), version: "1" };
    const result = { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo };
    response
      .writeHead(200, { ...json, "mcp-session-id": "s" })
      .end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
  });
  for (const id of [700, 701]) expect((await lineOf(bridge, callOf(id))).length).toBeLessThan(megabyte);
  await bridge.end();
});

test("questions of 20 MB each are refused, and the call goes on", async () => {
  const big = question("big", "x".repeat(20 * megabyte));
  const refused: string[] = [];
  const all = Promise.withResolvers<void>();
  const { bridge } = await scriptedBridge((seen, message, response) => {
    if (message?.error && refused.push(message.error.message) === 3) all.resolve();
    return earlier(async ({ id }) => {
      openStream(response);
      for (let i = 0; i < 3; i++) await pour(response, big, 1);
      response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id, result: { content: [] } })}\n\n`);
    })(seen, message, response);
  });
  expect(await lineOf(bridge, callOf(700))).toContain('"content":[]');
  await all.promise; // they are on their way beside the answer
  await bridge.end();
  expect(refused).toEqual(Array(3).fill(expect.stringContaining("its question is longer than")));
});

for (const method of cases(["ping", "roots/list"])) {
  test(`a flood of ${method} from a server that takes no answers does not pile up as answers`, async () => {
    const { bridge } = await scriptedBridge((seen, message, response) => {
      if (message && !message.method) return void openStream(response); // never ends
      return earlier(async ({ id }) => {
        openStream(response);
        const asked = `data: {"jsonrpc":"2.0","id":"${"x".repeat(1_000)}","method":"${method}"}\n\n`.repeat(1_000);
        await pour(response, asked, 130 * asked.length);
        response.end(`data: ${JSON.stringify({ jsonrpc: "2.0", id, result: { content: [] } })}\n\n`);
      })(seen, message, response);
    });
    expect(await lineOf(bridge, callOf(700))).toContain('"content":[]');
    expect(peak(bridge.child.pid)).toBeLessThan(most);
  });
}

test("answers of the client that the server does not take do not pile up", async () => {
  const { bridge } = await scriptedBridge((_seen, message, response) => {
    if (message && !message.method) openStream(response); // never ends
  });
  await bridge.initialize();
  bridge.line(`{"jsonrpc":"2.0","id":"${"x".repeat(1_000)}","result":{}}\n`.repeat(150_000));
  // An error that needs no server comes once everything before it has been read.
  bridge.line("no JSON");
  await bridge.until(() => bridge.messages().find(({ error }) => error?.message.includes("not JSON")));
  expect(peak(bridge.child.pid)).toBeLessThan(most);
  // It reads on: it sees the end of its input, and a client does not have to keep what nobody reads.
  await bridge.end();
  expect(bridge.child.exitCode).toBe(0);
});

test("what waits for the client has one limit, however many calls it belongs to", async () => {
  const big = "x".repeat(3 * megabyte);
  const refused = Promise.withResolvers<Rpc>();
  const { bridge } = await scriptedBridge((seen, message, response) => {
    if (message?.error) refused.resolve(message);
    return earlier(({ params }) => {
      openStream(response);
      response.write(question(params.arguments.question, big));
    })(seen, message, response);
  });
  for (let i = 0; i < 10; i++) {
    const line = await lineOf(bridge, callOf(700 + i, { arguments: { question: `q-${i}` } }));
    expect(headAndTail(line)).toContain("input_required");
  }
  bridge.send(callOf(799, { arguments: { question: "one-more" } }));
  const { id, error } = await refused.promise;
  expect([id, error.message]).toEqual(["one-more", expect.stringContaining("too much waits for the client already")]);
});

ciTest("an answer that comes while the client gathers what was asked is kept up to the same limit", async () => {
  const { bridge } = await scriptedBridge(
    earlier(({ id, params }, response) => {
      openStream(response);
      response.write(question(`q-${id}`, "Who?"));
      const big = "x".repeat(params.arguments.length);
      response.end(`data: {"jsonrpc":"2.0","id":${id},"result":{"content":["${big}"]}}\n\n`);
    }),
  );
  const answers: string[] = [];
  let id = 700;
  for (const length of [megabyte, 40 * megabyte]) {
    let line = await lineOf(bridge, callOf(id++, { arguments: { length } }));
    // Until its answer is there, the call asks again.
    while (line.includes("input_required")) {
      const { requestState } = JSON.parse(line).result;
      line = await lineOf(bridge, callOf(id++, { requestState, inputResponses: {} }));
    }
    answers.push(line);
  }
  expect(answers[0]?.length).toBeGreaterThan(megabyte);
  expect(answers[1]).toContain("too much waits for the client already");
});

for (const [what, list] of cases(
  [
    ["members of a result", () => members(2_000_000)],
    ["tools with the word x-mcp-header", () => `"x":"x-mcp-header","tools":[${times("{}", 40 * megabyte)}]`],
    ["members of a result that is to lose them", () => times('"ttlMs":0,"m":0', 40 * megabyte)],
    ["tools with the word outputSchema", () => `"tools":[{"outputSchema":{}},${times("{}", 40 * megabyte)}]`],
    ["inputs", () => `"resultType":"input_required","inputRequests":{${members(2_000_000)}}`],
  ] as [string, () => string][],
  2,
)) {
  test(`millions of ${what} reach a client of the revision before, or an error does`, async () => {
    const text = list();
    const { bridge } = await scriptedBridge(later(text));
    await bridge.initialize();
    const line = await lineOf(bridge, { jsonrpc: "2.0", id: 700, method: "tools/list", params: {} });
    if (what === "inputs") expect(line).toContain("inputs at a time");
    else expect(line.length).toBeGreaterThan(text.length / 3);
    expect(line).not.toContain('"resultType"');
    // A changed message stands beside the one that came until the next collection of garbage.
    expect(peak(bridge.child.pid)).toBeLessThan(most + 2 * 60);
  });
}

test("millions of versions are not taken for versions, and no error names them all", async () => {
  const { bridge } = await scriptedBridge(later("", `[${times('"1"', 20 * megabyte)}]`));
  const { error } = await bridge.call("initialize", initializeParams);
  expect(error.message.length).toBeLessThan(2_000);
  expect(peak(bridge.child.pid)).toBeLessThan(most);
});

test("a list of tools that is too long to be looked through does not pass where tools are left out", async () => {
  const { bridge } = await scriptedBridge(
    (_seen, message, response) => {
      if (message?.method !== "tools/list") return;
      const result = `{"tools":[${times("{}", 40 * megabyte)}]}`;
      response.writeHead(200, json).end(`{"jsonrpc":"2.0","id":${message.id},"result":${result}}`);
    },
    ["--ignore-tool", "secret*"],
  );
  await bridge.initialize();
  const { error } = await bridge.call("tools/list");
  expect(error.message).toContain("--ignore-tool");
  expect(peak(bridge.child.pid)).toBeLessThan(most);
});
