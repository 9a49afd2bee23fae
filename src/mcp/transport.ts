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
  /** Ends the session at the server, as far as that works within the time. */
  close(patienceMs: number): Promise<void>;
}

/** What a transport tells the bridge. */
export interface TransportEvents {
  /** a text from the server */
  message(text: string): void;
  /** the session ended while nobody asked for anything */
  lost(): void;
}

/** @returns ms to wait before the n-th try (from 0): doubling from a second to half a minute, a little uneven */
export function backoffMs(failures: number): number {
  return Math.min(30_000, 1_000 * 2 ** failures) * (0.85 + 0.3 * Math.random());
}

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
