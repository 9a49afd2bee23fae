/** An announced body up to this length usually arrives in one piece, bytes. */
const onePieceBytes = 65_536;

/**
 * The same bytes, at the reader's pace. When the upstream breaks, the agent's connection breaks too; handed the
 * upstream's own stream, the runtime would print that error, with the URL, into the agent's screen.
 *
 * @param body the upstream's body
 * @param length its announced length in bytes, NaN when it has none
 * @returns the body as a stream, or as bytes where it arrived whole with its head, which costs a third less
 * @throws when it breaks before its first byte
 */
export async function atReadersPace(
  body: ReadableStream<Uint8Array>,
  length: number,
): Promise<ReadableStream<Uint8Array> | Uint8Array> {
  const reader = body.getReader();
  let first: Uint8Array | undefined;
  if (length > 0 && length <= onePieceBytes) {
    first = (await reader.read()).value;
    if (first?.length === length) return first;
  }
  return new ReadableStream(
    {
      start(controller) {
        if (first) controller.enqueue(first);
      },
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
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
