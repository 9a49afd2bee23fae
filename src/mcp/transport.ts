import type { CodemieError } from "../core/errors.ts";
import type { PendingMessage } from "./pending-message.ts";

/** How sending a message ended. */
export type SendOutcome =
  /** the server took it; answers still missing now will not come */
  | { readonly kind: "done" }
  /** the server no longer knows the session, and so did not act on the message */
  | { readonly kind: "session-lost" }
  /** there will be no answer; `status`: the HTTP status, if there was one */
  | {
      readonly kind: "failed";
      readonly error: CodemieError;
      readonly status?: number;
      /** the beginning of the body that came with the status */
      readonly text?: string;
    };

/**
 * Carries messages to the server and hands over the texts that come back, in their order. It uses ids only to know when
 * all answers have come.
 */
export interface Transport {
  /** true: there is a session, and the server answered its `initialize` */
  readonly ready: boolean;
  /** the revision of MCP that the server speaks, where the bridge speaks another one with it than with the client */
  readonly revision?: string | undefined;
  /** Sends a message; resolves when all its answers have come, or none can come any more. Never rejects. */
  send(pending: PendingMessage): Promise<SendOutcome>;
  /** Begins to receive the server's own messages. */
  listen(): void;
  /** Forgets the session; the next `initialize` begins a new one. */
  reset(): void;
  /** As `reset`, and tells the server that the session is over. */
  leave(): void;
  /** Closes the transport; ends the session at the server if that works within `patienceMs`, ms. */
  close(patienceMs: number): Promise<void>;
}

/** Events from a transport to the bridge. */
export interface TransportEvents {
  /**
   * Takes a text from the server.
   *
   * @param during the message that it was sent in answer to, where the transport knows
   * @returns resolves once the client has room for more
   */
  message(text: string, during?: PendingMessage): Promise<void>;
  /** called when the session ended and no request found that out */
  lost(): void;
}

/** Longest silence of the server where the user sets no limit, ms: before its first answer, and else. */
const handshakeMs = 30_000;
const standardMs = 600_000;

/**
 * @param givenMs the user's limit, ms; 0: for ever; undefined: the user set none
 * @returns how long this message may wait without a byte from the server, ms; 0: for ever
 */
export function silenceFor(pending: PendingMessage, givenMs: number | undefined): number {
  // A stream of changes is silent while nothing changes.
  if (pending.method === "subscriptions/listen") return 0;
  return givenMs ?? (opening.has(pending.method ?? "") ? handshakeMs : standardMs);
}

/** The requests that a client begins with. */
const opening: ReadonlySet<string> = new Set(["initialize", "server/discover"]);

/** @returns how long an HTTP request stays open after its answer came or was cancelled, ms */
export const lingerFor = ({ carriage, isCancelled }: PendingMessage): number =>
  isCancelled && carriage.endsToCancel ? 0 : lingerMs;

/**
 * How long an HTTP request stays open after its answer came or was cancelled, ms: the server may still send messages
 * that belong to it, and a cancellation has to reach the server before the connection ends.
 */
const lingerMs = 2_000;
