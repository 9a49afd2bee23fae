/**
 * How many requests may wait for their answers at the same time. The runtime runs 256 HTTP requests per process and
 * queues the rest. Keep some free for the client's answers to the server's own requests, or both sides would wait for
 * ever.
 */
const mostAtOnce = 200;

/** Lets a bounded number of requests through at a time; the others wait in their order. */
export class Slots {
  #free = mostAtOnce;
  readonly #waiting: (() => void)[] = [];

  /** Waits for a slot. @returns the function that gives it back; call it once */
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
