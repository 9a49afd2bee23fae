import { join } from "node:path";
import * as z from "zod/mini";
import { parseJson } from "../core/json.ts";
import { ensureFolder, removeLeftovers, replaceFile } from "../platform/files.ts";
import { isLocked, withLock } from "../platform/lock.ts";
import { readOwn } from "../platform/private.ts";
import { beginning, type Link } from "./chain.ts";
import { lastPlaces, linesAfter, linkOf } from "./outbox.ts";
import type { Delivery, Receiver, Trouble } from "./receiver.ts";

/** How long a command may last longer because of the receiver, ms. */
export const commandMs = 2_000;
/** How long the receiver may take where nobody waits, ms. */
const nobodyWaitsMs = 30_000;
/** How long another process may take to begin, ms. */
const lockMs = 1_000;
/** The longest pause before the receiver is tried again, ms, unless it asks for a longer one. */
const longestRestMs = 300_000;
/** The longest pause that counts, ms: the clock may have been set back. */
const longestAskedMs = 3_600_000;
/** Most lines sent together: some 60 KB. */
const mostLines = 200;

/** How far the receiver is. It is no secret, and nothing is lost with it: lines are sent again then. */
const progressSchema = z.object({
  /** the last line that needs not be sent again */
  seq: z.int(),
  mac: z.string(),
  /** the receiver, as the configuration has it, that the rest is about */
  to: z.optional(z.string()),
  trouble: z.optional(
    z.object({
      why: z.string(),
      /** tries in a row that failed */
      failures: z.int(),
      /** no try before this, ms since the epoch */
      until: z.number(),
    }),
  ),
  refused: z.optional(z.object({ lines: z.int(), why: z.string() })),
});
export type Progress = z.infer<typeof progressSchema>;
/** The place alone, kept where the rest cannot be read: without it the receiver would get lines that are not meant for it. */
const placeSchema = z.object({ seq: progressSchema.shape.seq, mac: progressSchema.shape.mac });

/** How far a receiver is. */
export interface ForwardState extends Pick<Progress, "refused"> {
  /** number of the last line that needs not be sent again */
  readonly last: number;
  /** how many lines wait behind it */
  readonly waiting: number;
  readonly trouble: Progress["trouble"];
}

/** Surroundings of the forwarding: where it sends, whom it tells. */
export interface Forwarding {
  /** @returns the receiver as the configuration has it now, if any */
  destination(): Promise<string | undefined>;
  receiver(to: string): Promise<Receiver>;
  /** tells the person something */
  warn(text: string): void;
  /** clock, ms since the epoch */
  readonly now: () => number;
}

/**
 * Sends the lines of the trail on, in order. The trail itself is what waits to be sent: a file beside it says how far the
 * receiver is. One process sends at a time, everything there is; one that meets it leaves its line to that one. A receiver in
 * trouble is left alone for a while, by every process.
 *
 * A line may arrive twice and is never skipped: the file is written after the lines have arrived.
 */
export class Forwarder {
  readonly #folder: string;
  readonly #file: string;
  readonly #lock: string;
  readonly #forwarding: Forwarding;
  #isAsked = false;
  #running: Promise<void> | undefined;
  #stop = new AbortController();
  #bound: Timer | undefined;
  #retry: Timer | undefined;

  /** @param home base folder of all our files */
  constructor(home: string, forwarding: Forwarding) {
    this.#folder = join(home, "audit");
    this.#file = join(this.#folder, "forwarded.json");
    this.#lock = join(home, "run", "audit-forward.lock");
    this.#forwarding = forwarding;
  }

  /**
   * Sends what there is. The process stays until that is done or given up, though nobody needs to wait for it; a timer that
   * tries again later does not keep the process.
   *
   * @param patienceMs how long it may take, ms; a call while another one is at work sets that one's limit anew
   * @param to the receiver; default: as the configuration has it
   * @returns once it is over; it does not throw
   */
  forward(patienceMs: number, to?: string): Promise<void> {
    this.#isAsked = true;
    clearTimeout(this.#bound);
    this.#bound = setTimeout(() => this.#stop.abort(), patienceMs);
    this.#running ??= this.#run(to)
      .catch(() => this.#later(nobodyWaitsMs)) // a folder that cannot be read or written, for example
      .finally(() => {
        clearTimeout(this.#bound);
        this.#running = undefined;
        this.#stop = new AbortController();
      });
    return this.#running;
  }

  /** Marks the trail's end as the place that the forwarding begins behind, if it has never begun. */
  async begin(): Promise<void> {
    if (this.progress()) return;
    const { last } = await lastPlaces(this.#folder);
    await ensureFolder(this.#folder);
    await this.#write({ ...last });
  }

  /**
   * @param to the receiver, as the configuration has it
   * @returns how far it is, and what is in its way
   * @throws `vault_unreadable`
   */
  async state(to: string): Promise<ForwardState> {
    const progress: Progress = this.progress() ?? (await lastPlaces(this.#folder)).beforeLast;
    const waiting = (await linesAfter(this.#folder, progress)).length;
    const { trouble, refused } = progress.to === to ? progress : {};
    return { last: progress.seq, waiting, trouble, refused };
  }

  /** @returns how far the receiver is; undefined when nothing was ever sent. Without a usable file, all is sent again */
  progress(): Progress | undefined {
    const text = readOwn(this.#file);
    return text === undefined
      ? undefined
      : (parseJson(text, progressSchema) ?? parseJson(text, placeSchema) ?? beginning);
  }

  async #run(given: string | undefined): Promise<void> {
    const { signal } = this.#stop;
    while (this.#isAsked && !signal.aborted) {
      this.#isAsked = false;
      const to = given ?? (await this.#forwarding.destination());
      if (to === undefined) return;
      if (await isLocked(this.#lock)) return this.#later(nobodyWaitsMs);
      const isDone = await withLock(
        this.#lock,
        "the receiver of the audit trail",
        () => this.#send(to, signal),
        lockMs,
      );
      // Another process that found the lock held meanwhile left its line to us.
      if (isDone && (await linesAfter(this.#folder, this.progress() ?? beginning, 1)).length > 0) this.#isAsked = true;
    }
    if (this.#isAsked) this.#later(restMs(1));
  }

  /** @returns true when nothing is left to send. Call it under the lock */
  async #send(to: string, signal: AbortSignal): Promise<boolean> {
    const { now, warn } = this.#forwarding;
    const found: Progress = this.progress() ?? (await this.#first());
    let progress: Progress = found.to === to ? found : { seq: found.seq, mac: found.mac, to };
    const restingMs = (progress.trouble?.until ?? 0) - now();
    if (restingMs > 0 && restingMs <= longestAskedMs) {
      this.#later(restingMs);
      return false;
    }
    let receiver: Receiver | undefined;
    await removeLeftovers(this.#file);
    for (;;) {
      const lines = await linesAfter(this.#folder, progress, mostLines);
      if (lines.length === 0) return true;
      if (signal.aborted) break;
      receiver ??= await this.#forwarding.receiver(to);
      const delivery = await receiver.send(lines, signal);
      const last = lines[delivery.done - 1];
      progress = progressAfter(progress, last && linkOf(last), delivery, now());
      await this.#write(progress);
      const { refused, trouble } = delivery;
      if (refused) warn(refusedWarning(refused));
      if (trouble) break;
    }
    this.#later(Math.max(restMs(1), (progress.trouble?.until ?? 0) - now()));
    return false;
  }

  /** Set in the file by hand, the forwarding begins with the line that was just written. */
  async #first(): Promise<Link> {
    const { beforeLast } = await lastPlaces(this.#folder);
    await this.#write({ ...beforeLast });
    return beforeLast;
  }

  async #write(progress: Progress): Promise<void> {
    await replaceFile(this.#file, `${JSON.stringify(progress)}\n`);
  }

  #later(ms: number): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.forward(nobodyWaitsMs), ms);
    this.#retry.unref();
  }
}

type Timer = ReturnType<typeof setTimeout>;

/** @param last the last line that is done with, if any is */
function progressAfter(before: Progress, last: Link | undefined, delivery: Delivery, nowMs: number): Progress {
  const { seq, mac } = last ?? before;
  const failures = (last ? 0 : (before.trouble?.failures ?? 0)) + 1;
  const lines = (before.refused?.lines ?? 0) + (delivery.refused?.lines ?? 0);
  const refused = delivery.refused ? { ...delivery.refused, lines } : before.refused;
  const trouble = delivery.trouble && troubled(delivery.trouble, failures, nowMs);
  return {
    seq,
    mac,
    ...(before.to !== undefined && { to: before.to }),
    ...(trouble && { trouble }),
    ...(refused && { refused }),
  };
}

const troubled = ({ why, afterMs }: Trouble, failures: number, nowMs: number) => ({
  why,
  failures,
  until: nowMs + Math.max(restMs(failures), afterMs ?? 0),
});

/** @returns how long to leave a receiver alone after so many failures in a row, ms: doubles from 2 s to 5 minutes */
const restMs = (failures: number) => Math.min(longestRestMs, 1_000 * 2 ** failures);

const refusedWarning = ({ lines, why }: { lines: number; why: string }) =>
  `the receiver of the audit trail will never take ${lines === 1 ? "a line" : `${lines} lines`}: ${why}; the trail itself has them`;
