import type { IncomingAnswer } from "../../http1/message.ts";
import { discard } from "../attempt.ts";
import { RelayRefusal } from "./refusal.ts";

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

  /** @returns true when the stream ends now, and its last line is one */
  ends(): boolean {
    return this.sees(new Uint8Array([10]));
  }
}
