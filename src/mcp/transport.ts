import type { CodemieError } from "../core/errors.ts";
import type { Exchange } from "./exchange.ts";

/** What became of a text on the wire. */
export type Outcome =
  /** the server took it; what it still owes after this will not come */
  | { readonly kind: "done" }
  /** the server did not act on it, because it no longer knows the session */
  | { readonly kind: "session-lost" }
  /** no answer is to be had; `status` is the HTTP status where there was one */
  | { readonly kind: "failed"; readonly error: CodemieError; readonly status?: number };

/**
 * The seam between messages and the wire: it carries texts to the server and hands over the texts that come back, in the
 * order they come. It knows ids only as far as it has to know when an answer is complete.
 */
export interface Transport {
  /** whether the server has a session in which the client's `initialize` was answered */
  readonly ready: boolean;
  /** Carries a text; settles when all its answers came or none can come any more. Never rejects. */
  send(exchange: Exchange): Promise<Outcome>;
  /** Begins to take what the server sends on its own. */
  listen(): void;
  /** Forgets the session, so that the next `initialize` begins a new one. */
  reset(): void;
  /** The same for a session the server still has: it is told that the session is over. */
  leave(): void;
  /** Ends the session at the server, as far as that works within the time. */
  close(patienceMs: number): Promise<void>;
}

/** What a transport tells the bridge. */
export interface TransportEvents {
  /** a text from the server; resolves once the client has room for more */
  message(text: string): Promise<void>;
  /** the session ended while nobody asked for anything */
  lost(): void;
}

/** @returns ms to wait before the n-th try (from 0): doubling from a second to half a minute, a little uneven */
export function backoffMs(failures: number): number {
  return Math.min(longestPauseMs, 1_000 * 2 ** failures) * (0.85 + 0.3 * Math.random());
}

/** The longest pause between two tries, ms; a stream that was open for longer was one, though nothing came on it. */
const longestPauseMs = 30_000;

/** Counts the streams in a row that failed or came to nothing, so that the next is not asked for at once. */
export class Streak {
  #failures = 0;
  #openedAt = 0;

  /** A stream is open. */
  opened(): void {
    this.#openedAt = performance.now();
  }

  /** @param events how many events came: a stream without one that did not last either is no better than none */
  ended(events: number): void {
    if (events > 0 || performance.now() - this.#openedAt > longestPauseMs) this.#failures = 0;
    else this.#failures++;
  }

  failed(): void {
    this.#failures++;
  }

  /** @param retryMs what the server asks for, ms */
  pauseMs(retryMs: number | undefined): number {
    if (this.#failures === 0) return retryMs ?? backoffMs(0);
    return Math.max(retryMs ?? 0, backoffMs(this.#failures - 1));
  }
}

/** How long the first `initialize` may take to be answered, ms. */
const handshakeMs = 30_000;

/**
 * @param silenceMs what the user allows, ms; 0 for ever
 * @returns how long a request may wait without a byte from the server, ms; 0 for ever
 */
export function silenceFor(exchange: Exchange, silenceMs: number): number {
  return exchange.method === "initialize" ? Math.min(handshakeMs, silenceMs || handshakeMs) : silenceMs;
}

/**
 * How long a request is kept open once nobody waits for its answer any more (it came, or was cancelled), ms: the server may
 * still send what belongs to it, and a cancellation has to reach it before the connection ends.
 */
export const lingerMs = 2_000;

/** Waits, but not beyond the signal's abort. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const over = Promise.withResolvers<void>();
  const end = () => over.resolve();
  const timer = setTimeout(end, ms);
  signal.addEventListener("abort", end);
  await over.promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", end);
}

/** Waits for a promise, but not for longer than this many ms. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, ms);
  await Promise.race([promise.catch(() => undefined), over.promise]);
  clearTimeout(timer);
}

/** Waits for what is under way; its failure is whose who started it, unless it is asked for. */
export async function orAborted(work: Promise<void> | undefined, signal: AbortSignal, fails = false): Promise<void> {
  if (!work) return;
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([fails ? work : work.catch(() => undefined), aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    aborted.promise.catch(() => undefined);
  }
}
