/** We free the memory of pieces above this length, bytes; smaller ones are left to the garbage collector. */
const largePiece = 16_384;
/** When more than this waits for the reader, bytes, the sender has to wait. */
const enough = 65_536;

/** The source of a body's bytes, as the body controls it. */
export interface Sender {
  pause(): void;
  resume(): void;
  /** the reader wants no more */
  cancel(): void;
}

/**
 * A body as a stream, at the reader's pace. If the sender breaks off, the stream fails; it never ends as if it were
 * complete.
 */
export class BodyStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #sender: Sender;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** resolves the last `pull`: then the runtime pulls again as soon as the reader waits with nothing left */
  #ask: (() => void) | undefined;
  /** the large pieces, to be freed then */
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
      // Pull only when the reader waits, never ahead of it.
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

  /** The body is complete. */
  end(): void {
    this.#resume();
    this.#controller?.close();
  }

  /** The body broke off. The reader still gets everything that came before. */
  fail(): void {
    this.#hasFailed = true;
    if (this.#waits(0)) this.#ask?.();
    else this.#controller?.error();
  }

  /** Lets the sender continue, with the next answer if this one is complete. */
  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#sender.resume();
  }

  /** @returns true when more than this many bytes wait for the reader */
  #waits(bytes: number): boolean {
    return (this.#controller?.desiredSize ?? 0) < -bytes;
  }

  /**
   * The reader waits, so it has copied every piece, and the large ones can be freed: left to the garbage collector, a
   * large answer grows the process by tens of megabytes. The runtime does not call this again until the promise
   * resolves, which spares most streams the cost.
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

/** Frees the memory of a piece, and of everything else in its buffer. */
function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > largePiece) buffer.transfer(0);
}

/** Frees the memory of a piece that the runtime gave us, unless its buffer holds more than the piece. */
export function releaseWhole(piece: Uint8Array): void {
  if (piece.byteLength === piece.buffer.byteLength) release(piece);
}
