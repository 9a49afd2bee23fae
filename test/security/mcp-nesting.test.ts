import { expect, test } from "bun:test";
import { openStream } from "../support/mcp/scripted.ts";
import { scriptedBridge } from "../support/mcp/scripted-bridge.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: a message is nested so deep that reading it ends the bridge, or the client that it is passed on to. */

const nested = (levels: number, value = "") => "[".repeat(levels) + value + "]".repeat(levels);

ciTest(
  "a client's message that is nested too deep gets an error, with its id, and the next one its answer",
  async () => {
    const { server, bridge } = await scriptedBridge();
    await bridge.initialize();
    for (const levels of [5_000, 1_000_000]) {
      for (const [id, line] of [
        ["9007199254740993", `{"jsonrpc":"2.0","id":9007199254740993,"method":"deep","params":${nested(levels)}}`],
        ['"late"', `{"jsonrpc":"2.0","method":"deep","params":${nested(levels, "9007199254740993")},"id":"late"}`],
        ["1e400", `[{"id":1e400,"method":"deep","params":{"a":${nested(levels)}}}]`],
        ["null", `{"jsonrpc":"2.0","method":"deep","params":${nested(levels)}}`],
        ["null", `{"jsonrpc":"2.0","id":${nested(levels)},"method":"deep"}`],
        ["null", `{"jsonrpc":"2.0","id":${nested(2_000)},"method":"deep"}`],
        ["null", nested(levels)],
        ["null", "[".repeat(levels)],
        ["null", '{"id":9007199254740993,"a":'.repeat(levels)],
      ]) {
        const before = bridge.lines.length;
        bridge.line(line ?? "");
        const answer = await bridge.until(() => bridge.lines[before]);
        expect(answer).toStartWith(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32`);
      }
    }
    expect(bridge.lines.filter((line) => line.includes("nested deeper than 512 levels")).length).toBe(8);
    const params = JSON.parse(nested(500, "1"));
    expect((await bridge.call("deep", params)).result).toEqual({ echo: params });
    expect(server.methods().filter((method) => method === "deep").length).toBe(1);
  },
);

for (const kind of cases(["JSON", "an event"])) {
  test(`a server's answer as ${kind} that is nested too deep is an error, and the next one arrives`, async () => {
    const { bridge } = await scriptedBridge((_seen, message, response) => {
      if (message?.method !== "deep") return;
      const deep = nested(message.params.levels);
      const text = message.params.first
        ? `{"jsonrpc":"2.0","id":${message.id},"result":{"a":${deep}}}`
        : `{"result":{"a":${deep}},"jsonrpc":"2.0","id":${message.id}}`;
      if (kind === "JSON") return void response.writeHead(200, { "content-type": "application/json" }).end(text);
      openStream(response);
      response.end(`data: ${text}\n\n`);
    });
    await bridge.initialize();
    for (const levels of [511, 5_000, 5_000_000]) {
      for (const first of [true, false]) {
        expect((await bridge.call("deep", { levels, first })).error?.message).toStartWith(
          "codemie-mcp-proxy: the server sent a message nested deeper than 512 levels, which was dropped",
        );
      }
    }
    const passed = await bridge.call("deep", { levels: 510, first: false });
    expect(JSON.stringify(passed.result.a)).toBe(nested(510));
  });
}

test("an answer to initialize that is nested too deep is an error, and the client can open again", async () => {
  let opened = 0;
  const { bridge } = await scriptedBridge((_seen, message, response) => {
    if (message?.method !== "initialize" || opened++ > 0) return;
    const text = `{"jsonrpc":"2.0","id":${message.id},"result":{"protocolVersion":${nested(100_000)}}}`;
    response.writeHead(200, { "content-type": "application/json" }).end(text);
  });
  expect((await bridge.initialize()).error.message).toContain("nested deeper");
  expect((await bridge.initialize()).result).toBeDefined();
  expect((await bridge.call("plain")).result).toBeDefined();
});
