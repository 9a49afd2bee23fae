import { expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { constants, deflateRawSync } from "node:zlib";
import { codemieMcpProxy, Person } from "../support/codemie.ts";
import { initializeParams, type RawBridge } from "../support/mcp/bridge.ts";
import { openStream, type Script, startScripted } from "../support/mcp/scripted.ts";
import { scriptedBridge } from "../support/mcp/scripted-bridge.ts";
import { ciTest } from "../support/tiers.ts";

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
      expect(peak(bridge.child.pid)).toBeLessThan(most);
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
