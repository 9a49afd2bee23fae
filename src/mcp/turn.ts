import type { Slots } from "./slots.ts";

/** A message that holds no more than this, bytes or characters, needs no turn. */
const smallMessage = 262_144;

/**
 * The turn of a message that is being read. Large ones take turns, since each needs several times its length until the
 * client has read it, and a server could send hundreds at once. The others wait unread at the server.
 */
export class Turn {
  readonly #slots: Slots;
  readonly #signal: AbortSignal;
  #release: (() => void) | undefined;

  /**
   * @param slots those that all messages share
   * @param signal ends the waiting
   */
  constructor(slots: Slots, signal: AbortSignal) {
    this.#slots = slots;
    this.#signal = signal;
  }

  /**
   * Waits for the turn, if the message needs one; gives it back when it needs it no longer.
   *
   * @param size how much of a message is held so far, bytes or characters
   * @throws the signal's reason
   */
  async holds(size: number): Promise<void> {
    if (size <= smallMessage) this.end();
    else this.#release ??= await this.#slots.take(this.#signal);
  }

  /** Gives the turn back. */
  end(): void {
    this.#release?.();
    this.#release = undefined;
  }
}
