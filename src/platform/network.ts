import { type CodemieError, failure, systemCode } from "../core/errors.ts";
import { printable } from "../core/text.ts";

/** What a request may ask for beyond the standard: Bun's own switches that we rely on. */
export interface FetchOptions extends RequestInit {
  /** false: hand the body on as it came, still compressed */
  decompress?: boolean;
}

export type Fetch = (url: string, options?: FetchOptions) => Promise<Response>;

/**
 * The only way out of this program. Whatever the environment says (`NODE_TLS_REJECT_UNAUTHORIZED=0` included)
 * certificates are verified; redirects are returned, never followed, because a followed one would carry the credential
 * along; and there is no time limit but the caller's signal, because a model may think for longer than any default.
 */
export const secureFetch: Fetch = (url, options) =>
  fetch(url, {
    ...options,
    redirect: "manual",
    tls: { rejectUnauthorized: true },
    timeout: false,
  } as BunFetchRequestInit);

/** Names of certificate errors, as OpenSSL's verify codes come through Bun. */
const tlsCode = /CERT|SIGNATURE|TLS|SSL|ISSUER|CRL|HOSTNAME_MISMATCH/;

const networkWords: Record<string, string> = {
  ConnectionRefused: "connection refused",
  ECONNREFUSED: "connection refused",
  ConnectionClosed: "the connection was closed",
  ECONNRESET: "the connection was closed",
  FailedToOpenSocket: "the host cannot be found or connected to",
  ENOTFOUND: "the host name does not resolve",
  ConnectionTimeout: "the connection timed out",
  ETIMEDOUT: "the connection timed out",
  TooManyRedirects: "too many redirects",
};

/**
 * @param origin whom we tried to reach
 * @param error what `fetch` threw
 * @returns the failure to show: `tls` for a certificate that does not verify, `unreachable` for the rest
 */
export function networkFailure(origin: string, error: unknown): CodemieError {
  const code = systemCode(error);
  if (error instanceof Error && error.name === "TimeoutError") return failure.unreachable(origin, "no answer in time");
  if (tlsCode.test(code)) return failure.tls(origin, code.toLowerCase().replaceAll("_", " "));
  const words = networkWords[code] ?? (code || (error instanceof Error ? error.name : "unknown error"));
  return failure.unreachable(origin, printable(words, 80));
}

const loopbackNames = "localhost,127.0.0.1,::1";

/**
 * @param env environment variables
 * @returns `NO_PROXY` and `no_proxy` extended by this machine's own names: traffic to loopback carries local keys and
 *   never goes to a proxy
 */
export function withoutLoopbackProxy(env: Record<string, string | undefined>): { NO_PROXY: string; no_proxy: string } {
  const given = env.NO_PROXY || env.no_proxy;
  const value = given ? `${given},${loopbackNames}` : loopbackNames;
  return { NO_PROXY: value, no_proxy: value };
}
