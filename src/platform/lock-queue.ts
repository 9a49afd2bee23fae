import { chmodSync, closeSync, existsSync, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { randomBytes } from "../core/crypto.ts";
import { systemCode } from "../core/errors.ts";
import { within } from "../core/time.ts";
import { platformFailure } from "./failures.ts";

/** A process's place in the queue for a lock: the name of a file. Names sort in the order of the queue. */
export type Ticket = string;

/** A socket without a ticket is abandoned once it is this old, ms. */
const strayMs = 60_000;

const numberLength = 10;
/** number in the queue, process number, name of the socket */
const ticketEnd = /^\d{10}\.\d+\.[0-9a-f]{12}$/;
const anyTicket = /\.\d{10}\.\d+\.([0-9a-f]{12})$/;
/** The holder's number sorts before everybody else's. */
const holderNumber = "0".repeat(numberLength);

const windows = process.platform === "win32";
/** The error of connecting to a dead process; a living one listens before it makes its ticket. */
const nobodyListens = windows ? "ENOENT" : "ECONNREFUSED";

/**
 * A place in the queue for a lock, across processes. Each process in the queue listens on a socket (Windows: a named
 * pipe) and makes an empty file, its ticket, beside the lock; it sleeps on a connection to the process before it. That
 * connection ends when the other leaves the queue or dies, since the operating system closes it. So a release wakes the
 * next process and no other, and nobody polls.
 *
 * The queue only decides whose turn it is; the lock alone decides whether it is free. A ticket that is lost, late or
 * out of order costs a wait, never exclusion.
 */
export class Place {
  readonly #folder: string;
  readonly #prefix: string;
  /** the end of the ticket's name; its last part names the socket */
  readonly #id = `${process.pid}.${randomBytes(6).toString("hex")}`;
  readonly #listener: { stop(closeActiveConnections?: boolean): void };
  #ticket: Ticket;

  /**
   * Takes the last place, or the holder's.
   *
   * @param lockFile the lock's file, in an existing folder
   * @param holds true: we hold the lock already. The others know us as its holder from the first moment, also when we are stopped in it
   * @returns undefined when it cannot queue: the disk is full or does not support sockets, or the process may open no
   *   more files
   */
  static take(lockFile: string, holds = false): Place | undefined {
    try {
      return new Place(lockFile, holds);
    } catch {
      return undefined;
    }
  }

  private constructor(lockFile: string, holds: boolean) {
    this.#folder = dirname(lockFile);
    this.#prefix = `${basename(lockFile)}.`;
    const listener = Bun.listen({ unix: this.#address(this.#id), socket: { data: () => undefined } });
    listener.unref();
    this.#listener = listener;
    try {
      if (!windows) chmodSync(this.#address(this.#id), 0o600);
      const names = readdirSync(this.#folder);
      this.#removeStrays(names);
      this.#ticket = this.#layTicket(holds ? holderNumber : numberAfter(ticketsOf(names, this.#prefix), this.#prefix));
    } catch (error) {
      this.#stopListening();
      throw error;
    }
  }

  /**
   * Finds the tickets before ours. If somebody removed ours, it makes a new one, at the end.
   *
   * @returns the tickets in order, the holder's first
   * @throws `disk`
   */
  before(): Ticket[] {
    const tickets = ticketsIn(this.#folder, this.#prefix);
    if (!tickets.includes(this.#ticket)) {
      this.#ticket = this.#layTicket(numberAfter(tickets, this.#prefix));
      return tickets;
    }
    return tickets.filter((one) => one < this.#ticket);
  }

  /** Tells the others that we hold the lock: they wait for us, whatever their number. */
  hold(): void {
    const ticket = `${this.#prefix}${holderNumber}.${this.#id}`;
    try {
      if (existsSync(join(this.#folder, this.#ticket))) {
        renameSync(join(this.#folder, this.#ticket), join(this.#folder, ticket));
      } else closeSync(openSync(join(this.#folder, ticket), "wx", 0o600)); // somebody removed ours
      this.#ticket = ticket;
    } catch {
      // We hold the lock even without this ticket: the others find it taken.
    }
  }

  /**
   * Waits until another process has left its place or died, and removes the files of a dead one. When a process dies
   * while we connect, that connection may never end (Bun 1.4); so each call makes a new one, for at most `mostMs`: call
   * it again.
   *
   * @param ticket the other's, from {@link before}
   * @param mostMs how long to wait at most, ms
   * @returns true when the connection ended in time
   */
  async left(ticket: Ticket, mostMs: number): Promise<boolean> {
    const { gone, end } = this.#watch(ticket);
    const hasLeft = await within(mostMs, gone);
    end();
    return hasLeft;
  }

  /**
   * Removes the ticket of a process that does not take its turn. That process queues again once it notices.
   *
   * @returns false when its ticket cannot be removed
   */
  evict(ticket: Ticket): boolean {
    this.#remove(ticket);
    return !existsSync(join(this.#folder, ticket));
  }

  /** Leaves the queue, and so wakes the next process. */
  leave(): void {
    this.#remove(this.#ticket);
    this.#stopListening();
  }

  /** @returns the number of the process whose ticket this is, when it is the holder's; else undefined */
  static holderOf(ticket: Ticket): number | undefined {
    const [number, process] = ticket.split(".").slice(-3);
    return number === holderNumber ? Number(process) : undefined;
  }

  #layTicket(number: string): Ticket {
    const ticket = `${this.#prefix}${number}.${this.#id}`;
    try {
      closeSync(openSync(join(this.#folder, ticket), "wx", 0o600));
    } catch (error) {
      throw platformFailure.disk(this.#folder, error);
    }
    return ticket;
  }

  /** Connects to another's socket; the connection ends when the other leaves its place. */
  #watch(ticket: Ticket): { readonly gone: Promise<void>; readonly end: () => void } {
    const address = this.#address(ticket);
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const connected = Bun.connect({ unix: address, socket: { data: () => undefined, close: () => resolve() } });
    connected.catch((error: unknown) => {
      if (systemCode(error) === nobodyListens) {
        this.#remove(ticket);
        removeSocket(address);
      }
      // Without a ticket, the other has left or died. Otherwise we know nothing: somebody removed its socket's file.
      if (!existsSync(join(this.#folder, ticket))) resolve();
    });
    const end = () => void connected.then((connection) => connection.end()).catch(() => undefined);
    return { gone, end };
  }

  #remove(ticket: Ticket): void {
    removeFile(join(this.#folder, ticket));
  }

  #stopListening(): void {
    this.#listener.stop(true);
    removeSocket(this.#address(this.#id));
  }

  /** Removes the sockets of processes that were killed between listening and making their ticket. */
  #removeStrays(names: readonly string[]): void {
    if (windows) return;
    const named = new Set(names.map((name) => anyTicket.exec(name)?.[1]));
    // Both times come from the disk's clock, so it does not matter how wrong ours is.
    const now = statSync(this.#address(this.#id)).mtimeMs;
    for (const name of names) {
      const id = /^([0-9a-f]{12})\.sock$/.exec(name)?.[1];
      if (id === undefined || named.has(id)) continue;
      const file = join(this.#folder, name);
      const made = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? now;
      if (now - made > strayMs) removeSocket(file);
    }
  }

  #address(ticketOrId: string): string {
    const name = ticketOrId.split(".").at(-1);
    return windows ? `\\\\.\\pipe\\codemie-lock-${name}` : join(this.#folder, `${name}.sock`);
  }
}

/**
 * @returns true when no process is in the queue for a lock; a process that holds it only briefly is not in the queue
 * @throws `disk` when the folder cannot be read
 */
export function nobodyQueues(lockFile: string): boolean {
  return ticketsIn(dirname(lockFile), `${basename(lockFile)}.`).length === 0;
}

function ticketsIn(folder: string, prefix: string): Ticket[] {
  try {
    return ticketsOf(readdirSync(folder), prefix);
  } catch (error) {
    throw platformFailure.disk(folder, error);
  }
}

/** @returns the number of the last place in a queue */
function numberAfter(others: readonly Ticket[], prefix: string): string {
  const last = others.at(-1)?.slice(prefix.length, prefix.length + numberLength);
  return String(Number(last ?? holderNumber) + 1).padStart(numberLength, "0");
}

function ticketsOf(names: readonly string[], prefix: string): Ticket[] {
  // A lock's name may begin with another's: proxy-x.lock and proxy-x.lock.lock, for profiles called x and x.lock.
  return names.filter((name) => name.startsWith(prefix) && ticketEnd.test(name.slice(prefix.length))).sort();
}

/** A named pipe is not a file: Windows removes it with its process. */
function removeSocket(address: string): void {
  if (!windows) removeFile(address);
}

/**
 * A file that cannot be removed is as harmless as one that a killed process leaves: the others see that nobody listens.
 */
function removeFile(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {}
}
