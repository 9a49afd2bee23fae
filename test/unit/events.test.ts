import { expect, test } from "bun:test";
import { createParser } from "eventsource-parser";
import { type Position, readEvents, type StreamEvent } from "../../src/mcp/events.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A body that has all its chunks already. */
function bodyOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

interface Outcome {
  readonly events: readonly StreamEvent[];
  readonly count: number;
  readonly position: Position;
}

async function ours(chunks: readonly Uint8Array[]): Promise<Outcome> {
  const events: StreamEvent[] = [];
  const position: Position = {};
  const count = await readEvents(bodyOf(chunks), position, async (event) => void events.push(event));
  return { events, count, position };
}

function isObject(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

/** How the package reads the same bytes. */
function theirs(bytes: Uint8Array): Outcome {
  const events: StreamEvent[] = [];
  const position: Position = {};
  let count = 0;
  let atEnd = false;
  const parser = createParser({
    onEvent({ id, event, data }) {
      if (atEnd && !isObject(data)) return;
      count++;
      if (id !== undefined) position.lastEventId = id;
      if (data !== "") events.push({ type: event ?? "message", data });
    },
    onRetry(ms) {
      position.retryMs = Math.min(60_000, Math.max(500, ms));
    },
  });
  parser.feed(new TextDecoder().decode(bytes));
  // Ours takes a last event without its blank line if it is whole.
  atEnd = true;
  parser.feed("\n\n");
  return { events, count, position };
}

/** @returns numbers from 0 to below `below`, the same in every run */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const data = [
  "data",
  "data:",
  "data: ",
  "data:  two blanks",
  "data:x",
  'data: {"a":1}',
  "data: a:b",
  "data: ж€😀",
  "data:\t",
];
const others = [
  ...[":", ": a comment", "event", "event:", "event: message", "event: endpoint", "event:x"],
  ...["retry", "retry:", "retry: 700", "retry:1", "retry: 99999999999999999999999", "retry: 7x", "retry: -7"],
  ...["x", "x: y", "datax", "dat", "Data: x", " data: x", "data : x", "идентификатор: x", "\uFEFFdata: x", "\0"],
];
const ids = ["id", "id:", "id: 1", "id:abc", "id: ж", "id: a\0b"];

/** @returns a stream of a few events, by chance */
function makeStream(roll: (below: number) => number): Buffer {
  const one = <T>(list: readonly T[]): T => list[roll(list.length)] as T;
  const ends = one([["\n"], ["\r"], ["\r\n"], ["\n", "\r", "\r\n"]]);
  const parts: Uint8Array[] = roll(4) === 0 ? [encode("\uFEFF")] : [];
  const line = (text: string, ...broken: number[]) => {
    parts.push(encode(text), Uint8Array.from(broken), encode(one(ends)));
  };
  for (let events = roll(5); events >= 0; events--) {
    // The standard keeps the id of an event without data, the package does not: such events get no id here.
    const hasData = roll(4) > 0;
    for (let lines = roll(4); lines > 0; lines--) line(one(hasData && roll(3) === 0 ? ids : others));
    if (roll(5) === 0) line(": not UTF-8", 0xe2, 0x82);
    for (let lines = hasData ? 1 + roll(3) : 0; lines > 0; lines--) line(one(data));
    if (hasData && roll(5) === 0) line("data: not UTF-8", 0xff, 0xe2, 0x82);
    line("");
  }
  // No CR at the end: the package would wait for the byte behind it.
  parts.push(encode(one([": no end", "data: no end", "id: no end"])));
  return Buffer.concat(parts);
}

/** @returns the bytes in pieces of many lengths */
function cut(bytes: Buffer, roll: (below: number) => number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const longest = [1, 4, 40][roll(3)] ?? 1;
  for (let from = 0; from < bytes.length; ) {
    const to = from + 1 + roll(longest);
    chunks.push(bytes.subarray(from, to));
    from = to;
  }
  return chunks;
}

test("every stream is read as eventsource-parser reads it, wherever it is cut", async () => {
  const roll = dice(13);
  for (let i = 0; i < 5_000; i++) {
    const bytes = makeStream(roll);
    const stream = bytes.toString("latin1");
    expect({ stream, ...(await ours(cut(bytes, roll))) }).toEqual({ stream, ...theirs(bytes) });
  }
});

test("a CR ends its line immediately, at the end of the stream too", async () => {
  expect(await ours([encode("data: 1\r\r")])).toEqual({
    events: [{ type: "message", data: "1" }],
    count: 1,
    position: {},
  });
});

test("an id counts without data, but not before the end of its event", async () => {
  expect((await ours([encode("id: 1\n\nid: 2\n")])).position).toEqual({ lastEventId: "1" });
});

test("an event without data is counted, and not handed over", async () => {
  expect(await ours([encode("id: 7\ndata\n\n")])).toEqual({ events: [], count: 1, position: { lastEventId: "7" } });
});

const size = 512 * 1024;
const fill = (block: string) => Buffer.alloc(size, block);
const dense: Record<string, Buffer> = {
  "unknown fields": fill("x\n"),
  comments: fill(":\n"),
  "empty lines": fill("\n"),
  "empty lines by CR": fill("\r"),
  "a CR behind many lines": Buffer.concat([fill("\n"), Buffer.from("\r\r:")]),
  "invalid pauses": fill("retry: x\n"),
  "lines of data": fill("data:\n"),
  "small events": fill("data:x\n\n"),
};

/** @returns how often the event loop goes round while these chunks, which are there already, are read */
async function roundsWhileReading(chunks: readonly Uint8Array[]): Promise<number> {
  let rounds = 0;
  let isReading = true;
  const count = () => {
    rounds++;
    if (isReading) setImmediate(count);
  };
  setImmediate(count);
  await ours(chunks);
  isReading = false;
  return rounds;
}

for (const [what, body] of Object.entries(dense)) {
  test(`${what}: the event loop goes round while a large chunk is read`, async () => {
    expect(await roundsWhileReading([body])).toBeGreaterThan(5);
  });
}

test("the event loop goes round while many small chunks are read that are there already", async () => {
  const small = Array.from({ length: 2_048 }, () => Buffer.alloc(256, "data:x\n\n"));
  expect(await roundsWhileReading(small)).toBeGreaterThan(5);
});

test("an event longer than the limit is an error; one that is shorter is whole, however it is cut", async () => {
  const line = encode(`data: ${"x".repeat(1_000_000)}\n`);
  const pieces = (count: number) => Array.from({ length: count }, () => line);
  expect((await ours([...pieces(3), encode("\n")])).events[0]?.data.length).toBe(3_000_002);
  expect(await ours(pieces(70)).catch((error: Error) => error.message)).toContain("longer than 67108864 bytes");
});

test("a type of any length is no type that we know, and an id of any length is not kept", async () => {
  const { events, position } = await ours([
    encode(`event: message${" ".repeat(9_999)}\nid: ${"x".repeat(1_025)}\ndata: x\n\n`),
  ]);
  expect(events[0]?.type.length).toBe(1_024);
  expect(position).toEqual({ lastEventId: "" });
});
