import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import type { Contestant } from "./contestants.ts";

/**
 * Memory of a contestant now, bytes: all that is resident, or what is its own alone, without the program's code, which
 * processes share.
 */
export function memoryOf({ pids }: Contestant, what: "VmRSS" | "RssAnon" = "VmRSS"): number {
  const line = new RegExp(`${what}:\\s+(\\d+) kB`);
  const one = (pid: number) => line.exec(Bun.spawnSync(["cat", `/proc/${pid}/status`]).stdout.toString());
  return pids.reduce((sum, pid) => sum + Number(one(pid)?.[1] ?? 0) * 1024, 0);
}

/** Processor time all threads of a contestant have had so far, ns. A thread that ends takes its own with it. */
export function processorTime({ pids }: Contestant): number {
  const one = (thread: string) => {
    try {
      return Number(readFileSync(`${thread}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      return 0; // it ended between the listing and the reading
    }
  };
  const threads = pids.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((id) => `/proc/${pid}/task/${id}`));
  return threads.reduce((sum, thread) => sum + one(thread), 0);
}

/** Runs `work` and returns by how much the contestant's memory rose at most meanwhile, bytes. */
export async function growth(contestant: Contestant, work: () => Promise<unknown>): Promise<number> {
  const before = memoryOf(contestant);
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, memoryOf(contestant));
  }, 50);
  await work();
  clearInterval(timer);
  return Math.max(peak, memoryOf(contestant)) - before;
}

const call = '{"model":"model","max_tokens":10,"messages":[{"role":"user","content":"hello"}]}';
const script = `wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '${call}'
`;

/** Small answers as fast as they come, by wrk. */
export function smallAnswers(
  { name, url, headers }: Contestant,
  connections: number,
  seconds: number,
  folder: string,
): { rps: number; p50: number; p99: number } {
  const file = join(folder, "post.lua");
  writeFileSync(file, script);
  const extra = Object.entries(headers).flatMap(([header, value]) => ["-H", `${header}: ${value}`]);
  const command = [
    "wrk",
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "--latency",
    "-s",
    file,
    ...extra,
    `${url}/v1/messages`,
  ];
  const text = Bun.spawnSync(command).stdout.toString();
  if (/Non-2xx|Socket errors/.test(text)) throw new Error(`${name}: ${text}`);
  const ms = (percent: string) => {
    const [, value, unit = ""] = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? [];
    return Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN);
  };
  return { rps: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]), p50: ms("50"), p99: ms("99") };
}

/**
 * Opens connections on which small answers are asked for, the next one as soon as one has come.
 *
 * @returns asks for so many, all connections together; keeps when all have come
 */
export async function keptConnections({ name, url, headers }: Contestant, count: number) {
  const { hostname, port, host, pathname, search } = new URL(`${url}/v1/messages`);
  const all = { Host: host, "content-type": "application/json", "content-length": String(call.length), ...headers };
  const lines = Object.entries(all).map(([header, value]) => `${header}: ${value}\r\n`);
  const bytes = `POST ${pathname}${search} HTTP/1.1\r\n${lines.join("")}\r\n${call}`;
  let [toAsk, toCome] = [0, 0];
  let done = Promise.withResolvers<void>();
  const ask = (socket: Socket) => {
    if (toAsk-- > 0) socket.write(bytes);
  };
  const opened = Array.from({ length: count }, async () => {
    const socket = connect(Number(port), hostname);
    let text = "";
    socket.on("data", (data) => {
      text += data.toString("latin1");
      const head = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(text.slice(0, head))?.[1]);
      if (head < 0 || text.length < head + 4 + length) return;
      if (!text.startsWith("HTTP/1.1 200 ")) done.reject(new Error(`${name}: ${text}`));
      text = "";
      if (--toCome === 0) done.resolve();
      ask(socket);
    });
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    socket.on("close", () => done.reject(new Error(`${name} closed a connection`)));
    return socket;
  });
  const sockets = await Promise.all(opened);
  return async (requests: number): Promise<void> => {
    [toAsk, toCome, done] = [requests, requests, Promise.withResolvers<void>()];
    for (const socket of sockets) ask(socket);
    await done.promise;
  };
}

/** Sends one request over a socket of its own; the caller reads. */
async function request({ url, headers }: Contestant, bench: string, length?: number): Promise<Socket> {
  const { hostname, port, host, pathname, search } = new URL(`${url}/v1/responses`);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const all = { Host: host, "x-bench": bench, "Content-Length": String(length ?? 0), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`POST ${pathname}${search} HTTP/1.1\r\n${lines.join("")}\r\n`);
  return socket;
}

const now = () => performance.timeOrigin + performance.now();

/** Reads a slow event stream. Returns ms to its first event beyond the upstream's own wait, and ms each event took. */
export async function eventStream(contestant: Contestant, count: number, everyMs: number) {
  const asked = now();
  const socket = await request(contestant, `events ${count} ${everyMs}`);
  let first = 0;
  const delays: number[] = [];
  for await (const chunk of socket) {
    const arrived = now();
    if (chunk.includes("data:")) first ||= arrived - asked - everyMs;
    for (const [, sent] of chunk.toString().matchAll(/data: ([\d.]+)/g)) delays.push(arrived - Number(sent));
    if (delays.length === count) break;
  }
  return { first, delays };
}

/** Opens a stream, gives it up, and returns after how many ms the upstream saw that. */
export async function abortSeen(contestant: Contestant, origin: string): Promise<number> {
  const id = crypto.randomUUID();
  const socket = await request(contestant, `hold ${id}`);
  await new Promise((resolve) => socket.once("data", resolve));
  await Bun.sleep(20);
  const left = now();
  socket.destroy();
  for (let tries = 0; tries < 400; tries++) {
    const seen = (await (await fetch(`${origin}/abandoned/${id}`)).json()) as number | null;
    if (seen !== null) return seen - left;
    await Bun.sleep(5);
  }
  return Number.NaN;
}

/** Holds streams open at once. Returns memory per stream in bytes. */
export async function heldStreams(contestant: Contestant, origin: string, count: number): Promise<number> {
  const sockets: Socket[] = [];
  const before = memoryOf(contestant);
  let after = before;
  try {
    for (let n = 0; n < count; n += 50) {
      const opened = await Promise.all(
        Array.from({ length: 50 }, () => request(contestant, `hold ${crypto.randomUUID()}`)),
      );
      sockets.push(...opened);
      await Promise.all(opened.map((socket) => new Promise((resolve) => socket.once("data", resolve))));
    }
    const open = (await (await fetch(`${origin}/open`)).json()) as number;
    if (open < count) throw new Error(`${contestant.name}: ${open} of ${count} streams are open`);
    after = memoryOf(contestant);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  return (after - before) / count;
}

/** Keeps a stream open for as long as the benchmark runs. */
export async function holdOne(contestant: Contestant): Promise<void> {
  const socket = await request(contestant, `hold ${crypto.randomUUID()}`);
  await new Promise((resolve) => socket.once("data", resolve));
}

/** Downloads, pausing so that no more than `perSecond` bytes arrive each second. Returns bytes per second. */
export async function download(
  contestant: Contestant,
  bytes: number,
  perSecond = Number.POSITIVE_INFINITY,
): Promise<number> {
  const start = performance.now();
  const socket = await request(contestant, `download ${bytes}`);
  let got = 0;
  for await (const chunk of socket) {
    got += chunk.length;
    if (got >= bytes && chunk.subarray(-5).toString() === "0\r\n\r\n") break;
    const early = (got / perSecond) * 1000 - (performance.now() - start);
    if (early > 5) await Bun.sleep(early);
  }
  if (got < bytes) throw new Error(`${contestant.name}: ${got} of ${bytes} bytes came`);
  return bytes / ((performance.now() - start) / 1000);
}

/** Uploads as fast as it is taken. Returns bytes per second. */
export async function upload(contestant: Contestant, bytes: number): Promise<number> {
  const piece = Buffer.alloc(256 * 1024, "x");
  const start = performance.now();
  const socket = await request(contestant, "upload", bytes);
  const answer = new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
  for (let left = bytes; left > 0; left -= piece.length) {
    const more = socket.write(left >= piece.length ? piece : piece.subarray(0, left));
    if (!more) await new Promise((resolve) => socket.once("drain", resolve));
  }
  const text = await answer;
  if (!text.includes(`{"bytes":${bytes}}`)) throw new Error(`${contestant.name}: ${text}`);
  socket.destroy();
  return bytes / ((performance.now() - start) / 1000);
}
