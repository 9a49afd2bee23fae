import { isHtmlType } from "../api/judge.ts";
import type { Lease } from "../auth/credentials.ts";
import { authFailure } from "../auth/failures.ts";
import { loginCommand } from "../core/hints.ts";
import { type Host, modelUrl } from "../core/host.ts";
import type { HttpClient, IncomingAnswer, OutgoingRequest } from "../http1/message.ts";
import { readBody } from "../platform/body.ts";
import { networkFailure } from "../platform/network.ts";
import { GatewayError } from "./errors.ts";
import { downstreamHeaders } from "./headers.ts";
import type { Call } from "./paths.ts";

/** How much of an error answer we read to find out what it means, bytes. */
export const bodyToJudge = 65_536;

/** We keep bodies up to this length until the answer begins, to send them again after a renewal, bytes. */
const replayableBytes = 8 * 1024 * 1024;

export interface ForwardOptions {
  readonly host: Host;
  readonly upstream: HttpClient;
  /** time until the answer must begin (a short one: until it must be complete), ms; 0 for ever */
  readonly timeoutMs: number;
}

/** The head of the host's answer, with what the agent must not see. */
type Head = Pick<IncomingAnswer, "status" | "headers" | "setCookies">;

/** The outcome of one request to the host. */
export type UpstreamOutcome =
  /** the answer for the agent */
  | ({ readonly kind: "answer"; readonly response: Response } & Head)
  /** a page that the front sends to those without a session, and a firewall to anybody */
  | ({ readonly kind: "doubtful"; readonly response: Response } & Head)
  | ({ readonly kind: "logged-out" } & Head)
  | { readonly kind: "failed"; readonly error: GatewayError };

/** The only place that forms addresses of the host: a path can only extend the configured base. */
export const upstreamUrl = (host: Host, { path, query }: Call): string => modelUrl(host, path) + query;

/**
 * Sends a request to the host and passes the answer on as it arrives: both bodies stream, nothing is decompressed, and when
 * the agent hangs up, so do we.
 *
 * @param request a call that may go to the host, with the credential on it
 */
export function forward(request: OutgoingRequest, options: ForwardOptions): Promise<UpstreamOutcome> {
  return options.timeoutMs === 0 ? attempt(request, options) : attemptInTime(request, options);
}

async function attemptInTime(request: OutgoingRequest, options: ForwardOptions): Promise<UpstreamOutcome> {
  const { host, timeoutMs } = options;
  const firstByte = new AbortController();
  const timer = setTimeout(() => firstByte.abort(), timeoutMs);
  const outcome = await attempt({ ...request, signal: AbortSignal.any([request.signal, firstByte.signal]) }, options);
  clearTimeout(timer);
  if (outcome.kind !== "failed" || !firstByte.signal.aborted) return outcome;
  return { kind: "failed", error: new GatewayError(504, `${host.origin} sent no answer within ${timeoutMs / 1000} s`) };
}

async function attempt(request: OutgoingRequest, { host, upstream }: ForwardOptions): Promise<UpstreamOutcome> {
  let answer: IncomingAnswer | undefined;
  try {
    answer = await upstream.send(request);
    const { status, headers, setCookies } = answer;
    const head = { status, headers, setCookies };
    const verdict = host.kind === "codemie" ? judged(answer) : "pass";
    const isWhole = verdict === "pass" || verdict === "doubtful";
    const passed = isWhole ? answer.body : await bodyUnlessLoggedOut(answer, verdict);
    if (passed === "logged-out") return { kind: "logged-out", ...head };
    const response = new Response(passed, { status, headers: downstreamHeaders(headers) });
    return { kind: verdict === "doubtful" ? "doubtful" : "answer", response, ...head };
  } catch (error) {
    discard(answer?.body);
    const failed = networkFailure(host.origin, error);
    return { kind: "failed", error: new GatewayError(502, `${failed.message}; ${failed.hint}`) };
  }
}

/**
 * Reads a body that we may have to send again. A body beyond the bound, or without an announced length, streams and can be
 * sent only once.
 *
 * @param length its announced length, bytes
 */
export function replayableBody(
  request: Request,
  length: number | undefined,
): Promise<ArrayBuffer> | ReadableStream<Uint8Array> | null {
  // Reading `request.body` creates a stream, which costs more than anything else here.
  if (length === undefined || length > replayableBytes) return request.body;
  return length > 0 ? request.arrayBuffer() : null;
}

/** @returns the error for the agent when the host no longer accepts the credential: what happened, and what to do */
export function loggedOut(host: Host, { bearer, profile, variable, identity }: Lease): GatewayError {
  if (identity) return new GatewayError(401, authFailure.identityRefused(host.origin, identity).message);
  return new GatewayError(
    401,
    bearer
      ? `${host.origin} did not accept the bearer token${variable ? ` from ${variable}` : ""}; get a new one and start again with it`
      : `the CodeMie session at ${host.origin} is no longer valid; run: ${loginCommand(host.origin, profile)}`,
  );
}

/**
 * A login page never reaches the agent as an answer: redirects and pages mean that the session is over, and so does a 401 of
 * the host itself (CodeMie fact 2.5). A 401 of the model's provider, which its error `type` shows, goes to the agent; so does
 * a page with 403, if the credential is good.
 */
function judged({ status, headers }: IncomingAnswer): "pass" | "doubtful" | "logged-out" | "read" {
  if (redirects.has(status)) return "logged-out";
  if (status === 401) return "read";
  const isPage = (status < 300 || status === 403) && isHtmlType(headers["content-type"]);
  return isPage ? (status === 403 ? "doubtful" : "logged-out") : "pass";
}

async function bodyUnlessLoggedOut(
  { headers, body }: IncomingAnswer,
  verdict: "logged-out" | "read",
): Promise<IncomingAnswer["body"] | "logged-out"> {
  if (verdict === "logged-out") {
    discard(body);
    return "logged-out";
  }
  const bytes = body instanceof ReadableStream ? await wholeOf(body) : (body ?? new Uint8Array());
  const text = bytes && (await decoded(bytes, headers["content-encoding"]));
  return bytes && text !== undefined && isProviderError(text) ? bytes : "logged-out";
}

/** Cancels a body that nobody will read. The error of one that is already broken has no reader, so it is dropped. */
export function discard(body: IncomingAnswer["body"] | undefined): void {
  if (body instanceof ReadableStream && !body.locked) body.cancel().catch(() => undefined);
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * @param limit most bytes that it may expand to
 * @returns the text of an answer; undefined when its coding is unknown or broken, or it expands to more than that
 */
export async function decoded(
  bytes: Uint8Array,
  coding: string | null | undefined,
  limit: number = bodyToJudge,
): Promise<string | undefined> {
  const name = coding?.trim().toLowerCase() || "identity";
  if (name === "identity") return new TextDecoder().decode(bytes);
  // Loaded here: few gateways ever see such an answer, and it takes a few megabytes.
  const { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } = await import("node:zlib");
  // A map, since the host chooses the name: an object would also have `constructor`.
  const decoders = new Map<string, (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer>([
    ["gzip", gunzipSync],
    ["x-gzip", gunzipSync],
    ["deflate", inflateSync],
    ["br", brotliDecompressSync],
    ["zstd", zstdDecompressSync],
  ]);
  try {
    return decoders.get(name)?.(bytes, { maxOutputLength: limit }).toString();
  } catch {
    return undefined;
  }
}

function isProviderError(text: string): boolean {
  try {
    return typeof JSON.parse(text)?.error?.type === "string";
  } catch {
    return false;
  }
}

/** @returns the whole body, or undefined when it is longer than {@link bodyToJudge} */
async function wholeOf(body: ReadableStream<Uint8Array>): Promise<Uint8Array | undefined> {
  const { bytes, end, error } = await readBody(body, bodyToJudge);
  if (end === "broken") throw error;
  return end === "whole" ? bytes : undefined;
}
