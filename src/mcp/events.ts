import { createParser } from "eventsource-parser";

/** One event of a stream (HTML standard, server-sent events). */
export interface StreamEvent {
  readonly type: string;
  readonly data: string;
}

/** How far a stream was read: where to go on, and how long the server wants us to wait before. */
export interface Position {
  /** id of the last event, for `Last-Event-ID` */
  lastEventId?: string;
  /** ms */
  retryMs?: number;
}

/** The longest event taken, characters; beyond it the stream is given up. */
const longestEvent = 256 * 1024 * 1024;

/**
 * Reads an event stream to its end.
 *
 * @param body the bytes
 * @param position brought up to date as events come
 * @param onEvent gets each event that carries data
 * @param onBytes told of every chunk, comments included: a sign of life
 * @throws what the stream throws when the connection breaks
 */
export async function readEvents(
  body: ReadableStream<Uint8Array> | null,
  position: Position,
  onEvent: (event: StreamEvent) => void,
  onBytes: () => void = () => undefined,
): Promise<void> {
  let broken: Error | undefined;
  const parser = createParser({
    maxBufferSize: longestEvent,
    onEvent(event) {
      if (event.id !== undefined) position.lastEventId = event.id;
      if (event.data !== "") onEvent({ type: event.event ?? "message", data: event.data });
    },
    onRetry(ms) {
      position.retryMs = ms;
    },
    onError(error) {
      if (error.type === "max-buffer-size-exceeded") broken = error;
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of body ?? []) {
    onBytes();
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (broken) throw broken;
  }
}
