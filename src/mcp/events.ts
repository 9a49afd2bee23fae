import { createParser } from "eventsource-parser";
import { mcpFailure } from "./failures.ts";
import { longestLine } from "./framing.ts";
import type { Turn } from "./turn.ts";

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

/** The longest id of an event that we keep, and send back in a header, characters. A stream with a longer one cannot be resumed. */
const longestId = 1_024;

/** Bounds of the pause that a server may ask for before we resume its stream, ms: neither a storm nor for ever. */
const [shortestRetryMs, longestRetryMs] = [500, 60_000];

/**
 * Reads an event stream to its end.
 *
 * @param body the bytes
 * @param position updated as events come
 * @param onEvent gets each event that has data; reading pauses until its promise resolves
 * @param onBytes called for every chunk, comments included: a sign of life
 * @param turn waits when an event becomes large
 * @returns how many events came, including those without data
 * @throws `server_error` for an event longer than {@link longestLine} characters; the stream's error when the
 *   connection breaks; what `onEvent` throws
 */
export async function readEvents(
  body: ReadableStream<Uint8Array> | null,
  position: Position,
  onEvent: (event: StreamEvent) => Promise<void>,
  onBytes: () => void = () => undefined,
  turn?: Turn,
): Promise<number> {
  let tooLong = false;
  let comments = 0;
  let held = 0;
  let events = 0;
  let handled: Promise<void> | undefined;
  const parser = createParser({
    maxBufferSize: longestLine,
    onEvent(event) {
      events++;
      if (event.id !== undefined) position.lastEventId = event.id.length <= longestId ? event.id : "";
      if (event.data !== "") handled = onEvent({ type: event.event ?? "message", data: event.data });
    },
    onRetry(ms) {
      position.retryMs = Math.min(longestRetryMs, Math.max(shortestRetryMs, ms));
    },
    onComment(comment) {
      comments += comment.length + 2;
    },
    onError(error) {
      if (error.type === "max-buffer-size-exceeded") tooLong = true;
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of body ?? []) {
    onBytes();
    const text = decoder.decode(chunk, { stream: true });
    comments = 0;
    parser.feed(text);
    if (tooLong) throw mcpFailure.messageTooLong(longestLine);
    await handled;
    const rest = afterLastEvent(text);
    held = rest === undefined ? held + text.length - comments : rest;
    await turn?.holds(held);
  }
  return events;
}

/** @returns how many characters follow the last blank line, which ends an event; undefined when there is none */
function afterLastEvent(text: string): number | undefined {
  const ends = ["\n\n", "\r\n\r\n", "\r\r"].map((end) => {
    const at = text.lastIndexOf(end);
    return at < 0 ? 0 : at + end.length;
  });
  const last = Math.max(...ends);
  return last > 0 ? text.length - last : undefined;
}
