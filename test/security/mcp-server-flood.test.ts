import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Rpc } from "../support/mcp/bridge.ts";
import { openStream } from "../support/mcp/scripted.ts";
import { scriptedBridge } from "../support/mcp/scripted-bridge.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: a server uses up what the bridge has: its connections, its patience, its processor. */

test("streams that are left open after their answer do not use up the connections", async () => {
  const { bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method !== "open") return;
    openStream(response);
    response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: "here" })}\n\n`);
    const alive = setInterval(() => response.write(": alive\n\n"), 100);
    response.on("close", () => clearInterval(alive));
  });
  await bridge.initialize();
  for (let i = 0; i < 300; i++) expect((await bridge.call("open")).result).toBe("here");
  expect((await bridge.call("plain")).result).toBeDefined();
});

for (const retry of cases(["0", "99999999999"])) {
  test(`retry: ${retry} makes no storm of requests for the server's own stream`, async () => {
    const gets: number[] = [];
    const enough = Promise.withResolvers<void>();
    const { bridge } = await scriptedBridge((seen, _message, response) => {
      if (seen.method !== "GET") return;
      gets.push(performance.now());
      if (gets.length === (retry === "0" ? 3 : 1)) enough.resolve();
      openStream(response);
      response.end(`retry: ${retry}\n\n`);
    });
    await bridge.initialize();
    await enough.promise;
    const first = gets.length;
    // Each pause is as long as the server may make it at the shortest; a storm would bring hundreds meanwhile.
    for (let i = 0; i < 50; i++) await bridge.call("meanwhile");
    expect(gets.length - first).toBeLessThan(3);
    for (const [i, at] of gets.entries()) if (i > 0) expect(at - (gets[i - 1] ?? 0)).toBeGreaterThan(490);
  });
}

test("a stream that ends again and again without a byte does not outlive --timeout", async () => {
  let gets = 0;
  const { bridge } = await scriptedBridge(
    (seen, message, response) => {
      if (message?.method !== "never" && !(seen.method === "GET" && seen.headers["last-event-id"])) return;
      openStream(response);
      if (message) response.write("retry: 0\nid: 1\ndata:\n\n");
      else gets++;
      response.end();
    },
    ["--timeout", "2"],
  );
  await bridge.initialize();
  expect((await bridge.call("never")).error.message).toContain("sent nothing for 2 s");
  expect(gets).toBeGreaterThan(0);
  expect(gets).toBeLessThan(6);
});

test("a GET that is refused with 404 does not open session after session", async () => {
  let gets = 0;
  const asked = Promise.withResolvers<void>();
  const { server, bridge } = await scriptedBridge((seen, _message, response) => {
    if (seen.method !== "GET") return;
    gets++;
    response.writeHead(404).end();
    asked.resolve();
  });
  await bridge.initialize();
  await asked.promise;
  for (let i = 0; i < 50; i++) await bridge.call("meanwhile");
  expect(gets).toBe(1);
  expect(server.methods().filter((method) => method === "initialize").length).toBe(1);
});

test("an event's id of any length is neither kept nor sent back in a header", async () => {
  const { server, bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method !== "long") return;
    openStream(response);
    response.end(`id: ${"x".repeat(8_000)}\ndata:\n\n`);
  });
  await bridge.initialize();
  expect((await bridge.call("long")).error.message).toContain("ended before the answer came");
  expect(server.record.filter(({ headers }) => headers["last-event-id"] !== undefined)).toEqual([]);
});

test("of a challenge no more than 4 KB is looked at", async () => {
  const { bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method !== "late") return;
    const value = `Basic realm="${"x".repeat(4_096)}", Bearer error="insufficient_scope", scope="b"`;
    response.writeHead(403, { "www-authenticate": value }).end();
  });
  await bridge.initialize();
  expect((await bridge.call("late")).error.message).toContain("answered 403; ask the server's administrator");
});

test("an answer that is sent again is not passed on twice", async () => {
  const { bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method !== "twice") return;
    openStream(response);
    const answer = `data: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: "once" })}\n\n`;
    response.end(answer + answer);
  });
  await bridge.initialize();
  bridge.send({ jsonrpc: "2.0", id: 800, method: "twice" });
  await bridge.answer(800);
  await bridge.call("after");
  await bridge.call("after");
  expect(bridge.messages().filter(({ id }: Rpc) => id === 800).length).toBe(1);
});

/** @returns the processor time that a process has used so far, ms (proc_pid_stat(5): utime and stime, in 10 ms) */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

ciTest(
  "a packed stream of lines that mean nothing costs about as much as one of the same length that is common",
  async () => {
    const { bridge } = await scriptedBridge((_seen, message, response) => {
      if (message?.method !== "dense") return;
      const answer = `:\n\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: message.id, result: "at last" })}\n\n`;
      response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" });
      response.end(gzipSync(Buffer.concat([Buffer.alloc(2 * 1024 * 1024, message.params.block), Buffer.from(answer)])));
    });
    await bridge.initialize();
    const cost = async (block: string) => {
      const before = processorMs(bridge.child.pid);
      expect((await bridge.call("dense", { block })).result).toBe("at last");
      return processorMs(bridge.child.pid) - before;
    };
    await cost(":\n"); // the first one pays for compiling too
    const common = Math.max(50, await cost(":\n"));
    for (const block of ["x\n", "\r", "\n\r", "retry:x\n", "\n"]) {
      const times = (await cost(block)) / common;
      expect({ block, times: times < 15 ? "few" : times }).toEqual({ block, times: "few" });
    }
  },
);
