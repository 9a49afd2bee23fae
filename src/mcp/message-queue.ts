/** So many answers wait only at a server that asks without end and takes none. */
const mostWaiting = 1_000;

/** Messages of the client that wait to be sent, in their order. */
export class MessageQueue {
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** True while so many messages wait that no answer to the server's questions is to join them: it would fill the memory. */
  get isFull(): boolean {
    return this.#waiting >= mostWaiting;
  }

  /** @param send sends a message once those before it are on their way; never rejects */
  add(send: () => Promise<void>): void {
    this.#waiting++;
    this.#last = this.#last.then(async () => {
      await send();
      this.#waiting--;
    });
  }

  /** Waits until all messages that are in the queue now are on their way. */
  async empty(): Promise<void> {
    await this.#last;
  }
}
