import { type Carriage, inSession } from "./carriage.ts";
import { type Envelope, type Key, otherSpelling } from "./message.ts";

/** Requests that change nothing at the server, so that it may be asked twice (MCP 2025-11-25, schema). */
const repeatable: ReadonlySet<string> = new Set([
  "completion/complete",
  "initialize",
  "logging/setLevel",
  "ping",
  "prompts/get",
  "prompts/list",
  "resources/list",
  "resources/read",
  "resources/templates/list",
  "server/discover",
  "tools/list",
]);

/** A message on its way to the server, and the answers still missing for it. */
export class PendingMessage {
  readonly text: string;
  readonly envelope: Envelope;
  /** true: our own request; the client must not see its answer */
  readonly internal: boolean;
  /** false: nobody waits for it, so no browser opens for it */
  readonly attended: boolean;
  /** true: it is sent again, since the server had forgotten the session that it was sent in */
  resent = false;
  /** the server's answer to our own request, JSON text */
  answer: string | undefined;
  /** how it is carried */
  carriage: Carriage = inSession;
  /** takes what the server sends in answer to it, in place of the one who takes all other messages */
  sink: ((text: string) => Promise<void>) | undefined;
  /** true: the client cancelled it */
  isCancelled = false;
  readonly #owed: Set<Key>;
  readonly #settled = Promise.withResolvers<void>();
  readonly #taken = Promise.withResolvers<void>();

  constructor(text: string, envelope: Envelope, internal = false, attended = true) {
    this.text = text;
    this.envelope = envelope;
    this.internal = internal;
    this.attended = attended;
    this.#owed = new Set(envelope.requests);
    if (this.#owed.size === 0) this.#settled.resolve();
  }

  get method(): string | undefined {
    return this.envelope.method;
  }

  /** true: sent twice, it has the same effect as once */
  get isRepeatable(): boolean {
    return this.method !== undefined && repeatable.has(this.method);
  }

  /** ids of the requests that have no answer yet */
  get owed(): ReadonlySet<Key> {
    return this.#owed;
  }

  /** @returns true when this is the id of a request without an answer, perhaps in its other spelling */
  owes(key: Key): boolean {
    const other = otherSpelling(key);
    return this.#owed.has(key) || (other !== undefined && this.#owed.has(other));
  }

  /** true: it holds at least one request */
  get asks(): boolean {
    return this.envelope.requests.length > 0;
  }

  /** false: it was answered or cancelled, so it must not be sent (again) */
  get wanted(): boolean {
    return !this.asks || this.#owed.size > 0;
  }

  /** Resolves once the server has the message, or will not get it. */
  get taken(): Promise<void> {
    return this.#taken.promise;
  }

  /** Notes that the server has the message, or will not get it. */
  take(): void {
    this.#taken.resolve();
  }

  /** Resolves once no answer is missing any more. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Notes that a request was cancelled. */
  cancel(key: Key): void {
    this.isCancelled ||= this.#owed.has(key);
    this.settle(key);
  }

  /** Notes that a request was answered. */
  settle(key: Key): void {
    this.#owed.delete(key);
    if (this.#owed.size === 0) this.#settled.resolve();
  }
}
