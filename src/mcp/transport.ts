import type { CodemieError } from "../core/errors.ts";
import type { PendingMessage } from "./pending-message.ts";

/** What became of a text on the server. */
export type SendOutcome =
  /** the server took it; what it still owes after this will not come */
  | { readonly kind: "done" }
  /** the server did not act on it, because it no longer knows the session */
  | { readonly kind: "session-lost" }
  /** no answer is to be had; `status` is the HTTP status where there was one */
  | { readonly kind: "failed"; readonly error: CodemieError; readonly status?: number };

/**
 * The seam between messages and the server: it carries texts to the server and hands over the texts that come back, in the
 * order they come. It knows ids only as far as it has to know when an answer is complete.
 */
export interface Transport {
  /** whether the server has a session in which the client's `initialize` was answered */
  readonly ready: boolean;
  /** Carries a text; settles when all its answers came or none can come any more. Never rejects. */
  send(pending: PendingMessage): Promise<SendOutcome>;
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

/** How long the first `initialize` may take to be answered, ms. */
const handshakeMs = 30_000;

/**
 * @param silenceMs what the user allows, ms; 0 for ever
 * @returns how long a request may wait without a byte from the server, ms; 0 for ever
 */
export function silenceFor(pending: PendingMessage, silenceMs: number): number {
  return pending.method === "initialize" ? Math.min(handshakeMs, silenceMs || handshakeMs) : silenceMs;
}

/**
 * How long a request is kept open once nobody waits for its answer any more (it came, or was cancelled), ms: the server may
 * still send what belongs to it, and a cancellation has to reach it before the connection ends.
 */
export const lingerMs = 2_000;
