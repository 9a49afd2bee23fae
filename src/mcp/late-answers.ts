import type { PendingMessage } from "./pending-message.ts";
import { aborted, type SilenceLimit } from "./silence-limit.ts";

/** The requests that a server accepted with 202, to answer them on its own stream. */
export class LateAnswers {
  readonly #waiting = new Set<SilenceLimit>();
  #lost = Promise.withResolvers<void>();

  /** Resolves when the stream ends next where it cannot be resumed. */
  get lost(): Promise<void> {
    return this.#lost.promise;
  }

  /** Notes a sign of life on the stream. */
  touch(): void {
    for (const time of this.#waiting) time.touch();
  }

  /** Notes that the stream has ended where it cannot be resumed. */
  broke(): void {
    this.#lost.resolve();
    this.#lost = Promise.withResolvers();
  }

  /**
   * Waits for the answers to a request.
   *
   * @param lost {@link LateAnswers.lost} as it was when the request was sent: the stream may end before the 202 comes
   * @returns false when the stream ends first
   * @throws the reason of the time limit
   */
  async wait(pending: PendingMessage, time: SilenceLimit, lost: Promise<void>): Promise<boolean> {
    this.#waiting.add(time);
    await Promise.race([pending.settled, lost, aborted(time.signal)]);
    this.#waiting.delete(time);
    if (pending.owed.size > 0) time.signal.throwIfAborted();
    return pending.owed.size === 0;
  }
}
