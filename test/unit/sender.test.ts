import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Delta, newRecord, readRecord, writeRecord } from "../../src/tracking/record.ts";
import { withRecords } from "../../src/tracking/run.ts";
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

test("a metric that arrived, which could not be written down, is not sent again in this run", async () => {
  const home = mkdtempSync(join(tmpdir(), "codemie-test-"));
  const api = "https://codemie.example.com/api";
  const record = newRecord("s1", { agent: "claude", client: "c", cli: "1.0.0", api, profile: "default" }, 0);
  record.deltas.push({ id: "only", at: 0, name: "n", attributes: {} });
  await writeRecord(home, record);
  const sent: string[] = [];
  const send = async ({ id }: Delta): Promise<Answer> => {
    sent.push(id);
    return "taken";
  };
  const again = Promise.withResolvers<void>();
  let tries = 0;
  const now = () => {
    if (++tries === 1) throw new Error("no space left on device");
    again.resolve();
    return 7;
  };
  const sender = new MetricSender(home, "run-1", api, send, now);
  sender.look("s1");
  await again.promise;
  await sender.finish(60_000);
  expect(sent).toEqual(["only"]);
  expect(readRecord(home, "s1")?.deltas.map((one) => one.sent)).toEqual([7]);
  rmSync(home, { recursive: true });
});

test("a metric that arrived at the end of the time is written down, though another process has the records", async () => {
  const home = mkdtempSync(join(tmpdir(), "codemie-test-"));
  const api = "https://codemie.example.com/api";
  const record = newRecord("s1", { agent: "claude", client: "c", cli: "1.0.0", api, profile: "default" }, 0);
  for (const id of ["one", "two"]) record.deltas.push({ id, at: 0, name: "n", attributes: {} });
  await writeRecord(home, record);
  const held = Promise.withResolvers<void>();
  const isHeld = Promise.withResolvers<void>();
  const holder = withRecords(home, () => {
    isHeld.resolve();
    return held.promise;
  });
  await isHeld.promise;
  const sent: string[] = [];
  const arrived = Promise.withResolvers<void>();
  const send = async ({ id }: Delta): Promise<Answer> => {
    sent.push(id);
    arrived.resolve();
    return "taken";
  };
  const sender = new MetricSender(home, "run-1", api, send, () => 7);
  sender.look("s1");
  await arrived.promise;
  await new Promise(setImmediate);
  const finished = sender.finish(0);
  held.resolve();
  await finished;
  expect(sent).toEqual(["one"]);
  expect(readRecord(home, "s1")?.deltas.map((one) => one.sent)).toEqual([7, undefined]);
  await holder;
  rmSync(home, { recursive: true });
});
