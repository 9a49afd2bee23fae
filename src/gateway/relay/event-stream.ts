import type { IncomingAnswer } from "../../http1/message.ts";
import { discard } from "../attempt.ts";
import { RelayRefusal } from "./refusal.ts";

/** How many parts of a stream are held back at most; a line with more blanks at its end names no other event. */
const mostHeld = 100;

/**
 * @param method of the request
 * @param host whose answer it is, for messages
 * @param ended called when a stream ends for that reason
 * @returns the body of an answer. What answers a `GET` ends before a client of HTTP+SSE learns where to post its messages: through the
 *   relay that address could only be another target of the relay (MCP 2024-11-05, HTTP with SSE). Some clients look at no type
 * @throws RelayRefusal when such an answer is packed, so that nobody can look into it
 */
export function withoutEndpoint(
  method: string,
  { headers, body }: IncomingAnswer,
  host: string,
  ended: (why: RelayRefusal) => void,
): IncomingAnswer["body"] {
  if (method !== "GET") return body;
  const coding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (coding !== "identity") {
    discard(body);
    throw new RelayRefusal(502, "unreadable", `${host} packs its answer, though it was asked not to`, host);
  }
  const refusal = () =>
    new RelayRefusal(502, "address", `${host} speaks the older HTTP+SSE, which the relay does not carry`, host);
  const finder = new EndpointFinder();
  if (!(body instanceof ReadableStream)) {
    if (body && (finder.sees(body) || finder.couldEnd)) throw refusal();
    return body;
  }
  const reader = body.getReader();
  /** what the stream could end with, behind such a line: a client may take what it has at the end for a whole event */
  const held: Uint8Array[] = [];
  return new ReadableStream<Uint8Array>({
    async pull(out) {
      for (;;) {
        const { done, value } = await reader.read();
        if (done ? held.length > 0 : finder.sees(value) || held.length > mostHeld) {
          ended(refusal());
          await reader.cancel().catch(() => undefined);
          return out.close();
        }
        if (done) return out.close();
        held.push(value);
        if (finder.couldEnd) continue;
        for (const part of held.splice(0)) out.enqueue(part);
        return;
      }
    },
    cancel: () => reader.cancel().catch(() => undefined),
  });
}

/**
 * @param type the `Content-Type` of an answer to a `GET`
 * @returns it without its parameters, since by a `charset` some clients read a stream in a code in which nobody sees its events. A
 *   stream of events says UTF-8, which is the only one that the specification knows, and which some clients do not take by
 *   themselves. Undefined when it is no type
 */
export function inUtf8(type: string | undefined): string | undefined {
  const alone = /^\s*([\w.+-]+\/[\w.+-]+)\s*(?:;|$)/.exec(type ?? "")?.[1];
  return alone?.toLowerCase() === "text/event-stream" ? `${alone}; charset=utf-8` : alone;
}

/** Blanks, control characters and what is no ASCII: some client takes any of them off a name. */
const dropped = /[^!-~]+/g;
/**
 * Those of them at which some client ends a line: LF and CR by the specification, and those at which programming languages do (VT,
 * FF, FS, GS, RS; the last byte of NEL, U+2028 and U+2029 in UTF-8).
 */
const lineEnds = "\n\r\v\f\u001c\u001d\u001e\u0085\u00a8\u00a9";
/** Longer than the line that is looked for. */
const keptLength = 32;

/** Looks for a line that names the event `endpoint`, in the spelling of any client. */
class EndpointFinder {
  /** the end of what came, without what some client drops, each end of a line as LF */
  #end = "\n";

  /** @returns true when such a line ends in this part of the stream */
  sees(part: Uint8Array): boolean {
    const text = Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString("latin1");
    const bare = text
      .replace(dropped, (run) => ([...run].some((one) => lineEnds.includes(one)) ? "\n" : ""))
      .toLowerCase();
    const both = this.#end.endsWith("\n") && bare.startsWith("\n") ? this.#end + bare.slice(1) : this.#end + bare;
    this.#end = both.slice(-keptLength);
    return /\nevent\n?:\n?endpoint\n/.test(both);
  }

  /** True when an end of the line, or of the stream, would make the last line one. */
  get couldEnd(): boolean {
    return /\nevent\n?:\n?endpoint$/.test(this.#end);
  }
}
