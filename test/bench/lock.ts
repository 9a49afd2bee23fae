/**
 * What the lock costs, against flock(1) in the same run: alone, and when 2, 20 and 200 processes wait for it. Each crowd
 * waits until all of it is in the queue; the time is from the release to the end of its last process. A waiter's share of a
 * processor is measured over some seconds of waiting. Medians; the numbers are kept in dist/bench-lock.json.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withLock } from "../../src/platform/lock.ts";
import { replaceSection } from "../support/document.ts";
import { Worker } from "../support/worker.ts";

const folder = mkdtempSync(join(tmpdir(), "codemie-bench-"));
const run = join(folder, "run");
mkdirSync(run, { mode: 0o700 });
const file = join(run, "bench.lock");
const theirs = join(folder, "flock");
const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const timed = async (work: () => Promise<unknown>) => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};
const several = async (count: number, work: () => Promise<number>) => {
  const times: number[] = [];
  for (let i = 0; i < count; i++) times.push(await work());
  return median(times);
};

/** Waits until something is true. The system tells nobody when a process begins to wait for a lock of flock(1). */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await Bun.sleep(5);
}

const nothing = async () => undefined;
const ours = async () => timed(() => withLock(file, "the bench", nothing));
const warm = await several(500, ours);
const spawned = (command: string[]) => async () =>
  timed(async () => {
    if ((await Bun.spawn(command).exited) !== 0) throw new Error(`${command.join(" ")} failed`);
  });
const flock = await several(100, spawned(["flock", theirs, "true"]));
const plain = await several(100, spawned(["true"]));
const script = `const { withLock } = await import(${JSON.stringify(join(import.meta.dir, "../../src/platform/lock.ts"))});
const start = performance.now();
await withLock(${JSON.stringify(file)}, "the bench", async () => undefined);
console.log(performance.now() - start);`;
const first = await several(20, async () => Number(Bun.spawnSync([process.execPath, "-e", script]).stdout.toString()));

async function drainOurs(waiters: number): Promise<number> {
  const holder = new Worker("lock-worker.ts", [file, "hold=end"]);
  await holder.says("held");
  const crowd = Array.from({ length: waiters }, () => new Worker("lock-worker.ts", [file, "patience=600000"]));
  await until(() => readdirSync(run).filter((name) => name.startsWith("bench.lock.")).length === waiters + 1);
  return await timed(async () => {
    holder.end();
    const codes = await Promise.all(crowd.map(({ ended }) => ended));
    if (codes.some((code) => code !== 0)) throw new Error("a waiter failed");
  });
}

async function drainTheirs(waiters: number): Promise<number> {
  const holder = Bun.spawn(["flock", theirs, "cat"], { stdin: "pipe", stdout: "ignore" });
  const inode = statSync(theirs).ino;
  const locks = (pattern: RegExp) =>
    readFileSync("/proc/locks", "utf8")
      .split("\n")
      .filter((line) => line.includes(`:${inode} `) && pattern.test(line)).length;
  await until(() => locks(/^\d+: FLOCK/) === 1);
  const crowd = Array.from({ length: waiters }, () => Bun.spawn(["flock", theirs, "true"]));
  await until(() => locks(/^\d+: +-> FLOCK/) === waiters);
  return await timed(async () => {
    holder.stdin.end();
    await Promise.all(crowd.map(({ exited }) => exited));
  });
}

const crowds: { waiters: number; oursMs: number; flockMs: number }[] = [];
for (const waiters of [2, 20, 200]) {
  const rounds = waiters === 200 ? 3 : 7;
  const oursMs = await several(rounds, () => drainOurs(waiters));
  const flockMs = await several(rounds, () => drainTheirs(waiters));
  crowds.push({ waiters, oursMs, flockMs });
}

const seconds = 10;
/** Processor time of a process until now, ms (proc(5): the clock ticks 100 times a second). */
const cpuMs = (pid: number) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
};
const holder = new Worker("lock-worker.ts", [file, "hold=end"]);
await holder.says("held");
const waiting = Array.from({ length: 20 }, () => new Worker("lock-worker.ts", [file, "patience=600000"]));
await until(() => readdirSync(run).filter((name) => name.startsWith("bench.lock.")).length === 21);
await Bun.sleep(1_000);
const before = waiting.map(({ pid }) => cpuMs(pid));
await Bun.sleep(seconds * 1_000);
const shares = waiting.map(({ pid }, i) => (cpuMs(pid) - (before[i] ?? 0)) / (seconds * 10));
holder.end();
await Promise.all(waiting.map(({ ended }) => ended));
const share = shares.reduce((sum, one) => sum + one, 0) / shares.length;

const row = (...cells: string[]) => `| ${cells.join(" | ")} |`;
const table = [
  row("", "codemie", "`flock(1)`", "ratio"),
  row("---", "---", "---", "---"),
  row("alone", `${warm.toFixed(2)} ms`, `${(flock - plain).toFixed(2)} ms`, (warm / (flock - plain)).toFixed(2)),
  row("alone, the first time in a process", `${first.toFixed(1)} ms`, "", ""),
  ...crowds.map(({ waiters, oursMs, flockMs }) =>
    row(
      `${waiters} waiters, each`,
      `${(oursMs / waiters).toFixed(2)} ms`,
      `${(flockMs / waiters).toFixed(2)} ms`,
      (oursMs / flockMs).toFixed(2),
    ),
  ),
  row("a waiter's share of a processor", `${share.toFixed(2)} %`, "0 %", ""),
];
console.log(table.join("\n"));
for (const file of ["docs/performance.md", "README.md"]) await replaceSection(file, "bench-lock", table.join("\n"));
const numbers = { warmMs: warm, firstMs: first, flockMs: flock, trueMs: plain, crowds, waiterShare: shares };
await Bun.write(join(import.meta.dir, "../../dist/bench-lock.json"), JSON.stringify(numbers, null, 2));
rmSync(folder, { recursive: true });
