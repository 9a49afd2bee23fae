import { CodemieError, systemCode } from "../core/errors.ts";
import { masked, secretsInHeaders } from "../core/redaction.ts";
import { addressOnly } from "../core/text.ts";
import { pause } from "../core/time.ts";
import { readFault } from "../oauth/fault.ts";
import type { Cookies } from "../platform/cookie-jar.ts";
import { type Fetch, networkFailure } from "../platform/network.ts";
import type { AccessToken, Authorization } from "./authorization.ts";
import { type Challenge, readChallenge } from "./challenge.ts";
import { mcpFailure } from "./failures.ts";
import { saysForgotten } from "./forgotten.ts";
import type { Log } from "./log.ts";
import type { PendingMessage } from "./pending-message.ts";
import { bounded } from "./response.ts";
import type { SilenceLimit } from "./silence-limit.ts";

export interface ServerClientOptions {
  /** the MCP server's address, already checked */
  readonly url: URL;
  /** the user's headers, for every request to the server */
  readonly headers: Headers;
  readonly fetch: Fetch;
  readonly cookies: Cookies;
  readonly authorization: Authorization;
  readonly log: Log;
}

export interface ServerRequest {
  readonly url?: URL;
  readonly method: "GET" | "POST" | "DELETE";
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** the time limit; it stops while a person authorizes */
  readonly time?: SilenceLimit;
  /** false: nobody waits for this, so no browser opens for it */
  readonly attended: boolean;
  /** true: it belongs to a session that the server may have forgotten, and may say so with a bare 401 */
  readonly inSession?: boolean;
  /** the message in it, which is not sent if it is no longer wanted */
  readonly pending?: PendingMessage;
}

/** Pauses before a refused connection is tried again, ms: a restarting server is often back by then. */
const refusedRetries = [150, 350, 700];
/** Error codes of connections that broke after they were open: the request may have had its effect. */
const mayHaveArrived = ["ECONNRESET", "ConnectionClosed", "ECONNABORTED", "EPIPE"];
/** How many redirects within the server's own origin we follow. */
const mostRedirects = 5;
/** How much we read of a 401 that may speak of a session, bytes. */
const longestWords = 4_096;
/** Of how many requests we remember the headers: an answer may repeat a token or cookie of an earlier one. */
const mostRemembered = 4;
/** How often we authorize anew for one request. */
const mostRounds = 3;

/** Throws if the message was cancelled meanwhile: then it is not sent, and nobody logs in for it. */
function stillWanted({ pending }: ServerRequest): void {
  if (pending?.wanted === false) throw mcpFailure.cancelled();
}

/** @returns true when a server refuses no more than the proof's nonce, and names another (RFC 9449 section 9) */
function wantsNonce({ status, error }: Challenge, token: AccessToken | undefined, { headers }: Response): boolean {
  return status === 401 && error === "use_dpop_nonce" && !!token?.proofKey && headers.has("dpop-nonce");
}

/**
 * A 401 without `WWW-Authenticate` demands nothing (RFC 9110 section 15.5.2). Within a session that was opened without a
 * token, it means that the server has forgotten the session; with a token it may mean the token, unless it says so.
 *
 * @returns the answer when it means the session
 */
async function forgottenSession(request: ServerRequest, response: Response, hasToken: boolean) {
  const { status, headers } = response;
  if (!request.inSession || status !== 401 || headers.has("www-authenticate")) return undefined;
  if (!hasToken) return response;
  const text = await bounded(response, longestWords);
  return saysForgotten(readFault(text, []).description ?? text) ? new Response(text, { status }) : undefined;
}

/** Sends requests to the MCP server with the user's headers, cookies and the access token. */
export class ServerClient {
  readonly url: URL;
  readonly #options: ServerClientOptions;
  #recent: readonly Headers[] = [];

  constructor(options: ServerClientOptions) {
    this.url = options.url;
    this.#options = options;
  }

  /** @returns the server's words with a mask over the secrets that it was sent */
  readonly masked = (words: string): string => {
    const given = [...secretsInHeaders(this.#options.headers, true), ...this.url.searchParams.values()];
    return masked(words, [...given, ...this.#recent.flatMap((headers) => secretsInHeaders(headers))]);
  };

  /** @returns the description in an error body of JSON-RPC, OAuth or a web framework, masked; undefined if there is none */
  faultIn(text: string): string | undefined {
    const { description } = readFault(text, []);
    return description && this.masked(description);
  }

  /**
   * Sends a request; when the server demands a token, authorizes and sends it again.
   *
   * @returns the answer, of any status but 401 and 403 with `insufficient_scope`; a 401 only for a forgotten session
   * @throws `unreachable`, `tls`; `wrong_base_url` for a redirect that we do not follow; `auth_refused` when the server
   *   refuses the user's `Authorization` header or every token; `interrupted` when the message was cancelled before it
   *   was sent; the signal's reason; what the authorization throws
   */
  async send(request: ServerRequest): Promise<Response> {
    const { authorization } = this.#options;
    let hasNonce = false;
    for (let round = 0; ; round++) {
      request.time?.hold();
      const token = await authorization.current(request);
      request.time?.touch();
      const response = await this.#follow(request, token);
      const challenge = readChallenge(response);
      const forgotten = challenge && (await forgottenSession(request, response, token !== undefined));
      if (forgotten) return forgotten;
      if (!challenge) {
        authorization.accepted(token);
        return response;
      }
      await response.body?.cancel().catch(() => undefined);
      if (this.#options.headers.has("authorization")) throw mcpFailure.headerRefused(this.url.origin, response.status);
      if (!hasNonce && wantsNonce(challenge, token, response)) {
        hasNonce = true;
        continue;
      }
      if (round >= mostRounds) throw mcpFailure.tokenRefused(this.url.origin);
      stillWanted(request);
      request.time?.hold();
      await authorization.renew(challenge, token, request);
    }
  }

  /** Follows redirects within the server's origin only: others would send headers and messages elsewhere. */
  async #follow(request: ServerRequest, token: AccessToken | undefined): Promise<Response> {
    let url = request.url ?? this.url;
    for (let hops = 0; ; hops++) {
      const response = await this.#once(request, url, token);
      const keepsMethod = response.status === 307 || response.status === 308 || request.method === "GET";
      if (response.status < 300 || response.status >= 400 || response.status === 304) return response;
      const target = URL.parse(response.headers.get("location") ?? "", url.href);
      await response.body?.cancel();
      if (!target || target.origin !== url.origin || !keepsMethod || hops === mostRedirects) {
        throw mcpFailure.redirect(addressOnly(this.url), target ? this.masked(addressOnly(target)) : "nowhere");
      }
      url = target;
    }
  }

  async #once(request: ServerRequest, url: URL, given: AccessToken | undefined): Promise<Response> {
    const { cookies, log } = this.#options;
    const headers = new Headers(this.#options.headers);
    for (const [name, value] of Object.entries(request.headers)) if (value !== undefined) headers.set(name, value);
    const [token, proofKey] = [given?.accessToken.reveal(), given?.proofKey];
    if (token !== undefined) headers.set("authorization", `${proofKey ? "DPoP" : "Bearer"} ${token}`);
    const jar = await cookies.headerFor(url.href);
    if (jar) headers.set("cookie", [headers.get("cookie"), jar].filter(Boolean).join("; "));
    this.#recent = [...this.#recent, headers].slice(-mostRemembered);
    const body = request.body === undefined ? {} : { body: request.body };
    let isRepeat = false;
    for (let tries = 0; ; tries++) {
      stillWanted(request);
      // A server takes each proof once.
      if (proofKey) headers.set("dpop", proofKey.proof(request.method, url, token));
      try {
        const response = await this.#options.fetch(url.href, {
          method: request.method,
          headers,
          ...body,
          signal: request.signal,
        });
        log.debug(`${request.method} ${addressOnly(url)} → ${response.status}`);
        proofKey?.heard(url, token, response.headers.get("dpop-nonce"));
        await cookies.take(url.href, response.headers.getSetCookie());
        return response;
      } catch (error) {
        if (error instanceof CodemieError) throw error;
        // A server may close a kept connection in the moment in which a request sets out on it (RFC 9112 section 9.3.1).
        const isBroken = mayHaveArrived.includes(systemCode(error)) && !request.signal.aborted;
        if (isBroken && request.pending?.isRepeatable && !isRepeat) {
          isRepeat = true;
          continue;
        }
        const wait = refusedRetries[tries];
        // Nothing was sent on a refused connection, so a retry cannot repeat an effect.
        if (wait === undefined || systemCode(error) !== "ConnectionRefused" || request.signal.aborted) {
          if (request.signal.aborted && request.signal.reason instanceof CodemieError) throw request.signal.reason;
          if (mayHaveArrived.includes(systemCode(error))) throw mcpFailure.lost(url.origin);
          throw networkFailure(url.origin, error);
        }
        await pause(wait, request.signal);
      }
    }
  }
}
