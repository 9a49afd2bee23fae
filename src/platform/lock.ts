import { accessSync, closeSync, constants, openSync, statSync, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { CodemieError, systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";
import { ensureFolder } from "./files.ts";
import { nobodyQueues, Place, type Ticket } from "./lock-queue.ts";
import { checkFolder, isOwnFile, silently } from "./private.ts";

type Timer = ReturnType<typeof setTimeout>;

/** How long the others wait for one holder, ms: longer than any write, shorter than a person's patience. */
const defaultPatienceMs = 10_000;
/** The longest first sleep behind another process, ms; each further sleep may last twice as long. */
const firstLookMs = 50;
/** How often the second in the queue checks that the first takes its turn, ms. */
const lookMs = 1_000;
/** How much later each one behind it checks, ms: in a long queue the checks are the cost. */
const laterMs = 100;
/** A holder that met nobody joins the queue only after this time, ms; until then the next process polls the lock. */
const briefMs = 20;
/** Pauses of the first in the queue while a process outside of it holds the lock, ms. */
const shortestPauseMs = 1;
const longestPauseMs = 25;

/**
 * Runs `work` while no other process (and no other call in this one) runs with the same lock file.
 *
 * The lock is SQLite's exclusive lock on an empty database. The operating system drops it with its owner, however that
 * one dies, so no lock is ever stale. A queue ({@link Place}) decides whose turn it is, so waiters are served in about
 * the order they came.
 *
 * @param file the lock's file, made when missing and never removed
 * @param what the locked thing, as the error names it
 * @param work runs once the lock is held
 * @param patienceMs how long one and the same holder may keep us waiting, ms
 * @returns the result of `work`
 * @throws `vault_locked` when the same process holds it for `patienceMs`; `vault_unreadable` when the lock's file or
 *   folder is a link, something else, or another user's; `disk` when it cannot be made; whatever `work` throws
 */
export async function withLock<T>(
  file: string,
  what: string,
  work: () => Promise<T>,
  patienceMs = defaultPatienceMs,
): Promise<T> {
  await ensureFolder(dirname(file));
  const lock = await Lock.openToTake(file);
  let place: Place | undefined;
  let later: Timer | undefined;
  try {
    const isFree = nobodyQueues(file) && lock.take();
    if (!isFree) {
      place = Place.take(file);
      await takeTurn(lock, place, what, patienceMs);
    }
    lock.beginTurn();
    if (isFree) {
      later = setTimeout(() => {
        place = Place.take(file, true);
      }, briefMs);
    } else place?.hold();
    return await work();
  } finally {
    clearTimeout(later);
    // In this order: the process that we wake finds the lock free.
    lock.close();
    place?.leave();
  }
}

/**
 * Checks whether a lock is held, without taking it. Any number of processes may check at the same time; one that tries
 * to take the lock meanwhile has to try again.
 *
 * @param file the lock's file
 * @returns false when nobody holds it, or its file does not exist
 * @throws `vault_unreadable` as {@link withLock}; `disk` when its file cannot be opened
 */
export async function isLocked(file: string): Promise<boolean> {
  checkFolder(dirname(file), silently);
  if (!isOwnFile(file)) return false;
  const lock = await Lock.openToLook(file);
  try {
    return lock.isHeld();
  } finally {
    lock.close();
  }
}

async function takeTurn(lock: Lock, place: Place | undefined, what: string, patienceMs: number): Promise<void> {
  const turn = new Stay<number>();
  const head = new Stay<Ticket | undefined>();
  let pauseMs = shortestPauseMs;
  let nextMs = 0;
  let behind: Ticket | undefined;
  for (;;) {
    const before = place?.before() ?? [];
    const [first] = before;
    const last = before.at(-1);
    const heldMs = turn.lengthMs(lock.turn(), nextMs);
    const firstMs = head.lengthMs(first, nextMs);
    if (first === undefined || last === undefined || place === undefined) {
      if (lock.take()) return;
      // The holder is not in the queue: it holds the lock only briefly, could not queue, or died a moment ago.
      if (heldMs >= patienceMs) throw platformFailure.locked(what, patienceMs);
      nextMs = Math.min(pauseMs, patienceMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      await Bun.sleep(nextMs);
      continue;
    }
    if (firstMs >= Math.min(lookMs, patienceMs / 2) && lock.take()) {
      // The first had its time to take a free lock. It is stopped, and would keep everybody waiting.
      if (!place.evict(first)) return;
      lock.release();
      continue;
    }
    if (heldMs >= patienceMs) {
      if (!lock.take()) throw platformFailure.locked(what, patienceMs, Place.holderOf(first));
      lock.release();
    }
    nextMs = last === behind ? nextMs * 2 : firstLookMs;
    nextMs = Math.min(nextMs, lookMs + laterMs * (before.length - 1), patienceMs / 2);
    // One that just left or died may still have its ticket in this moment, and a new connection to it may never end: after an
    // event, the next wait is short again.
    behind = (await place.left(last, nextMs)) ? undefined : last;
  }
}

/** Measures how long a value has stayed the same. */
class Stay<T> {
  #now: T | undefined;
  #lengthMs = 0;
  #lookedAt = performance.now();

  /**
   * @param now the value now
   * @param nextMs how long after the last call this one was due, ms
   * @returns ms since the first call with this value. Time beyond `nextMs` does not count: the machine slept, or this
   *   process was stopped or had no processor
   */
  lengthMs(now: T, nextMs: number): number {
    const at = performance.now();
    this.#lengthMs = now === this.#now ? this.#lengthMs + Math.min(at - this.#lookedAt, nextMs) : 0;
    this.#lookedAt = at;
    this.#now = now;
    return this.#lengthMs;
  }
}

/** The part of SQLite that the lock uses. */
interface Database {
  run(sql: string): unknown;
  close(): void;
}

/** The lock itself: one handle on its file. */
class Lock {
  readonly #file: string;
  readonly #database: Database;

  private constructor(file: string, database: Database) {
    this.#file = file;
    this.#database = database;
  }

  /** @throws as {@link withLock} */
  static async openToTake(file: string): Promise<Lock> {
    try {
      // Closing any handle of a file ends this process's locks on it (POSIX fcntl), so open it here only to make it.
      if (!isOwnFile(file)) makeFile(file);
      // SQLite opens even a file that it cannot write, and then keeps nobody out.
      accessSync(file, constants.W_OK);
    } catch (error) {
      throw error instanceof CodemieError ? error : platformFailure.disk(file, error);
    }
    return await Lock.#open(file, { readwrite: true });
  }

  /** @throws as {@link isLocked} */
  static async openToLook(file: string): Promise<Lock> {
    return await Lock.#open(file, { readonly: true });
  }

  static async #open(file: string, options: { readwrite: true } | { readonly: true }): Promise<Lock> {
    const { Database } = await import("bun:sqlite");
    try {
      return new Lock(file, new Database(file, options));
    } catch (error) {
      throw platformFailure.disk(file, error);
    }
  }

  /** Tries once: SQLite's own waiting would block the event loop, and with it every stream of the gateway. */
  take(): boolean {
    // A journal on the disk doubles the cost, cannot be made on a full disk, and has no use: nothing is ever written.
    return this.#try("PRAGMA journal_mode = MEMORY") && this.#try("BEGIN EXCLUSIVE");
  }

  release(): void {
    this.#database.run("ROLLBACK");
  }

  /** Sets the file's time to a random one, so that the others see a new holder and keep waiting. */
  beginTurn(): void {
    const seconds = Math.random() * 2 ** 31;
    try {
      utimesSync(this.#file, seconds, seconds);
    } catch {
      // Then the others may think that the holder hangs, and give up too early.
    }
  }

  /** @returns a number that changes with each holder */
  turn(): number {
    return statSync(this.#file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  /** Reads from the database, which fails while the lock is held; readers do not keep each other out. */
  isHeld(): boolean {
    return !this.#try("PRAGMA schema_version");
  }

  close(): void {
    this.#database.close();
  }

  #try(sql: string): boolean {
    try {
      this.#database.run(sql);
      return true;
    } catch (error) {
      if (systemCode(error).startsWith("SQLITE_BUSY")) return false;
      throw platformFailure.disk(this.#file, error);
    }
  }
}

function makeFile(file: string): void {
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
}
