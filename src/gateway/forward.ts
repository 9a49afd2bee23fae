import { isHtml } from "../api/judge.ts";
import { type Host, modelUrl } from "../core/host.ts";
import { type Fetch, networkFailure } from "../platform/network.ts";
import type { GatewayError } from "./errors.ts";
import { downstreamHeaders } from "./inject.ts";

/** How much of a 401 answer is read to see whose it is, bytes. */
const bodyToJudge = 65_536;

/** Bodies up to this length are kept until the answer begins, to be sent again after a renewal, bytes. */
const replayableBytes = 8 * 1024 * 1024;

export interface ForwardOptions {
  readonly host: Host;
  readonly fetch: Fetch;
  /** ms to wait for the first byte of the answer, 0 for ever */
  readonly timeoutMs: number;
}

/** What became of a request upstream. */
export type Outcome =
  /** the answer for the agent; `setCookies` are the upstream's, which it must not see */
  | { readonly kind: "answer"; readonly response: Response; readonly setCookies: string[] }
  | { readonly kind: "logged-out"; readonly setCookies: string[] }
  | { readonly kind: "failed"; readonly error: GatewayError };

/**
 * Sends a request upstream and hands the answer back as it comes: both bodies stream, nothing is decompressed, and when
 * the agent hangs up, so do we.
 *
 * @param request the agent's request, already judged to be for the model API
 * @param body its body: bytes that can be sent again, or the stream itself
 * @param headers upstream headers
 */
export async function forward(
  request: Request,
  body: Uint8Array | ReadableStream | null,
  headers: Headers,
  options: ForwardOptions,
): Promise<Outcome> {
  const { host, timeoutMs } = options;
  const { pathname, search } = new URL(request.url);
  const firstByte = new AbortController();
  const timer = timeoutMs > 0 ? setTimeout(() => firstByte.abort(), timeoutMs) : undefined;
  let upstream: Response;
  try {
    upstream = await options.fetch(modelUrl(host, pathname) + search, {
      method: request.method,
      headers,
      body,
      decompress: false,
      signal: timer === undefined ? request.signal : AbortSignal.any([request.signal, firstByte.signal]),
    });
  } catch (error) {
    if (firstByte.signal.aborted) {
      const message = `${host.origin} sent no answer within ${timeoutMs / 1000} s`;
      return { kind: "failed", error: { status: 504, message } };
    }
    const failed = networkFailure(host.origin, error);
    return { kind: "failed", error: { status: 502, message: `${failed.message}; ${failed.hint}` } };
  } finally {
    clearTimeout(timer);
  }
  const setCookies = upstream.headers.getSetCookie();
  const answer =
    host.kind === "codemie" ? await bodyUnlessLoggedOut(upstream) : upstream.body && passThrough(upstream.body);
  if (answer === "logged-out") return { kind: "logged-out", setCookies };
  const response = new Response(answer, { status: upstream.status, headers: downstreamHeaders(upstream.headers) });
  return { kind: "answer", response, setCookies };
}

/**
 * Reads a body that may have to be sent again, up to a bound: beyond it, and where its length is not announced, it is
 * streamed and can be sent once.
 */
export async function replayableBody(request: Request): Promise<Uint8Array | ReadableStream | null> {
  const length = Number(request.headers.get("content-length") ?? Number.NaN);
  if (!request.body || !(length <= replayableBytes)) return request.body;
  return new Uint8Array(await request.arrayBuffer());
}

/** The answer when the session is over: what happened and the command that helps. */
export function loggedOut(host: Host): GatewayError {
  return {
    status: 401,
    message: `the CodeMie session at ${host.origin} is no longer valid; run: codemie profile login --url ${host.origin}`,
  };
}

/**
 * A login page is never passed off as an answer: redirects and pages mean that the session is over, and so does a 401 of
 * the host itself (CodeMie fact 2.5). A 401 of the model's provider, told by its error `type`, is the agent's to see.
 */
async function bodyUnlessLoggedOut(upstream: Response): Promise<ReadableStream | Uint8Array | null | "logged-out"> {
  const { status, headers, body } = upstream;
  if ((status >= 300 && status < 400) || (status < 404 && isHtml(headers))) {
    await body?.cancel();
    return "logged-out";
  }
  if (status !== 401) return body && passThrough(body);
  const bytes = await readUpTo(body, bodyToJudge);
  return bytes && isProviderError(new TextDecoder().decode(bytes)) ? bytes : "logged-out";
}

function isProviderError(text: string): boolean {
  try {
    return typeof JSON.parse(text)?.error?.type === "string";
  } catch {
    return false;
  }
}

async function readUpTo(body: ReadableStream<Uint8Array> | null, limit: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The same bytes, at the reader's pace. When the upstream breaks, the agent's connection breaks too; handed the
 * upstream's own stream, the runtime would print that error, with the URL, into the agent's screen.
 */
function passThrough(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
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
