import { CodemieError } from "../core/errors.ts";
import { secretsInForm, secretsInHeaders } from "../core/redaction.ts";
import { addressOnly } from "../core/text.ts";
import { textUpTo } from "../platform/body.ts";
import type { Cookies } from "../platform/cookie-jar.ts";
import { type Fetch, networkFailure } from "../platform/network.ts";
import type { AddressRule } from "./addresses.ts";
import { oauthFailure } from "./failures.ts";

/** How long one request to an authorization server may take, ms. */
const requestMs = 20_000;
/** How many redirects we follow to one document. */
const mostRedirects = 5;
/** Longest answer that we read, bytes. */
const mostBytes = 1_000_000;

/** An answer of an authorization server. */
export interface OAuthAnswer {
  readonly status: number;
  readonly text: string;
  /** the secrets of the request, which the text may repeat */
  readonly sent: readonly string[];
  /** where a redirect leads */
  readonly location?: string | undefined;
  /** what the next proof is to hold (RFC 9449 section 8) */
  readonly nonce: string | null;
}

export interface OAuthRequest {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly headers?: Headers;
  readonly body?: URLSearchParams | string;
  /** time limit instead of the usual one, ms */
  readonly patienceMs?: number;
}

export interface OAuthHttpOptions {
  readonly fetch: Fetch;
  /** decides where we may send requests */
  readonly rule: AddressRule;
  /** secrets that `fetch` adds to requests */
  readonly secrets?: readonly string[];
  /** cookies to send and keep, for a reverse proxy in between that needs them */
  readonly cookies?: Cookies;
  /** called for every answer with method, address without query, and status */
  readonly debug?: (text: string) => void;
}

/**
 * Sends requests to authorization servers, bounded in time and size. `fetch` must not follow redirects. Addresses that
 * a document names go through {@link OAuthHttp.allowed} first.
 */
export class OAuthHttp {
  readonly #options: OAuthHttpOptions;

  constructor(options: OAuthHttpOptions) {
    this.#options = options;
  }

  /** The fetch that requests go through, for a library that takes one. */
  get fetch(): Fetch {
    return this.#options.fetch;
  }

  /**
   * Applies the rule to an address.
   *
   * @param what name of the address for the error, for example `the token endpoint`
   * @returns the parsed address
   * @throws `auth_refused` when the rule forbids it
   */
  allowed(address: string, what: string): URL {
    const url = this.#options.rule(address);
    if (!url) throw oauthFailure.address(what, address);
    return url;
  }

  /**
   * Reads a public document. Redirects within its origin are followed, so what it says comes from the same host (RFC
   * 9110 section 15.4).
   *
   * @returns the last answer, whatever its status: a redirect to another origin, too
   * @throws as {@link OAuthHttp.send}
   */
  async read(url: URL): Promise<OAuthAnswer> {
    let at = url;
    for (let hops = 0; ; hops++) {
      const answer = await this.send(at);
      const isRedirect = [301, 302, 303, 307, 308].includes(answer.status);
      const target = isRedirect && answer.location !== undefined ? URL.parse(answer.location, at.href) : null;
      const isSame = target?.origin === url.origin && this.#options.rule(target.href) !== undefined;
      if (!target || !isSame || hops === mostRedirects) return answer;
      at = target;
    }
  }

  /**
   * Sends a request and reads the whole answer.
   *
   * @returns the answer, whatever its status
   * @throws `unreachable`, `tls`, `server_error` for an answer that is too long
   */
  async send(url: URL, request: OAuthRequest = {}): Promise<OAuthAnswer> {
    const { fetch, cookies, debug, secrets = [] } = this.#options;
    const headers = request.headers ?? new Headers();
    headers.set("accept", "application/json");
    const cookie = await cookies?.headerFor(url.href);
    if (cookie) headers.set("cookie", cookie);
    const method = request.method ?? "GET";
    const body = request.body === undefined ? {} : { body: request.body };
    const form = request.body instanceof URLSearchParams ? secretsInForm(request.body) : [];
    const sent = [...secrets, ...secretsInHeaders(headers), ...form];
    try {
      const signal = AbortSignal.timeout(request.patienceMs ?? requestMs);
      const response = await fetch(url.href, { method, headers, ...body, signal });
      debug?.(`${method} ${addressOnly(url)} → ${response.status}`);
      await cookies?.take(url.href, response.headers.getSetCookie());
      const tooLong = () => oauthFailure.tooLong(addressOnly(url), mostBytes);
      const location = response.headers.get("location") ?? undefined;
      const nonce = response.headers.get("dpop-nonce");
      return { status: response.status, sent, location, nonce, text: await textUpTo(response, mostBytes, tooLong) };
    } catch (error) {
      if (error instanceof CodemieError) throw error;
      throw networkFailure(url.origin, error);
    }
  }
}

/**
 * @param origin the MCP server's origin
 * @param headers what the user gave for that server; `Authorization` is for the server itself and stays behind
 * @returns a fetch that sends them to this origin, and to no other. Headers of the request come first
 */
export function withHeadersFor(origin: string, given: Headers, fetch: Fetch): Fetch {
  const own = new Headers(given);
  own.delete("authorization");
  return async (url, options) => {
    if (new URL(url).origin !== origin) return await fetch(url, options);
    const headers = new Headers(own);
    const cookies = own.get("cookie");
    for (const [name, value] of new Headers(options?.headers)) headers.set(name, value);
    if (cookies !== null) headers.set("cookie", [...new Set([cookies, headers.get("cookie")])].join("; "));
    return await fetch(url, { ...options, headers });
  };
}

/**
 * @returns a fetch that throws when an answer is longer than we read, for a library that reads whole answers
 */
export function boundedFetch(fetch: Fetch): Fetch {
  return async (url, options) => {
    const response = await fetch(url, options);
    const text = await textUpTo(response, mostBytes, () => oauthFailure.tooLong(addressOnly(new URL(url)), mostBytes));
    return new Response(text, { status: response.status });
  };
}
