import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTls } from "node:tls";
import { Person } from "../support/codemie.ts";
import { certificateFor, listening } from "../support/corporate.ts";
import { startGateway } from "../support/gateway.ts";
import { soak } from "../support/soak.ts";
import { adasToken } from "../support/token.ts";

/**
 * Bodies both ways, framed, cut and delayed by chance, some given up in the middle: what arrives is what was sent, and
 * nobody waits for ever. `CODEMIE_TEST_SEED` repeats a run, `CODEMIE_TEST_ROUNDS` makes it longer.
 */
const seed = Number(process.env.CODEMIE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const rounds = Number(process.env.CODEMIE_TEST_ROUNDS ?? soak(30, 1_000));

/** Numbers by chance that a seed repeats (mulberry32). */
function chance(start: number) {
  let state = start;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  const bytes = (length: number) => {
    const filled = Buffer.alloc(length);
    for (let at = 0; at + 4 <= length; at += 4) filled.writeUInt32LE((next() * 4294967296) >>> 0, at);
    return filled;
  };
  const one = <T>(...choices: T[]): T => choices[below(choices.length)] as T;
  return { below, bytes, one };
}

const hashOf = (...parts: Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

/** What the host shall do with the request of this id. */
interface Plan {
  readonly body: Buffer;
  readonly framing: "length" | "chunks" | "close";
  /** longest piece it writes at once, bytes */
  readonly cut: number;
  readonly pauseMs: number;
  /** sha256 of the request's body, once it came */
  readonly arrived: PromiseWithResolvers<string>;
}
const plans = new Map<string, Plan>();

/** Reads requests off a connection, in their order, and answers each as planned. */
function host(socket: Socket): void {
  let kept: Buffer = Buffer.alloc(0);
  let busy = Promise.resolve();
  socket.on("error", () => undefined);
  socket.on("data", (data: Buffer) => {
    kept = Buffer.concat([kept, data]);
    for (;;) {
      const end = kept.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = kept.toString("latin1", 0, end);
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
      const isChunked = /^transfer-encoding: chunked$/im.test(head);
      const body = isChunked ? wholeChunks(kept.subarray(end + 4)) : sized(kept, end + 4, length);
      if (!body) return;
      kept = kept.subarray(end + 4 + body.taken);
      const plan = plans.get(/^x-plan: (\S+)$/im.exec(head)?.[1] ?? "");
      if (!plan) {
        socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]");
        continue;
      }
      plan.arrived.resolve(hashOf(body.bytes));
      busy = busy.then(() => answer(socket, plan)).catch(() => undefined);
    }
  });
}

const sized = (bytes: Buffer, at: number, length: number) =>
  bytes.length < at + length ? undefined : { bytes: bytes.subarray(at, at + length), taken: length };

function wholeChunks(bytes: Buffer): { bytes: Buffer; taken: number } | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
    const end = line + 2 + size + 2;
    if (bytes.length < end) return undefined;
    if (size === 0) return { bytes: Buffer.concat(parts), taken: end };
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = end;
  }
}

async function answer(socket: Socket, { body, framing, cut, pauseMs }: Plan): Promise<void> {
  const says = { length: `Content-Length: ${body.length}`, chunks: "Transfer-Encoding: chunked", close: "X-A: b" };
  const pieces: Buffer[] = [
    Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n${says[framing]}\r\n\r\n`),
  ];
  for (let at = 0; at < body.length; at += cut) {
    const piece = body.subarray(at, at + cut);
    pieces.push(
      framing === "chunks"
        ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")])
        : piece,
    );
  }
  if (framing === "chunks") pieces.push(Buffer.from("0\r\n\r\n"));
  for (const piece of pieces) {
    if (socket.destroyed) return;
    if (!socket.write(piece)) await drained(socket);
    if (pauseMs > 0) await Bun.sleep(pauseMs);
  }
  if (framing === "close") socket.end();
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

let servers: Server[] = [];
let certificate = "";
beforeAll(async () => {
  const pair = await certificateFor("127.0.0.1");
  certificate = pair.cert;
  servers = [createServer(host), createTls({ key: pair.private, cert: pair.cert }, host)];
});
afterAll(() => {
  for (const server of servers) server.close();
});

for (const [index, scheme] of ["http", "https"].entries()) {
  test(`${scheme}: what arrives is what was sent (seed ${seed})`, async () => {
    const { below, bytes, one } = chance(seed + index);
    const person = new Person();
    await Bun.write(`${person.root}/ca.pem`, certificate);
    const origin = `${scheme}://127.0.0.1:${await listening(servers[index] as Server)}`;
    const env = { CODEMIE_JWT_TOKEN: adasToken, CODEMIE_URL: origin, CODEMIE_CA_CERTS: `${person.root}/ca.pem` };
    const gateway = await startGateway(person, ["--model", "m"], env);

    const once = async (id: string) => {
      const sizes = [0, 1, 300, 16_384, 16_385, 70_000, 300_000, 2_000_000] as const;
      const plan: Plan = {
        body: bytes(one(...sizes)),
        framing: one("length", "chunks", "chunks", "close"),
        cut: one(97, 5_000, 16_384, 65_537, 300_000),
        pauseMs: one(0, 0, 0, 1),
        arrived: Promise.withResolvers(),
      };
      if (plan.body.length / plan.cut > 500) return;
      plans.set(id, plan);
      const up = bytes(one(0, 2, 300, 130_000, 1_000_000));
      const stream = () =>
        new ReadableStream<Uint8Array<ArrayBuffer>>({
          async start(controller) {
            for (let at = 0; at < up.length; at += 60_000) {
              controller.enqueue(up.subarray(at, at + 60_000));
              await Bun.sleep(0);
            }
            controller.close();
          },
        });
      const controller = new AbortController();
      const init = { headers: { "x-plan": id }, signal: controller.signal, body: one(true, false) ? up : stream() };
      const response = await gateway.post(init);
      expect(await plan.arrived.promise).toBe(hashOf(up));
      const givesUp = below(8) === 0;
      const pace = one(0, 0, 1);
      const parts: Uint8Array[] = [];
      for await (const piece of response.body ?? []) {
        parts.push(piece);
        if (givesUp) {
          controller.abort();
          return;
        }
        if (pace > 0) await Bun.sleep(pace);
      }
      const got = { id, plan: `${plan.framing} ${plan.cut}`, length: parts.reduce((sum, one) => sum + one.length, 0) };
      expect(got).toEqual({ ...got, length: plan.body.length });
      expect(hashOf(...parts)).toBe(hashOf(plan.body));
    };
    for (let round = 0; round < rounds; round++) {
      await Promise.all(
        Array.from({ length: 1 + below(6) }, (_, n) =>
          once(`${scheme}-${round}-${n}`).catch((error: unknown) => {
            if (!(error instanceof Error && error.name === "AbortError")) throw error;
          }),
        ),
      );
    }
    await gateway.stopQuietly();
  });
}
