import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Delta, newRecord, readRecord, writeRecord } from "../../src/tracking/record.ts";
import { type Answer, MetricSender } from "../../src/tracking/sender.ts";

/** The sending of metrics. */

test("a metric that is made while the one before it is sent goes too", async () => {
  const home = mkdtempSync(join(tmpdir(), "codemie-test-"));
  const api = "https://codemie.example.com/api";
  const facts = { agent: "claude", client: "codemie-claude", cli: "1.0.0", api, profile: "default" };
  const make = async (id: string) => {
    const record = readRecord(home, "s1") ?? newRecord("s1", facts, 0);
    record.deltas.push({ id, at: 0, name: "n", attributes: {} });
    await writeRecord(home, record);
  };
  const sent: string[] = [];
  const send = async ({ id }: Delta): Promise<Answer> => {
    sent.push(id);
    if (id === "first") {
      await make("second");
      sender.look("s1");
    }
    return "taken";
  };
  const sender = new MetricSender(home, "run-1", api, send, () => 0);
  await make("first");
  sender.look("s1");
  await sender.finish(60_000);
  expect(sent).toEqual(["first", "second"]);
  expect(readRecord(home, "s1")?.deltas.map((one) => one.sent)).toEqual([0, 0]);
  rmSync(home, { recursive: true });
});
