import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nextRound } from "../../src/core/time.ts";
import { waitForChange } from "../../src/platform/files.ts";
import { isLocked, withLock } from "../../src/platform/lock.ts";
import { inNamespace, testWithMounts } from "../support/namespace.ts";
import { goesOn } from "../support/processes.ts";
import { soak } from "../support/soak.ts";
import { cases, ciTest } from "../support/tiers.ts";
import { Worker, workerCommand } from "../support/worker.ts";

/** Threat: a process that is slow, stopped, dead or unlucky keeps others from their logins, or two change one at a time. */

let root: string;
let run: string;
let lock: string;
let workers: Worker[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "codemie-lock-"));
  run = join(root, "run");
  lock = join(run, "thing.lock");
  mkdirSync(run, { mode: 0o700 });
  workers = [];
});
afterEach(async () => {
  for (const worker of workers) worker.kill("SIGKILL");
  await Promise.all(workers.map((worker) => worker.ended));
  rmSync(root, { recursive: true });
});

const start = (...words: string[]): Worker => {
  const worker = new Worker("lock-worker.ts", [lock, ...words]);
  workers.push(worker);
  return worker;
};
/** However long it takes on this machine until all of them have started. */
const patient = "patience=600000";
const tickets = () => readdirSync(run).filter((name) => name.startsWith("thing.lock."));
/** Resolves once so many callers hold the lock or wait for it. */
const queued = async (count: number) => {
  const isThere = waitForChange(run, 60_000, async () => tickets().length === count);
  const died = Promise.race(workers.map((worker) => worker.ended.then(() => worker.output)));
  expect(await Promise.race([isThere, died])).toBe(true);
};
/** Starts a process that holds the lock, and some that wait, one after the other. */
async function queue(count: number, ...words: string[]): Promise<[Worker, ...Worker[]]> {
  const holder = start("hold=end");
  await holder.says("held");
  const waiting: Worker[] = [];
  for (let i = 0; i < count; i++) {
    waiting.push(start("hold=end", patient, ...words));
    await queued(2 + i);
  }
  return [holder, ...waiting];
}

test("12 processes are served in the order they came", async () => {
  const line = await queue(12);
  for (const [i, one] of line.entries()) {
    await one.says("held");
    expect(line.slice(i + 1).some((later) => later.output.includes("held"))).toBe(false);
    one.end();
    await one.says("released");
  }
  await Promise.all(line.map(({ ended }) => ended));
  expect(readdirSync(run)).toEqual(["thing.lock"]);
});

test("two callers in one process: they do not let another process in", async () => {
  let isOver = false;
  await withLock(lock, "it", async () => {
    const second = withLock(lock, "it", async () => isOver);
    const other = start();
    await queued(3);
    expect(await isLocked(lock)).toBe(true);
    expect(other.output).not.toContain("held");
    isOver = true;
    void second.then((saw) => expect(saw).toBe(true));
  });
  await workers[0]?.says("released");
});

test("whoever leaves or dies wakes the next one: nobody has to look now and then", async () => {
  const count = join(root, "count");
  writeFileSync(count, "0");
  const holder = start("hold=end");
  await holder.says("held");
  const crowd = Array.from({ length: 6 }, () => start("times=20", `count=${count}`, patient, "events"));
  await queued(121);
  // A connection to a process that dies in that moment may never end (Bun 1.4); only a timer helps then.
  for (const one of crowd) await one.says("all connected and asleep");
  holder.kill("SIGKILL");
  crowd[0]?.kill("SIGKILL");
  for (const one of crowd.slice(1)) expect(await one.ended).toBe(0);
  expect(Number(readFileSync(count, "utf8"))).toBeGreaterThanOrEqual(100);
});

const waiters = soak(200, 1_000);

test(`${waiters} waiters: everyone has a turn, one at a time, and nothing is left behind`, async () => {
  const count = join(root, "count");
  writeFileSync(count, "0");
  const holder = start("hold=end");
  await holder.says("held");
  const crowd = Array.from({ length: 10 }, () => start(`times=${waiters / 10}`, `count=${count}`, patient));
  await queued(waiters + 1);
  holder.end();
  for (const one of crowd) expect(await one.ended).toBe(0);
  expect(readFileSync(count, "utf8")).toBe(String(waiters));
  expect(readdirSync(run)).toEqual(["thing.lock"]);
}, 300_000);

ciTest(
  "patience is for a holder that does not change: 8 in turn outlast it together, and nobody gives up",
  async () => {
    const crowd = Array.from({ length: 8 }, () => start("hold=500", "patience=3000"));
    for (const one of crowd) expect(await one.ended).toBe(0);
    for (const one of crowd) expect(one.output).toContain("released");
  },
);

test("a holder that is killed, also one whose child lives on, is followed at once by the next", async () => {
  const holder = start("hold=end", "child");
  const child = Number((await holder.says(/child (\d+)/))[1]);
  const next = start("events");
  await queued(2);
  holder.kill("SIGKILL");
  await next.says("released");
  expect(goesOn(child)).toBe(true);
  process.kill(child, "SIGKILL");
});

for (const which of cases(["at the head", "in the middle"] as const)) {
  test(`a waiter that is killed ${which} of the queue delays nobody`, async () => {
    const [holder, first, second, third] = await queue(3, "events");
    const victim = which === "at the head" ? first : second;
    const left = [first, second, third].filter((one) => one !== victim);
    victim?.kill("SIGKILL");
    await victim?.ended;
    holder.end();
    for (const one of left) {
      await one?.says("held");
      one?.end();
    }
    await third?.says("released");
    expect(tickets()).toEqual([]);
  });
}

test("a holder that is stopped: who waits is told which process it is, and it loses nothing", async () => {
  const [holder, waiting] = await queue(1, "patience=1500");
  holder.kill("SIGSTOP");
  const said = "vault_locked: the thing has been locked by another codemie for 2 s; end process PID or try again";
  await waiting?.says(said.replace("PID", String(holder.pid)));
  holder.kill("SIGCONT");
  holder.end();
  await holder.says("released");
});

test("a holder that met nobody is in the queue as its holder from the first moment", async () => {
  const names: string[] = [];
  const watcher = watch(run, (_event, name) => void names.push(String(name)));
  const seen = () => [...new Set(names.filter((name) => name.startsWith("thing.lock.")))];
  await withLock(lock, "it", () => queued(1));
  while (seen().length === 0) await nextRound();
  watcher.close();
  expect(seen()).toEqual([expect.stringMatching(/^thing\.lock\.0{10}\./)]);
});

ciTest(
  "a holder that is stopped at once, before it queued: all who wait are told so, each after its own patience",
  async () => {
    const holder = start("hold=end");
    await holder.says("held");
    holder.kill("SIGSTOP");
    // as if it had been stopped in its first moments
    for (const ticket of tickets()) rmSync(join(run, ticket));
    const crowd = Array.from({ length: 15 }, () => start("patience=2000"));
    const began = performance.now();
    for (const one of crowd) await one.says("vault_locked: the thing has been locked by another codemie for 2 s; ");
    // one after the other, they would take fifteen times their patience
    expect(performance.now() - began).toBeLessThan(25_000);
    holder.kill("SIGCONT");
    holder.end();
    await holder.says("released");
  },
);

ciTest("waiters that are stopped keep nobody waiting, and have their turn when they go on", async () => {
  const [holder, first, second, third] = await queue(3);
  first?.kill("SIGSTOP");
  second?.kill("SIGSTOP");
  holder.end();
  await third?.says("held");
  first?.kill("SIGCONT");
  second?.kill("SIGCONT");
  third?.end();
  for (const one of [first, second]) one?.end();
  for (const one of [first, second, third]) await one?.says("released");
});

ciTest("a machine that sleeps: the time does not count against a holder that slept too", async () => {
  const [holder, waiting] = await queue(1, "patience=4000");
  const all = [holder, waiting];
  for (const one of all) one?.kill("SIGSTOP");
  await Bun.sleep(6_000); // the sleep itself is what is tested
  for (const one of all) one?.kill("SIGCONT");
  holder.end();
  await waiting?.says("held");
});

test("a clock that jumps changes neither order nor patience", async () => {
  const line = await queue(4, "clock");
  for (const one of line) {
    await one.says("held");
    one.end();
    await one.says("released");
  }
});

test("processes that can open no socket have their turn too", async () => {
  const count = join(root, "count");
  writeFileSync(count, "0");
  const crowd = Array.from({ length: 10 }, (_, i) => start("times=3", `count=${count}`, ...(i % 2 ? ["deaf"] : [])));
  for (const one of crowd) expect(await one.ended).toBe(0);
  expect(readFileSync(count, "utf8")).toBe("30");
});

test("processes that are killed and stopped at random: one at a time all the same", async () => {
  const count = join(root, "count");
  writeFileSync(count, "0");
  const crowd = Array.from({ length: 12 }, () => start(`times=${soak(10, 40)}`, `count=${count}`));
  const victims = crowd.slice(0, 6);
  for (const victim of victims) {
    await victim.says("held");
    victim.kill("SIGSTOP");
    await Bun.sleep(Math.random() * 50); // any moment will do
    victim.kill(Math.random() < 0.5 ? "SIGKILL" : "SIGCONT");
  }
  await Promise.all(crowd.map(({ ended }) => ended));
  const released = crowd.reduce((sum, { output }) => sum + output.split("released\n").length - 1, 0);
  const killed = crowd.filter(({ signal }) => signal !== null).length;
  const counted = Number(readFileSync(count, "utf8"));
  // One that was killed may have counted without having said so.
  expect(counted).toBeGreaterThanOrEqual(released);
  expect(counted).toBeLessThanOrEqual(released + killed * 2);
  expect(crowd.some(({ output }) => output.includes("vault_locked"))).toBe(false);
  await withLock(lock, "it", async () => undefined);
  expect(tickets()).toEqual([]);
}, 300_000);

test("a lock's file that is a link, a folder or another user's is refused, and left as it is", async () => {
  const target = join(root, "target");
  writeFileSync(target, "");
  symlinkSync(target, lock);
  expect(withLock(lock, "it", async () => 1)).rejects.toMatchObject({ code: "vault_unreadable" });
  expect(isLocked(lock)).rejects.toMatchObject({ code: "vault_unreadable" });
  expect(readFileSync(target, "utf8")).toBe("");
  rmSync(lock);
  symlinkSync(join(root, "nowhere"), lock);
  expect(withLock(lock, "it", async () => 1)).rejects.toMatchObject({ code: "vault_unreadable" });
  expect(existsSync(join(root, "nowhere"))).toBe(false);
  rmSync(lock);
  mkdirSync(lock);
  expect(withLock(lock, "it", async () => 1)).rejects.toMatchObject({ code: "vault_unreadable" });
  rmSync(lock, { recursive: true });
  if (process.getuid?.() !== 0) return;
  writeFileSync(lock, "");
  const ours = process.getuid;
  process.getuid = () => 1000;
  try {
    chownSync(lock, 4321, 4321);
    expect(withLock(lock, "it", async () => 1)).rejects.toMatchObject({ code: "vault_unreadable" });
  } finally {
    process.getuid = ours;
  }
});

test("looking at a lock takes nothing: many look at once, and it is free all the time", async () => {
  await withLock(lock, "it", async () => expect(await isLocked(lock)).toBe(true));
  const looks = Array.from({ length: 50 }, () => isLocked(lock));
  await withLock(lock, "it", async () => undefined, 0);
  expect((await Promise.all(looks)).length).toBe(50);
  expect(await isLocked(lock)).toBe(false);
  expect(await isLocked(join(run, "none.lock"))).toBe(false);
  expect(existsSync(join(run, "none.lock"))).toBe(false);
});

test("a lock whose name begins with another's has a queue of its own", async () => {
  const longer = new Worker("lock-worker.ts", [`${lock}.lock`, "hold=end"]);
  workers.push(longer);
  await longer.says("held");
  const isThere = async () => readdirSync(run).some((name) => name.startsWith("thing.lock.lock."));
  expect(await waitForChange(run, 60_000, isThere)).toBe(true);
  const crowd = [1, 2, 3].map(() => start());
  for (const one of crowd) expect(await one.ended).toBe(0);
  for (const one of crowd) expect(one.output).toContain("released");
});

test("a ticket of a dead process that cannot be removed stops nobody", async () => {
  const ticket = `${lock}.0000000001.1.0123456789ab`;
  mkdirSync(ticket);
  await start().says("released");
  expect(existsSync(ticket)).toBe(true);
});

test("sockets that killed processes left behind are removed, those of the living are not", async () => {
  const stray = join(run, "0123456789ab.sock");
  const young = join(run, "ba9876543210.sock");
  for (const file of [stray, young]) writeFileSync(file, "");
  utimesSync(stray, new Date(0), new Date(0));
  const twice = [1, 2].map(() => withLock(lock, "it", () => Bun.sleep(1)));
  await Promise.all(twice); // the second one queues
  expect(readdirSync(run).sort()).toEqual(["ba9876543210.sock", "thing.lock"]);
});

const inside = (script: string) => inNamespace(script, ...workerCommand("lock-worker.ts"), root);

testWithMounts("a full disk: the lock that is there holds, a new one says what is wrong", () => {
  const said = inside(`
    mkdir $2/full && mount -t tmpfs -o mode=700,size=64k,nr_inodes=8 tmpfs $2/full
    "$0" "$1" $2/full/run/old.lock
    i=0; while touch $2/full/$i; do i=$((i + 1)); done 2>/dev/null
    "$0" "$1" $2/full/run/old.lock
    "$0" "$1" $2/full/run/new.lock`);
  expect(said).toMatch(
    /^started\nheld\nreleased\nstarted\nheld\nreleased\nstarted\ndisk: .*new\.lock: the disk is full; /,
  );
});

testWithMounts("a read-only disk says so, whether the lock is there or not", () => {
  const said = inside(`
    mkdir $2/ro && mount -t tmpfs -o mode=700 tmpfs $2/ro
    "$0" "$1" $2/ro/run/old.lock
    mount -o remount,ro $2/ro
    "$0" "$1" $2/ro/run/old.lock
    "$0" "$1" $2/ro/run/new.lock`);
  const refused = (name: string) => `started\ndisk: cannot write [^\n]*${name}: the file system is read-only; [^\n]*\n`;
  expect(said).toMatch(new RegExp(`^started\nheld\nreleased\n${refused("old.lock")}${refused("new.lock")}$`));
});
