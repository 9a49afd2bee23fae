/** Pieces above this length are given back at once; smaller ones are left to the garbage collector, bytes. */
const largePiece = 16_384;
/** When this much waits for the reader, the sender has to wait, bytes. */
const enough = 65_536;

/** What a body asks of its sender. */
export interface Sender {
  pause(): void;
  resume(): void;
  /** the reader wants no more */
  cancel(): void;
}

/**
 * A body as it comes, at the reader's pace. Where the sender breaks off, the reader's connection breaks too, and never ends
 * as if all had come.
 */
export class BodyStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #sender: Sender;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** asks to be told when the reader waits and nothing is left for it */
  #ask: (() => void) | undefined;
  /** what is given back then */
  #large: Uint8Array[] = [];
  #paused = false;
  #hasFailed = false;

  constructor(sender: Sender) {
    this.#sender = sender;
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#drained(),
        cancel: () => sender.cancel(),
      },
      // The reader is not asked for more than it takes.
      { highWaterMark: 0, size: (piece) => piece?.byteLength ?? 0 },
    );
  }

  /** Takes the next piece. */
  push(piece: Uint8Array): void {
    this.#controller?.enqueue(piece);
    if (piece.length > largePiece) this.#large.push(piece);
    else if (!this.#waits(enough)) return;
    if (!this.#paused && this.#waits(enough)) {
      this.#paused = true;
      this.#sender.pause();
    }
    this.#ask?.();
  }

  /** That was all. */
  end(): void {
    this.#resume();
    this.#controller?.close();
  }

  /** It broke off. What came before is still the reader's. */
  fail(): void {
    this.#hasFailed = true;
    if (this.#waits(0)) this.#ask?.();
    else this.#controller?.error();
  }

  /** The sender goes on, with the next answer if this one has ended. */
  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#sender.resume();
  }

  /** More than so many bytes wait for the reader. */
  #waits(bytes: number): boolean {
    return (this.#controller?.desiredSize ?? 0) < -bytes;
  }

  /**
   * The reader waits, so it has copied all it got. Left to the collector, a large answer grows the process by tens of
   * megabytes. It is not called again until the promise is kept, which spares most streams its cost.
   */
  #drained(): Promise<void> | undefined {
    for (const piece of this.#large) release(piece);
    this.#large = [];
    if (this.#hasFailed) {
      this.#controller?.error();
      return undefined;
    }
    this.#resume();
    return new Promise((resolve) => {
      this.#ask = resolve;
    });
  }
}

/** Gives the memory of a piece back, and of all that came with it. */
function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > largePiece) buffer.transfer(0);
}

/** Gives the memory of a piece of the runtime's back, unless there is more in it than the piece. */
export function releaseWhole(piece: Uint8Array): void {
  if (piece.byteLength === piece.buffer.byteLength) release(piece);
}
