/**
 * Takes one lock, a few times one after the other or side by side, and says on standard output what happens; for the
 * tests of the lock. Arguments: the lock's file, then words:
 *   hold=MS|end     how long the lock is held, or until standard input ends (0)
 *   times=N         how many callers in this process take it, all at once (1)
 *   patience=MS     how long one holder may keep it waiting
 *   count=FILE      while the lock is held: reads the number in the file and writes the next one
 *   clock           the wall clock jumps with every look
 *   deaf            no socket can be opened
 *   events          no timer of half a second or more ever ends: what is to happen must come of an event; says so once all
 *                   callers wait for one, connected
 *   child           starts a child of its own while it holds the lock
 */
import { readFileSync, writeFileSync } from "node:fs";
import { asCodemieError } from "../../src/core/errors.ts";
import { withLock } from "../../src/platform/lock.ts";

const [file = "", ...words] = process.argv.slice(2);
const given = Object.fromEntries(words.map((word) => word.split("=") as [string, string | undefined]));
const say = (text: string) => process.stdout.write(`${text}\n`);
const has = (word: string) => Object.hasOwn(given, word);
if (has("clock")) Date.now = () => Math.random() * 4e12;
if (has("deaf")) {
  Bun.listen = () => {
    throw new Error("no sockets here");
  };
}
if (has("events")) {
  const timeout = globalThis.setTimeout;
  let [asleep, connecting] = [0, 0];
  const settled = () => {
    if (connecting === 0 && asleep === Number(given.times ?? 1)) say("all connected and asleep");
  };
  const never = () => {
    asleep++;
    settled();
    return 0 as unknown as ReturnType<typeof timeout>;
  };
  const { connect } = Bun;
  Bun.connect = ((...options: Parameters<typeof connect>) => {
    connecting++;
    const connected = connect(...options);
    const end = () => {
      connecting--;
      settled();
    };
    connected.then(end, end);
    return connected;
  }) as typeof connect;
  globalThis.setTimeout = Object.assign(
    (work: () => void, ms: number, ...rest: []) => (ms < 500 ? timeout(work, ms, ...rest) : never()),
    timeout,
  );
}

async function work(): Promise<void> {
  say("held");
  if (has("child")) say(`child ${Bun.spawn(["sleep", "600"]).pid}`);
  const count = given.count;
  const before = count === undefined ? 0 : Number(readFileSync(count, "utf8"));
  if (given.hold === "end") for await (const _ of process.stdin);
  else await Bun.sleep(Number(given.hold ?? 0));
  if (count !== undefined) writeFileSync(count, String(before + 1));
}

say("started");
const once = async () => {
  try {
    await withLock(file, "the thing", work, has("patience") ? Number(given.patience) : undefined);
    say("released");
  } catch (error) {
    const { code, message, hint } = asCodemieError(error);
    say(`${code}: ${message}; ${hint}`);
  }
};
await Promise.all(Array.from({ length: Number(given.times ?? 1) }, once));
