/**
 * The same bytes, at the reader's pace. When the upstream breaks, the agent's connection breaks too; handed the
 * upstream's own stream, the runtime would print that error, with the URL, into the agent's screen.
 *
 * @param body the upstream's body
 */
export function atReadersPace(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream(
    {
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
