import type { Carriage } from "../carriage.ts";
import { mcpFailure } from "../failures.ts";
import { deepest, edited } from "../json-text.ts";
import { type Key, readEnvelope, withId } from "../message.ts";
import { PendingMessage } from "../pending-message.ts";
import type { SendOutcome, Transport } from "../transport.ts";
import { faultOf } from "./revision-2026-07-28.ts";

/** A request of the bridge's own, often in place of the client's. */
export interface Ask {
  readonly text: string;
  readonly carriage: Carriage;
  /** the client's message that it is sent for, and cancelled with */
  readonly for?: PendingMessage | undefined;
  /** false: nobody waits for it, so no browser opens for it */
  readonly attended: boolean;
  /** cancels it */
  readonly signal?: AbortSignal | undefined;
  /** takes its answer; resolves once there is room for more */
  readonly answer: (text: string) => Promise<void> | void;
  /** takes what else the server sends on its stream */
  readonly other: (text: string) => Promise<void> | void;
}

/** Sends requests whose answers reach the one who asked, and not the client. */
export class Asks {
  readonly #transport: Transport;
  readonly #open = new Set<PendingMessage>();
  #count = 0;

  /** @param transport its messages have to be shown to {@link Asks.take} first */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** @returns the id of a new request of our own */
  newKey(): Key {
    return `"codemie-${++this.#count}"`;
  }

  /** @returns what takes a text that the server sent, if it is for one of these requests */
  take(text: string, during: PendingMessage | undefined): PendingMessage["sink"] {
    if (during || this.#open.size === 0) return during?.sink;
    const envelope = readEnvelope(text);
    const answers = typeof envelope === "string" ? [] : envelope.answers;
    return [...this.#open].find((sent) => answers.some((key) => sent.owes(key)))?.sink;
  }

  /**
   * Sends a request. Never rejects.
   *
   * @returns `done` when the answer came, also where it came with an error status
   */
  async send(asked: Ask): Promise<SendOutcome> {
    const envelope = readEnvelope(asked.text);
    if (typeof envelope === "string") throw new Error(envelope);
    const sent = new PendingMessage(asked.text, envelope, true, asked.attended);
    sent.carriage = asked.carriage;
    const [key = "null"] = envelope.requests;
    const cancel = () => sent.cancel(key);
    sent.sink = async (text) => {
      const read = readEnvelope(text);
      if (typeof read === "string") return;
      if (read.isTooDeep) {
        if (read.answers.some((one) => sent.owes(one))) throw mcpFailure.tooDeep(deepest);
        return;
      }
      for (const one of read.messages) {
        if (one.answers === undefined || !sent.owes(one.answers)) await asked.other(one.text);
        else {
          await asked.answer(one.answers === key ? one.text : withId(one.text, key));
          sent.settle(key);
        }
      }
    };
    void asked.for?.settled.then(() => asked.for?.isCancelled && cancel());
    void sent.taken.then(() => asked.for?.take());
    asked.signal?.addEventListener("abort", cancel);
    if (asked.signal?.aborted) cancel();
    this.#open.add(sent);
    try {
      const outcome = await this.#transport.send(sent);
      if (outcome.kind !== "failed" || faultOf(outcome.text) === undefined) return outcome;
      // An error that names no request answers the only one that the HTTP request held.
      await asked.answer(edited(outcome.text ?? "", { id: key }));
      return { kind: "done" };
    } finally {
      this.#open.delete(sent);
      asked.signal?.removeEventListener("abort", cancel);
    }
  }
}

/** Statuses that say something else than that a message is not understood. */
const otherRefusals: readonly number[] = [401, 403, 408, 413, 429];

/** @returns true when the server answered, in whichever way, but not with what belongs to the message */
export const isAnswered = (outcome: SendOutcome): boolean =>
  outcome.kind === "failed" && outcome.status !== undefined && !otherRefusals.includes(outcome.status);

/** @returns true when the server refused a message as one that it does not understand, and so did not act on it */
export function isRefused(outcome: SendOutcome): boolean {
  const status = outcome.kind === "failed" ? (outcome.status ?? 0) : 0;
  return isAnswered(outcome) && status >= 400 && status < 500;
}
