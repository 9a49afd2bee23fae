/** Pieces above this length are given back at once; smaller ones are left to the garbage collector, bytes. */
const largePiece = 16_384;

/**
 * The same bytes, at the reader's pace. When the upstream breaks, the agent's connection breaks too; handed the
 * upstream's own stream, the runtime would print that error, with the URL, into the agent's screen.
 *
 * @param body the upstream's body
 */
export function atReadersPace(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let sent: Uint8Array | undefined;
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          // Asked for more, the server has copied what it got. Left to the collector, a large answer grows the process
          // by tens of megabytes.
          if (sent) release(sent);
          const { done, value } = await reader.read();
          sent = value;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch {
          controller.error();
        }
      },
      cancel: () => reader.cancel().catch(() => undefined),
    },
    { highWaterMark: 0 },
  );
}

function release({ buffer, byteLength }: Uint8Array): void {
  if (byteLength > largePiece && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
