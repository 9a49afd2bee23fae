/**
 * How many requests may wait for their answers at once. The runtime runs 256 requests in a process and lets others wait;
 * some have to be left for the answers that the server's own requests need, or both sides would wait for ever.
 */
const mostAtOnce = 200;

/** Lets so many through at a time, the others in the order they came. */
export class Slots {
  #free = mostAtOnce;
  readonly #waiting: (() => void)[] = [];

  /** @returns what gives the slot back */
  async take(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return () => {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    };
  }
}
