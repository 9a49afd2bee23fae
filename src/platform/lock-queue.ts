import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, existsSync, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";

/** Where a process stands in the queue for a lock: its file's name. Names sort in the order of the queue. */
export type Ticket = string;

/** A socket that was left without a ticket is rubbish once it is this old, ms. */
const strayMs = 60_000;

const numberLength = 10;
/** number in the queue, process number, name of the socket */
const ticketEnd = /^\d{10}\.\d+\.[0-9a-f]{12}$/;
const anyTicket = /\.\d{10}\.\d+\.([0-9a-f]{12})$/;
/** The holder's number sorts before everybody else's. */
const holderNumber = "0".repeat(numberLength);

const windows = process.platform === "win32";
/** How connecting to a dead process fails: a process listens before it lays its ticket. */
const nobodyListens = windows ? "ENOENT" : "ECONNREFUSED";

/**
 * A place in the queue for a lock, across processes. Each process in the queue listens on a socket (Windows: a named
 * pipe) and lays an empty file, its ticket, beside the lock; it sleeps on a connection to whoever stands before it. That
 * connection ends when the other leaves the queue, and also when it dies: the operating system closes it. So a release
 * wakes the next one and nobody else, and nobody polls.
 *
 * The queue only says whose turn it is. Whether the lock is free is for the lock itself to say: tickets that are lost,
 * late or out of order cost a wait, never exclusion.
 */
export class Place {
  readonly #folder: string;
  readonly #prefix: string;
  /** ends the ticket's name, and names the socket */
  readonly #id = `${process.pid}.${randomBytes(6).toString("hex")}`;
  readonly #listener: { stop(closeActiveConnections?: boolean): void };
  #ticket: Ticket;

  /**
   * Takes the last place.
   *
   * @param lockFile the lock's file, in an existing folder
   * @returns undefined where there can be no queue: the disk is full or knows no sockets, or the process may open no more
   *   files
   */
  static take(lockFile: string): Place | undefined {
    try {
      return new Place(lockFile);
    } catch {
      return undefined;
    }
  }

  private constructor(lockFile: string) {
    this.#folder = dirname(lockFile);
    this.#prefix = `${basename(lockFile)}.`;
    const listener = Bun.listen({ unix: this.#address(this.#id), socket: { data: () => undefined } });
    listener.unref();
    this.#listener = listener;
    try {
      if (!windows) chmodSync(this.#address(this.#id), 0o600);
      const names = readdirSync(this.#folder);
      this.#removeStrays(names);
      this.#ticket = this.#layTicket(ticketsOf(names, this.#prefix));
    } catch (error) {
      this.#stopListening();
      throw error;
    }
  }

  /**
   * @returns the tickets before ours, first the holder's; ours is laid anew, at the end, when somebody removed it
   * @throws `disk`
   */
  before(): Ticket[] {
    const tickets = ticketsIn(this.#folder, this.#prefix);
    if (!tickets.includes(this.#ticket)) {
      this.#ticket = this.#layTicket(tickets);
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
      // We hold the lock all the same, and the others find it taken.
    }
  }

  /**
   * Waits until another process has left its place, or died. What a dead one left is removed. A process that dies in the
   * moment of connecting may leave a connection that never ends (Bun 1.4), so each call has one of its own: call it again.
   *
   * @param ticket the other's, as {@link before} said
   * @param mostMs returns after this time at the latest, ms
   */
  async left(ticket: Ticket, mostMs: number): Promise<void> {
    const { gone, end } = this.#watch(ticket);
    await within(gone, mostMs);
    end();
  }

  /**
   * Takes another's place away, since it does not take its turn. It queues anew once it notices.
   *
   * @returns false when its ticket cannot be removed
   */
  evict(ticket: Ticket): boolean {
    this.#remove(ticket);
    return !existsSync(join(this.#folder, ticket));
  }

  /** Leaves the queue, and wakes the next one. */
  leave(): void {
    this.#remove(this.#ticket);
    this.#stopListening();
  }

  /** @returns the number of the process that holds the lock, when that is the ticket of one */
  static holderOf(ticket: Ticket): number | undefined {
    const [number, process] = ticket.split(".").slice(-3);
    return number === holderNumber ? Number(process) : undefined;
  }

  #layTicket(others: readonly Ticket[]): Ticket {
    const last = others.at(-1)?.slice(this.#prefix.length, this.#prefix.length + numberLength);
    const number = String(Number(last ?? holderNumber) + 1).padStart(numberLength, "0");
    const ticket = `${this.#prefix}${number}.${this.#id}`;
    try {
      closeSync(openSync(join(this.#folder, ticket), "wx", 0o600));
    } catch (error) {
      throw platformFailure.disk(this.#folder, error);
    }
    return ticket;
  }

  /** Connects to another's socket: the connection ends when its place is left. */
  #watch(ticket: Ticket): { readonly gone: Promise<void>; readonly end: () => void } {
    const address = this.#address(ticket);
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const connected = Bun.connect({ unix: address, socket: { data: () => undefined, close: () => resolve() } });
    connected.catch((error: unknown) => {
      if (systemCode(error) === nobodyListens) {
        this.#remove(ticket);
        removeSocket(address);
      }
      // It has left meanwhile, or was dead. With any other error nothing is known: somebody removed its socket's file.
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

  /** Removes the sockets of processes that were killed after they began to listen and before they laid their ticket. */
  #removeStrays(names: readonly string[]): void {
    if (windows) return;
    const named = new Set(names.map((name) => anyTicket.exec(name)?.[1]));
    // The disk's clock made both times, so ours may be as wrong as it likes.
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

/** @returns whether no process queues for a lock; one that holds it only briefly may not be in the queue */
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

function ticketsOf(names: readonly string[], prefix: string): Ticket[] {
  // A lock's name may begin with another's: proxy-x.lock and proxy-x.lock.lock, for profiles called x and x.lock.
  return names.filter((name) => name.startsWith(prefix) && ticketEnd.test(name.slice(prefix.length))).sort();
}

/** A named pipe is no file: Windows removes it with its process. */
function removeSocket(address: string): void {
  if (!windows) removeFile(address);
}

/** A file that cannot be removed does no more harm than one a killed process leaves: nobody listens there, the others see. */
function removeFile(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {}
}

/** Waits for something, and no longer than `mostMs`. */
async function within(done: Promise<void>, mostMs: number): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, mostMs);
  await Promise.race([done, over]);
  clearTimeout(timer);
}
