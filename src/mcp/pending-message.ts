import type { Envelope, Key } from "./message.ts";

/** A text on its way to the server, and the answers that are still owed for it. */
export class PendingMessage {
  readonly text: string;
  readonly envelope: Envelope;
  /** true: we asked on our own, and the client must not see the answer */
  readonly internal: boolean;
  /** false: nobody waits for it, so no browser is opened for it */
  readonly attended: boolean;
  /** what the server answered, where the client must not see it */
  answer: unknown;
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

  /** ids of the requests that have no answer yet */
  get owed(): ReadonlySet<Key> {
    return this.#owed;
  }

  /** whether it asks for an answer at all */
  get asks(): boolean {
    return this.envelope.requests.length > 0;
  }

  /** false: it was answered or cancelled, so the server must not be made to act on it (again) */
  get wanted(): boolean {
    return !this.asks || this.#owed.size > 0;
  }

  /** Resolves once the server is known to have the text, or will not get it. */
  get taken(): Promise<void> {
    return this.#taken.promise;
  }

  /** Notes that the server has the text, or will not get it. */
  take(): void {
    this.#taken.resolve();
  }

  /** Resolves once no answer is owed any more. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Notes that a request was answered, or that its answer is no longer wanted. */
  settle(key: Key): void {
    this.#owed.delete(key);
    if (this.#owed.size === 0) this.#settled.resolve();
  }
}
