import { accessSync, closeSync, constants, openSync, statSync, utimesSync } from "node:fs";
import { dirname } from "node:path";
import { CodemieError, systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";
import { ensureFolder } from "./files.ts";
import { nobodyQueues, Place, type Ticket } from "./lock-queue.ts";
import { isOwnFile } from "./private.ts";

type Timer = ReturnType<typeof setTimeout>;

/** How long one holder may keep the others waiting before they give up, ms: longer than any storing, shorter than patience. */
const defaultPatienceMs = 10_000;
/** How long the first sleep behind another lasts at most, ms; each further one may last twice as long. */
const firstLookMs = 50;
/** How often the second in the queue looks whether the first takes its turn, ms. */
const lookMs = 1_000;
/** How much later each one behind it looks, ms: in a long queue, looking is what costs. */
const laterMs = 100;
/** Who holds a lock no longer than this, ms, and met nobody, is spared the queue: the next one asks now and then instead. */
const briefMs = 20;
/** Pauses of the first in the queue while somebody who is not in it holds the lock, ms. */
const shortestPauseMs = 1;
const longestPauseMs = 25;

/**
 * Runs `work` while no other process (and no other call in this one) runs with the same lock file.
 *
 * The lock is SQLite's exclusive lock on an empty database: the operating system drops it with its owner, however that
 * one dies, so there is no such thing as a stale lock. Whose turn it is, a queue says ({@link Place}), so that waiters
 * are served in about the order they came.
 *
 * @param file the lock's file, made when missing and never removed
 * @param what what is locked, in words for the error
 * @param work runs once the lock is held
 * @param patienceMs how long one and the same holder may keep us waiting, ms
 * @throws `vault_locked` when the same process holds it for `patienceMs`; `vault_unreadable` when its file is a link, no
 *   file, or another user's; `disk` when it cannot be made; whatever `work` throws
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
        place = Place.take(file);
        place?.hold();
      }, briefMs);
    } else place?.hold();
    return await work();
  } finally {
    clearTimeout(later);
    // In this order: whom we wake finds the lock free.
    lock.close();
    place?.leave();
  }
}

/**
 * Looks whether a lock is held, without taking it. Many may look at once; whoever takes the lock in that moment tries again.
 *
 * @param file the lock's file
 * @returns false when nobody holds it, or there is no such file
 * @throws `vault_unreadable` as {@link withLock}; `disk` when its file cannot be opened
 */
export async function isLocked(file: string): Promise<boolean> {
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
      // Somebody holds it who is not in the queue: only briefly, or it could not queue, or it died a moment ago.
      if (heldMs >= patienceMs) throw platformFailure.locked(what, patienceMs);
      nextMs = Math.min(pauseMs, patienceMs);
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      await Bun.sleep(nextMs);
      continue;
    }
    if (firstMs >= Math.min(lookMs, patienceMs / 2) && lock.take()) {
      // The first had its time to take a free lock: it is stopped, and would keep everybody waiting.
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
    behind = last;
    await place.left(last, nextMs);
  }
}

/** How long something has been as it is. */
class Stay<T> {
  #now: T | undefined;
  #lengthMs = 0;
  #lookedAt = performance.now();

  /**
   * @param now how it is now
   * @param nextMs how far from now the last look put this one, ms
   * @returns ms since the first look that found it so. Time that passed beyond `nextMs` does not count: the machine slept, or
   *   this process was stopped or had no processor
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

/** The lock itself, as one opening of its file. */
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
      // Closing any handle of a file ends this process's locks on it (POSIX fcntl), so it is only opened to be made.
      if (!isOwnFile(file)) makeFile(file);
      // SQLite opens a file that cannot be written all the same, and then keeps nobody out.
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

  /** SQLite's own waiting would block the event loop, and with it every stream of the gateway: so it is tried, not awaited. */
  take(): boolean {
    // A journal on the disk costs as much again, is of no use (nothing is ever written), and cannot be made on a full disk.
    return this.#try("PRAGMA journal_mode = MEMORY") && this.#try("BEGIN EXCLUSIVE");
  }

  release(): void {
    this.#database.run("ROLLBACK");
  }

  /** Shows the others that somebody else holds it now, and that they do not wait in vain: the file's time is any other. */
  beginTurn(): void {
    const seconds = Math.random() * 2 ** 31;
    try {
      utimesSync(this.#file, seconds, seconds);
    } catch {
      // Then they may think that it hangs, and give up too early.
    }
  }

  /** @returns another number with each holder */
  turn(): number {
    return statSync(this.#file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  /** Any reading meets a holder, and keeps nobody from reading. */
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
