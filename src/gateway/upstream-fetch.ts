import { shortBytes } from "../http1/answer.ts";
import { releaseWhole } from "../http1/body.ts";
import type { HeaderRecord, HttpClient } from "../http1/message.ts";
import type { Fetch } from "../platform/network.ts";

/**
 * Sends requests with the runtime's `fetch`, which supports proxies, their passwords, and TLS to them.
 */
export function upstreamByFetch(fetch: Fetch): HttpClient {
  return {
    async send({ method, url, headers, fixed, body, length, signal }) {
      // Without this header the runtime would send a stream in chunks, which some hosts refuse.
      const framing = body instanceof ReadableStream && length !== undefined && { "content-length": String(length) };
      const all = { ...headers, ...fixed, ...framing };
      const answer = await fetch(url, { method, headers: all, body, decompress: false, signal });
      const { "set-cookie": _, ...rest } = answer.headers.toJSON() as Record<string, string>;
      const head = { status: answer.status, headers: rest, setCookies: answer.headers.getSetCookie() };
      if (isShort(rest)) return { ...head, body: await answer.bytes() };
      return { ...head, body: answer.body && atReadersPace(answer.body) };
    },
    close() {},
  };
}

function isShort(headers: HeaderRecord): boolean {
  const length = headers["content-length"];
  // A length beside chunks does not count (RFC 9112 section 6.3).
  return (
    length !== undefined &&
    headers["transfer-encoding"] === undefined &&
    Number(length) <= shortBytes &&
    !headers["content-type"]?.includes("event-stream")
  );
}

/** Copies a body stream: of the runtime's own, the server would print the errors, with the URL, on the agent's screen. */
function atReadersPace(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let sent: Uint8Array | undefined;
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          if (sent) releaseWhole(sent);
          const { done, value } = await reader.read();
          sent = value;
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
