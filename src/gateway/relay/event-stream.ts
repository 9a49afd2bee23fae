import type { IncomingAnswer } from "../../http1/message.ts";
import { discard } from "../attempt.ts";
import { RelayRefusal } from "./refusal.ts";

const [lineFeed, carriageReturn] = [10, 13];
/** Longest beginning of a line that is kept: longer ones name no endpoint. */
const longestName = 32;
/** UTF-8's, byte by byte: it may come in parts. */
const byteOrderMark = "\xef\xbb\xbf";

/**
 * @param method of the request
 * @param host whose answer it is, for messages
 * @param ended called when a stream ends for that reason
 * @returns the body of an answer. A stream of events that answers a `GET` ends before a client of HTTP+SSE learns where to post
 *   its messages: through the relay that address could only be another target of the relay (MCP 2024-11-05, HTTP with SSE)
 * @throws RelayRefusal when such a stream is packed, so that nobody can look into it
 */
export function withoutEndpoint(
  method: string,
  { headers, body }: IncomingAnswer,
  host: string,
  ended: (why: RelayRefusal) => void,
): IncomingAnswer["body"] {
  if (method !== "GET" || !headers["content-type"]?.toLowerCase().includes("event-stream")) return body;
  const coding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (coding !== "identity") {
    discard(body);
    throw new RelayRefusal(502, "unreadable", `${host} packs its events, though it was asked not to`, host);
  }
  const refusal = () =>
    new RelayRefusal(502, "address", `${host} speaks the older HTTP+SSE, which the relay does not carry`, host);
  const names = endpointFinder();
  if (!(body instanceof ReadableStream)) {
    if (body && names(body)) throw refusal();
    return body;
  }
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(out) {
      const { done, value } = await reader.read();
      if (done) return out.close();
      if (!names(value)) return out.enqueue(value);
      await reader.cancel().catch(() => undefined);
      ended(refusal());
      out.close();
    },
    cancel: () => reader.cancel().catch(() => undefined),
  });
}

/** @returns tells of each part of a stream whether a line ends in it that names the event `endpoint` */
function endpointFinder(): (part: Uint8Array) => boolean {
  let line = "";
  let isFirst = true;
  return (part) => {
    let isFound = false;
    for (let start = 0; start < part.length; ) {
      const end = endOfLine(part, start);
      if (line.length < longestName) line += bytesAsText(part.subarray(start, Math.min(end, start + longestName)));
      start = end + 1;
      if (end === part.length) break;
      isFound ||= isEndpoint(isFirst && line.startsWith(byteOrderMark) ? line.slice(byteOrderMark.length) : line);
      isFirst = false;
      line = "";
    }
    return isFound;
  };
}

/** One blank behind the colon does not count (WHATWG HTML, "Interpreting an event stream"). */
const isEndpoint = (line: string) => line === "event:endpoint" || line === "event: endpoint";

const bytesAsText = (bytes: Uint8Array) => String.fromCharCode(...bytes);

function endOfLine(part: Uint8Array, start: number): number {
  for (let at = start; at < part.length; at++) if (part[at] === lineFeed || part[at] === carriageReturn) return at;
  return part.length;
}
