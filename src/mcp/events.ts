import { createParser } from "eventsource-parser";
import { mcpFailure } from "./failures.ts";
import { longestLine } from "./framing.ts";

/** One event of a stream (HTML standard, server-sent events). */
export interface StreamEvent {
  readonly type: string;
  readonly data: string;
}

/** How far we have read a stream: where to resume, and how long the server wants us to wait before. */
export interface Position {
  /** id of the last event, for `Last-Event-ID` */
  lastEventId?: string;
  /** ms */
  retryMs?: number;
}

/** Bounds of the pause that a server may ask for before we resume its stream, ms: neither a storm nor for ever. */
const [shortestRetryMs, longestRetryMs] = [500, 60_000];

/**
 * Reads an event stream to its end.
 *
 * @param body the bytes
 * @param position updated as events come
 * @param onEvent gets each event that has data; reading pauses until its promise resolves
 * @param onBytes called for every chunk, comments included: a sign of life
 * @returns how many events came, including those without data
 * @throws `server_error` for an event longer than {@link longestLine} characters; the stream's error when the
 *   connection breaks; what `onEvent` throws
 */
export async function readEvents(
  body: ReadableStream<Uint8Array> | null,
  position: Position,
  onEvent: (event: StreamEvent) => Promise<void>,
  onBytes: () => void = () => undefined,
): Promise<number> {
  let tooLong = false;
  let events = 0;
  let handled: Promise<void> | undefined;
  const parser = createParser({
    maxBufferSize: longestLine,
    onEvent(event) {
      events++;
      if (event.id !== undefined) position.lastEventId = event.id;
      if (event.data !== "") handled = onEvent({ type: event.event ?? "message", data: event.data });
    },
    onRetry(ms) {
      position.retryMs = Math.min(longestRetryMs, Math.max(shortestRetryMs, ms));
    },
    onError(error) {
      if (error.type === "max-buffer-size-exceeded") tooLong = true;
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of body ?? []) {
    onBytes();
    parser.feed(decoder.decode(chunk, { stream: true }));
    if (tooLong) throw mcpFailure.messageTooLong(longestLine);
    await handled;
  }
  return events;
}
