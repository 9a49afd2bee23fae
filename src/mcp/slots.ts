/** Lets a bounded number of users through at a time; the others wait in their order. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  /** @param count how many at a time */
  constructor(count: number) {
    this.#free = count;
  }

  /**
   * Waits for a slot.
   *
   * @param signal ends the waiting
   * @returns the function that gives it back; call it once
   * @throws the signal's reason
   */
  async take(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    return () => {
      const [next] = this.#waiting;
      if (!next) this.#free++;
      else if (this.#waiting.delete(next)) next();
    };
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => reject(signal?.reason);
    this.#waiting.add(resolve);
    signal?.addEventListener("abort", giveUp);
    try {
      await promise;
    } finally {
      this.#waiting.delete(resolve);
      signal?.removeEventListener("abort", giveUp);
    }
  }
}
