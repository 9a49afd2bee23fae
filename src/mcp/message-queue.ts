/** While so many messages wait to be sent, no more of the client's are read. */
const mostWaiting = 100;

/** Messages of the client that wait to be sent, in their order. */
export class MessageQueue {
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** resolves when one message less waits; there only while somebody waits for that */
  #progress: PromiseWithResolvers<void> | undefined;

  /** True while many messages wait for those before them. */
  get isFull(): boolean {
    return this.#waiting >= mostWaiting;
  }

  /** @param send sends a message once those before it are on their way; never rejects */
  add(send: () => Promise<void>): void {
    this.#waiting++;
    this.#last = this.#last.then(async () => {
      await send();
      this.#waiting--;
      this.#progress?.resolve();
      this.#progress = undefined;
    });
  }

  /**
   * Waits while the queue {@link isFull}. A server that asks without end and takes no answers must not have them pile up here: a client
   * whose lines are not read stops reading the server's.
   */
  async room(): Promise<void> {
    while (this.isFull) {
      this.#progress ??= Promise.withResolvers<void>();
      await this.#progress.promise;
    }
  }

  /** Waits until all messages that are in the queue now are on their way. */
  async empty(): Promise<void> {
    await this.#last;
  }
}
