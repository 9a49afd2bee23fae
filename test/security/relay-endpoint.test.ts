import { afterAll, expect, test } from "bun:test";
import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { startRelay } from "../support/relay.ts";
import { listen } from "../support/sandbox/http.ts";
import { cases } from "../support/tiers.ts";

/**
 * Threat: an MCP server answers as one of the older HTTP+SSE, and names another target of the relay as the address for messages: the
 * client posts there, with the token that it has for this server.
 */

const [relay, mcp] = [await startRelay(), await listen()];
let answer: { pieces: readonly (string | Uint8Array)[]; headers?: Record<string, string> };
/** resolves when the relay has let go of the server's answer */
let left: PromiseWithResolvers<void>;
mcp.handle(async (_request, response) => {
  response.on("close", () => left.resolve());
  response.writeHead(200, { "content-type": "text/event-stream", ...answer.headers });
  // Each piece is on its way before the next one is written.
  for (const piece of answer.pieces) {
    await new Promise<void>((done) => response.write(piece, () => done()));
    await new Promise(setImmediate);
  }
  // It stays open, as the stream of a server does.
  await once(response, "close");
});
afterAll(async () => {
  await mcp.close();
  await relay[Symbol.asyncDispose]();
});

/** Reads until the stream ends, or has this text. */
async function read(method: string, until = "\0"): Promise<{ status: number; text: string; isOver: boolean }> {
  left = Promise.withResolvers();
  const response = await fetch(relay.entry(`${mcp.origin}/sse`), {
    method,
    headers: { accept: "text/event-stream", authorization: "Bearer of-this-server" },
    ...(method === "POST" && { body: "{}" }),
  });
  let text = "";
  for await (const part of response.body ?? []) {
    text += Buffer.from(part).toString("latin1");
    if (text.includes(until)) return { status: response.status, text, isOver: false };
  }
  return { status: response.status, text, isOver: true };
}

const target = "/~key/mcp_relay/other";
const streams: readonly (readonly [what: string, ...pieces: (string | Uint8Array)[]])[] = [
  ["as the specification writes it", `event: endpoint\ndata: ${target}\n\n`],
  ["behind other events", `data: 1\n\n: a remark\n\n`, `data: ${target}\nevent: endpoint\n\n`],
  ["without the blank", `event:endpoint\ndata: ${target}\n\n`],
  ["with lines that end in CR", `event: endpoint\rdata: ${target}\r\r`],
  ["with lines that end in CR LF", `event: endpoint\r\ndata: ${target}\r\n\r\n`],
  ["whose end comes later", `data: ${target}\nevent: endpoint`, "\n\n"],
  ["whose end comes much later", `data: ${target}\nevent: end`, "point", " ", "\t", "\n\n"],
  ["in pieces", "eve", "nt: end", "point", `\ndata: ${target}\n\n`],
  ["behind a byte order mark", `\ufeffevent: endpoint\ndata: ${target}\n\n`],
  [
    "behind one that comes in pieces",
    new Uint8Array([0xef]),
    new Uint8Array([0xbb, 0xbf]),
    `event: endpoint\ndata: ${target}\n\n`,
  ],
  ["behind a line without end", `data: ${"x".repeat(200_000)}\nevent: endpoint\ndata: ${target}\n\n`],
  ["named twice", `event: message\nevent: endpoint\ndata: ${target}\n\n`],
  ["between blanks", `event : \t${" ".repeat(100_000)}`, `${" ".repeat(100_000)}endpoint \ndata: ${target}\n\n`],
  ["behind two byte order marks", `\ufeff\ufeffevent: endpoint\ndata: ${target}\n\n`],
  ["behind what only some programs take for the end of a line", `data: 1\u2028event: endpoint\x0bdata: ${target}\n\n`],
  ["behind an end of a line that only some programs know", `event:\vendpoint\ndata: ${target}\n\n`],
  ["behind a lone CR", `event:\rendpoint\ndata: ${target}\n\n`],
  ["between the blanks of other scripts", `\u00a0event:\u2003endpoint\u3000\ndata: ${target}\n\n`],
  ["behind control characters", `\x01event:\0endpoint\x7f\ndata: ${target}\n\n`],
  ["in UTF-16", new Uint8Array(Buffer.from(`event: endpoint\ndata: ${target}\n\n`, "utf16le"))],
  ["in capitals", `Event: Endpoint\ndata: ${target}\n\n`],
];

for (const [what, ...pieces] of cases(streams, 3)) {
  test(`the event endpoint ${what}: the stream ends before the client can take it`, async () => {
    answer = { pieces };
    const { text, isOver } = await read("GET");
    expect(isOver).toBe(true);
    // Behind the end of the stream too a client may take the rest for an event.
    expect(text).not.toMatch(/event[^!-~]*:[^!-~]*endpoint(?![!-~])/i);
    await left.promise;
  });
}

test("a stream that is packed is a 502", async () => {
  answer = { pieces: [gzipSync(`event: endpoint\ndata: ${target}\n\n`)], headers: { "content-encoding": "gzip" } };
  const { status, text } = await read("GET");
  expect(status).toBe(502);
  expect(text).toContain("packs its answer");
  await left.promise;
});

test("another type that clients take for a stream of events", async () => {
  for (const type of cases([
    "application/json",
    "Text/Event-Stream ;charset=utf-8",
    "text/plain",
    "application/jsonl",
    "",
  ])) {
    answer = { pieces: [`event: endpoint\ndata: ${target}\n\n`], headers: { "content-type": type } };
    expect((await read("GET")).text).not.toContain("endpoint\n");
  }
});

test("no client reads a stream in another code than UTF-8", async () => {
  for (const parameter of cases([
    "charset=utf-7",
    'charset="cp037"',
    "charset*=us-ascii''utf-7",
    "a=b; CharSet = utf-16",
  ])) {
    answer = { pieces: ["data: over\n\n"], headers: { "content-type": `text/event-stream; ${parameter}` } };
    const response = await fetch(relay.entry(`${mcp.origin}/sse`), { headers: { accept: "text/event-stream" } });
    expect([parameter, response.headers.get("content-type")]).toEqual([parameter, "text/event-stream; charset=utf-8"]);
    await response.body?.cancel();
  }
});

test("the audit trail says why the stream ended", async () => {
  answer = { pieces: [`event: endpoint\ndata: ${target}\n\n`] };
  const before = (await relay.audited("relay-refused", 0)).length;
  await read("GET");
  // Lines of the tests before may come only now.
  const reasons: unknown[] = [];
  while (!reasons.includes("address")) {
    const lines = await relay.audited("relay-refused", before + reasons.length + 1);
    reasons.push(lines[before + reasons.length]?.detail.reason);
  }
});

test("all else passes: other events, the word in a message, the answer to a POST", async () => {
  const message = `event: message\ndata: event: endpoint\n\nevent: endpoints\nevents: endpoint\ndata: 1\n\n`;
  answer = { pieces: ["data", `: é\n\n${message}`, "data: over\n\n"] };
  expect(await read("GET", "over\n\n")).toEqual({
    status: 200,
    text: `data: ${Buffer.from("é").toString("latin1")}\n\n${message}data: over\n\n`,
    isOver: false,
  });
  await left.promise;
  answer = { pieces: [`event: endpoint\ndata: ${target}\n\ndata: over\n\n`] };
  expect((await read("POST", "over\n\n")).isOver).toBe(false);
  await left.promise;
});
