import { expect, test } from "bun:test";
import { readEnvelope } from "../../src/mcp/message.ts";
import { PendingMessage } from "../../src/mcp/pending-message.ts";
import { silenceFor } from "../../src/mcp/transport.ts";

function pending(method: string): PendingMessage {
  const text = JSON.stringify({ jsonrpc: "2.0", id: 1, method });
  const envelope = readEnvelope(text);
  if (typeof envelope === "string") throw new Error(envelope);
  return new PendingMessage(text, envelope);
}

test("the user's time limit is that of initialize too, also one that is longer than ours; 0 is for ever", () => {
  for (const ms of [1_000, 300_000, 0]) {
    expect([silenceFor(pending("initialize"), ms), silenceFor(pending("tools/call"), ms)]).toEqual([ms, ms]);
  }
  expect([silenceFor(pending("initialize"), undefined), silenceFor(pending("tools/call"), undefined)]).toEqual([
    30_000, 600_000,
  ]);
});
