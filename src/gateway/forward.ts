import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { isHtml } from "../api/judge.ts";
import type { Lease } from "../auth/broker.ts";
import { loginCommand } from "../core/errors.ts";
import { type Host, modelUrl } from "../core/host.ts";
import { type Fetch, networkFailure } from "../platform/network.ts";
import type { GatewayError } from "./errors.ts";
import { downstreamHeaders } from "./inject.ts";
import type { Call } from "./paths.ts";
import { atReadersPace } from "./stream.ts";

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

/** The one place that forms upstream addresses: the path can only extend the configured base. */
const upstreamUrl = (host: Host, { path, query }: Call) => modelUrl(host, path) + query;

/**
 * Sends a request upstream and hands the answer back as it comes: both bodies stream, nothing is decompressed, and when
 * the agent hangs up, so do we.
 *
 * @param call the agent's call, already judged to be for the model API
 * @param body its body: bytes that can be sent again, or the stream itself
 * @param headers upstream headers
 * @param agent aborts when the agent hangs up
 */
export async function forward(
  call: Call,
  body: ArrayBuffer | ReadableStream | null,
  headers: Headers,
  agent: AbortSignal,
  { host, fetch, timeoutMs }: ForwardOptions,
): Promise<Outcome> {
  const firstByte = timeoutMs > 0 ? new AbortController() : undefined;
  const timer = firstByte && setTimeout(() => firstByte.abort(), timeoutMs);
  try {
    const upstream = await fetch(upstreamUrl(host, call), {
      method: call.method,
      headers,
      body,
      decompress: false,
      signal: firstByte ? AbortSignal.any([agent, firstByte.signal]) : agent,
    });
    const setCookies = upstream.headers.getSetCookie();
    const answer = host.kind === "codemie" ? await bodyUnlessLoggedOut(upstream) : await bodyOf(upstream);
    if (answer === "logged-out") return { kind: "logged-out", setCookies };
    const response = new Response(answer, { status: upstream.status, headers: downstreamHeaders(upstream.headers) });
    return { kind: "answer", response, setCookies };
  } catch (error) {
    if (firstByte?.signal.aborted) {
      const message = `${host.origin} sent no answer within ${timeoutMs / 1000} s`;
      return { kind: "failed", error: { status: 504, message } };
    }
    const failed = networkFailure(host.origin, error);
    return { kind: "failed", error: { status: 502, message: `${failed.message}; ${failed.hint}` } };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Reads a body that may have to be sent again, up to a bound: beyond it, and where its length is not announced, it is
 * streamed and can be sent once.
 */
export async function replayableBody(request: Request): Promise<ArrayBuffer | ReadableStream | null> {
  const length = Number(request.headers.get("content-length") ?? Number.NaN);
  // Looking at `request.body` makes a stream of it, which is what costs most here.
  if (!(length <= replayableBytes)) return request.body;
  return length > 0 ? await request.arrayBuffer() : null;
}

/** The answer when the host takes the credential no longer: what happened and what helps. */
export function loggedOut(host: Host, { bearer, profile }: Lease): GatewayError {
  const message = bearer
    ? `${host.origin} did not accept the bearer token; get a new one and start again with it`
    : `the CodeMie session at ${host.origin} is no longer valid; run: ${loginCommand(host.origin, profile)}`;
  return { status: 401, message };
}

/**
 * A login page is never passed off as an answer: redirects and pages mean that the session is over, and so does a 401 of
 * the host itself (CodeMie fact 2.5). A 401 of the model's provider, told by its error `type`, is the agent's to see.
 */
async function bodyUnlessLoggedOut(upstream: Response): Promise<ReadableStream | Uint8Array | null | "logged-out"> {
  const { status, headers } = upstream;
  if (redirects.has(status) || ((status < 300 || status === 403) && isHtml(headers))) {
    await upstream.body?.cancel();
    return "logged-out";
  }
  if (status !== 401) return await bodyOf(upstream);
  const bytes = await readUpTo(upstream.body, bodyToJudge);
  const text = bytes && decoded(bytes, headers.get("content-encoding"));
  return bytes && text !== undefined && isProviderError(text) ? bytes : "logged-out";
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** An answer's text, to be judged; undefined when its coding is unknown, broken, or hides more than we read. */
function decoded(bytes: Uint8Array, coding: string | null): string | undefined {
  const bound = { maxOutputLength: bodyToJudge };
  try {
    switch (coding?.trim().toLowerCase() || "identity") {
      case "identity":
        return new TextDecoder().decode(bytes);
      case "gzip":
      case "x-gzip":
        return gunzipSync(bytes, bound).toString();
      case "deflate":
        return inflateSync(bytes, bound).toString();
      case "br":
        return brotliDecompressSync(bytes, bound).toString();
      case "zstd":
        return zstdDecompressSync(bytes, bound).toString();
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}

/** The body as it comes; a model provider's answers are passed on whatever they say. */
async function bodyOf(upstream: Response): Promise<ReadableStream | Uint8Array | null> {
  const whole = isSmall(upstream.headers) ? await upstream.bytes() : undefined;
  if (whole) return whole.length > 0 ? whole : null;
  return upstream.body && atReadersPace(upstream.body);
}

/** Answers announced to be this short are passed on as one piece, which costs a third less than a stream, bytes. */
const onePieceBytes = 16_384;

function isSmall(headers: Headers): boolean {
  const length = headers.get("content-length");
  // A length beside chunks says nothing of how long they are (RFC 9112 section 6.3).
  return (
    length !== null &&
    !headers.has("transfer-encoding") &&
    Number(length) <= onePieceBytes &&
    !headers.get("content-type")?.includes("event-stream")
  );
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
