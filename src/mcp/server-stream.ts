import { pause, Streak } from "../core/time.ts";
import { type Position, readEvents, type StreamEvent } from "./events.ts";
import { mcpFailure } from "./failures.ts";
import { type Log, loggable } from "./log.ts";
import { mediaType } from "./response.ts";
import type { Turn } from "./turn.ts";

export interface ServerStreamOptions {
  /** origin of the server, for messages */
  readonly origin: string;
  /** requests the stream, to continue after the event with this id */
  readonly get: (lastEventId: string | undefined) => Promise<Response>;
  /** takes a message from the server; resolves once there is room for more */
  readonly message: (text: string) => Promise<void>;
  /** called for every piece, comments included */
  readonly onBytes: () => void;
  /** called when the stream has ended where it cannot be resumed, so that messages may be lost */
  readonly onBreak: () => void;
  /** the turn for large messages */
  readonly turn: Turn;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Keeps the stream for the server's own messages open until the signal aborts. A server without such a stream refuses
 * it, usually with 405 (MCP 2025-11-25, basic/transports, listening for messages). Never rejects.
 *
 * @returns true when the server no longer knows the session
 */
export async function followServerStream(options: ServerStreamOptions): Promise<boolean> {
  const { origin, get, message, onBytes, onBreak, turn, log, signal } = options;
  const position: Position = {};
  const streak = new Streak();
  const onEvent = async ({ type, data }: StreamEvent) => {
    if (type === "message") await message(data);
  };
  for (let had = false; !signal.aborted; ) {
    try {
      const response = await get(position.lastEventId);
      const { ok, status } = response;
      if (!ok || mediaType(response) !== "text/event-stream") {
        await response.body?.cancel();
        const unavailable = status === 429 || (status >= 500 && status !== 501);
        if (unavailable) throw mcpFailure.status(origin, status);
        // A refusal means that the session is gone only if there was a stream before.
        return had && [400, 401, 404, 410].includes(status);
      }
      had = true;
      streak.opened();
      streak.ended(await readEvents(response.body, position, onEvent, onBytes, turn));
    } catch (error) {
      if (!signal.aborted) log.info(`the server's own stream: ${loggable(error)}`);
      streak.failed();
    } finally {
      turn.end();
    }
    if (had && !position.lastEventId) onBreak();
    await pause(streak.pauseMs(position.retryMs), signal);
  }
  return false;
}
