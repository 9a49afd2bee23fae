import { createParser } from "eventsource-parser";
import { mcpFailure } from "./failures.ts";
import { longestLine } from "./framing.ts";

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

/** Bounds of the pause a server may ask for before its stream is taken up again, ms: neither a storm nor for ever. */
const [shortestRetryMs, longestRetryMs] = [500, 60_000];

/**
 * Reads an event stream to its end.
 *
 * @param body the bytes
 * @param position brought up to date as events come
 * @param onEvent gets each event that carries data; no more is read until what it returns has resolved
 * @param onBytes told of every chunk, comments included: a sign of life
 * @returns how many events came, those without data included
 * @throws `server_error` for an event longer than {@link longestLine} characters; what the stream throws when the connection
 *   breaks
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
