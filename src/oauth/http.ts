import { isIP } from "node:net";
import { CodemieError } from "../core/errors.ts";
import { isLoopback } from "../core/host.ts";
import { addressOnly, type Log } from "../mcp/log.ts";
import { readBody } from "../platform/body.ts";
import type { Cookies } from "../platform/cookie-jar.ts";
import { type Fetch, networkFailure } from "../platform/network.ts";
import { oauthFailure } from "./failures.ts";

/** How long one request to an authorization server may take, ms. */
const requestMs = 20_000;
/** Longest document or answer that is read, bytes. */
const mostBytes = 1_000_000;

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export interface OAuthRequest {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly headers?: Headers;
  readonly body?: URLSearchParams | string;
  /** ms; shorter than the usual limit */
  readonly patienceMs?: number;
}

/** Requests to where a server's metadata leads: bounded in time and size, never redirected, never in clear. */
export class OAuthHttp {
  readonly #server: URL;
  readonly #allowHttp: boolean;
  readonly #fetch: Fetch;
  readonly #cookies: Cookies;
  readonly #log: Log;

  /**
   * @param server the MCP server whose metadata is followed
   * @param allowHttp whether the user allowed plain `http:` to it
   */
  constructor(server: URL, allowHttp: boolean, fetch: Fetch, cookies: Cookies, log: Log) {
    this.#server = server;
    this.#allowHttp = allowHttp;
    this.#fetch = fetch;
    this.#cookies = cookies;
    this.#log = log;
  }

  /**
   * Judges an address out of metadata. A server on the network must not send us to what listens on this machine or answers
   * on its link only (RFC 9728 section 7.7), with whatever protocol; a company's private addresses are reached from its
   * network as others are. Plain `http:` is for a server on this machine, which may name others on it.
   *
   * @param what what the address is, for the error
   * @throws `auth_refused` when nothing may be sent there
   */
  allowed(address: string, what: string): URL {
    const url = URL.parse(address);
    const [from, to] = [this.#server.hostname, url?.hostname ?? ""].map(isLocalOnly);
    if (to && !from) throw oauthFailure.address(what, address);
    if (url?.protocol === "https:" && !url.username && !url.password) return url;
    const local = isLoopback(this.#server.hostname) && url !== null && isLoopback(url.hostname);
    const own = this.#allowHttp && url?.hostname === this.#server.hostname;
    if (url?.protocol === "http:" && (local || own)) return url;
    throw oauthFailure.address(what, address);
  }

  /**
   * @throws `unreachable`, `tls`, `server_error` for an answer that is too long
   */
  async send(url: URL, request: OAuthRequest = {}): Promise<Answer> {
    const headers = request.headers ?? new Headers();
    headers.set("accept", "application/json");
    const cookie = await this.#cookies.headerFor(url.href);
    if (cookie) headers.set("cookie", cookie);
    const method = request.method ?? "GET";
    const body = request.body === undefined ? {} : { body: request.body };
    try {
      const signal = AbortSignal.timeout(request.patienceMs ?? requestMs);
      const response = await this.#fetch(url.href, { method, headers, ...body, signal });
      this.#log.debug(`${method} ${addressOnly(url)} → ${response.status}`);
      await this.#cookies.take(url.href, response.headers.getSetCookie());
      return { status: response.status, text: await this.#read(response, url) };
    } catch (error) {
      if (error instanceof CodemieError) throw error;
      throw networkFailure(url.origin, error);
    }
  }

  async #read(response: Response, url: URL): Promise<string> {
    const { bytes, end, error } = await readBody(response.body, mostBytes);
    if (end === "cut") throw oauthFailure.tooLong(addressOnly(url), mostBytes);
    if (end === "broken") throw error;
    return new TextDecoder().decode(bytes);
  }
}

/** Names and addresses that mean another machine to each who asks: unspecified, loopback, link-local (RFC 6890). */
function isLocalOnly(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$|\.$/g, "").toLowerCase();
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  if (isIP(host) === 4) return /^(0|127|169\.254)\./.test(host);
  if (isIP(host) !== 6) return false;
  // The URL parser writes the last 32 bits of `::ffff:a.b.c.d` in hexadecimal.
  const [, high, low] = /^::(?:ffff:)?([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host) ?? [];
  if (high !== undefined && low !== undefined) {
    const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
    return isLocalOnly([a >> 8, a & 255, b >> 8, b & 255].join("."));
  }
  return host === "::" || host === "::1" || /^fe[89ab]/.test(host);
}
