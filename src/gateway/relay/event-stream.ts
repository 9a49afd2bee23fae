import type { IncomingAnswer } from "../../http1/message.ts";
import { discard } from "../attempt.ts";
import { RelayRefusal } from "./refusal.ts";

/**
 * Bytes at which some client ends a line: those of the specification (LF, CR), and those at which programming languages do (VT, FF,
 * FS, GS, RS; the last byte of NEL, U+2028 and U+2029 in UTF-8).
 */
const lineEnds: ReadonlySet<number> = new Set([10, 13, 11, 12, 28, 29, 30, 0x85, 0xa8, 0xa9]);
/** Longest beginning of a line that is kept, without its blanks; longer ones name no endpoint. */
const longestName = 32;

/**
 * @param method of the request
 * @param host whose answer it is, for messages
 * @param ended called when a stream ends for that reason
 * @returns the body of an answer. What answers a `GET` and is no JSON ends before a client of HTTP+SSE learns where to post its
 *   messages: through the relay that address could only be another target of the relay (MCP 2024-11-05, HTTP with SSE). Some
 *   clients look at no type
 * @throws RelayRefusal when such an answer is packed, so that nobody can look into it
 */
export function withoutEndpoint(
  method: string,
  { headers, body }: IncomingAnswer,
  host: string,
  ended: (why: RelayRefusal) => void,
): IncomingAnswer["body"] {
  if (method !== "GET" || /^\s*application\/json\s*(?:;|$)/i.test(headers["content-type"] ?? "")) return body;
  const coding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (coding !== "identity") {
    discard(body);
    throw new RelayRefusal(502, "unreadable", `${host} packs its events, though it was asked not to`, host);
  }
  const refusal = () =>
    new RelayRefusal(502, "address", `${host} speaks the older HTTP+SSE, which the relay does not carry`, host);
  const finder = new EndpointFinder();
  if (!(body instanceof ReadableStream)) {
    if (body && (finder.sees(body) || finder.ends())) throw refusal();
    return body;
  }
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(out) {
      const { done, value } = await reader.read();
      if (!done && !finder.sees(value)) return out.enqueue(value);
      if (done && !finder.ends()) return out.close();
      ended(refusal());
      if (done) return out.error(refusal()); // a client could take what it has for a whole event
      await reader.cancel().catch(() => undefined);
      out.close();
    },
    cancel: () => reader.cancel().catch(() => undefined),
  });
}

/** Looks for a line that names the event `endpoint`, in the spelling of any client. */
class EndpointFinder {
  #line = "";

  /** @returns true when such a line ends in this part of the stream */
  sees(part: Uint8Array): boolean {
    let isFound = false;
    for (let start = 0, at = 0; at <= part.length; at++) {
      if (at < part.length && !lineEnds.has(part[at] ?? 0)) continue;
      if (this.#line.length < longestName) this.#line += bare(part.subarray(start, at)).slice(0, longestName);
      if (at === part.length) break;
      isFound ||= this.ends();
      this.#line = "";
      start = at + 1;
    }
    return isFound;
  }

  /** @returns true when the stream ends now, and its last line is one */
  ends(): boolean {
    return this.#line.replaceAll(byteOrderMark, "").toLowerCase() === "event:endpoint";
  }
}

/** UTF-8's, byte by byte. */
const byteOrderMark = "\xef\xbb\xbf";

/** @returns the bytes as characters, without blanks */
const bare = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1").replace(/\s+/g, "");
