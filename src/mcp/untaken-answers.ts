/** How many answers may wait for a server to take them, and how long they may be together, characters. */
const [mostAnswers, mostLength] = [1_000, 64 * 1_048_576];

/**
 * The answers to a server's questions that it has not taken. A server that asks without end and takes none must not fill the memory
 * with them.
 */
export class UntakenAnswers {
  #count = 0;
  #length = 0;

  /**
   * Notes an answer.
   *
   * @param length characters
   * @returns false when there is no room for it; there always is for one alone
   */
  add(length: number): boolean {
    const isTooMuch = this.#count >= mostAnswers || this.#length + length > mostLength;
    if (isTooMuch && this.#count > 0) return false;
    this.#count++;
    this.#length += length;
    return true;
  }

  /** Forgets an answer that was taken, or that came to nothing. */
  remove(length: number): void {
    this.#count--;
    this.#length -= length;
  }
}
