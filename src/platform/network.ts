import { readFileSync } from "node:fs";
import { delimiter, isAbsolute } from "node:path";
import { getCACertificates } from "node:tls";
import type { Env } from "../core/env.ts";
import { CodemieError, systemCode } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import { platformFailure } from "./failures.ts";
import { requireAbsolute } from "./places.ts";

/** What a request may ask for beyond the standard: Bun's own switches that we rely on. */
export interface FetchOptions extends RequestInit {
  /** false: hand the body on as it came, still compressed */
  decompress?: boolean;
  /** believe any certificate; only {@link trustingFetch} sets it */
  insecureSkipTlsVerify?: boolean;
}

export type Fetch = (url: string, options?: FetchOptions) => Promise<Response>;

/**
 * The only way out of this program. Whatever the environment says (`NODE_TLS_REJECT_UNAUTHORIZED=0` included)
 * certificates are verified; redirects are returned, never followed, because a followed one would carry the credential
 * along; and there is no time limit but the caller's signal, because a model may think for longer than any default.
 *
 * @param env `CODEMIE_CA_CERTS` adds to the authorities of the system, the built-in ones and `NODE_EXTRA_CA_CERTS`
 * @returns the fetch; it throws a usage error when those variables name no such file
 */
export function secureFetch(env: Env): Fetch {
  const tls = tlsSettings(env);
  return async (url, { insecureSkipTlsVerify = false, ...options } = {}) => {
    return await fetch(url, {
      ...options,
      redirect: "manual",
      tls: tls(insecureSkipTlsVerify),
      timeout: false,
      verbose: false, // else `BUN_CONFIG_VERBOSE_FETCH` has every request printed, with its credential
    } as BunFetchRequestInit);
  };
}

/**
 * @param inner the fetch to go through
 * @param origin the one origin whose certificate is not looked at
 */
export function trustingFetch(inner: Fetch, origin: string): Fetch {
  return (url, options) =>
    inner(url, new URL(url).origin === origin ? { ...options, insecureSkipTlsVerify: true } : options);
}

/** Whom to believe on a connection. */
export interface TlsSettings {
  readonly rejectUnauthorized: boolean;
  readonly ca?: string[];
}

/**
 * @param env as {@link extraAuthorities}
 * @returns whom to believe; certificates are verified whatever the environment says, unless it is asked to believe any. It
 *   throws as {@link extraAuthorities}, which is asked once
 */
export function tlsSettings(env: Env): (insecureSkipTlsVerify: boolean) => TlsSettings {
  let authorities: string[] | undefined | null = null;
  return (insecureSkipTlsVerify) => {
    if (authorities === null) authorities = extraAuthorities(env);
    return { rejectUnauthorized: !insecureSkipTlsVerify, ...(authorities && { ca: authorities }) };
  };
}

/**
 * @param env `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`, in either case: what the runtime's `fetch` looks at
 * @param protocol of a request's address, for example `https:`
 * @returns the proxy the environment names for it, if it does; `NO_PROXY` may spare the host all the same
 */
export function namedProxy(env: Env, protocol: string): string | undefined {
  const own = protocol === "https:" ? env.https_proxy || env.HTTPS_PROXY : env.http_proxy || env.HTTP_PROXY;
  return own || env.all_proxy || env.ALL_PROXY || undefined;
}

/**
 * Handed authorities of our own, the runtime forgets all others, so they are handed over together. A relative path would
 * let a cloned repository say whom to believe.
 *
 * @param env `CODEMIE_CA_CERTS`, `NODE_EXTRA_CA_CERTS`, `SSL_CERT_FILE`, `SSL_CERT_DIR`
 * @returns the authorities to believe, PEM; undefined where the runtime's own are all
 * @throws usage error when a variable names no file with certificates
 */
export function extraAuthorities(env: Env): string[] | undefined {
  for (const variable of ["CODEMIE_CA_CERTS", "NODE_EXTRA_CA_CERTS"]) {
    const file = env[variable];
    if (file && !isAbsolute(file)) throw platformFailure.caFile(variable, file, "that is not an absolute path");
  }
  // These are the runtime's own to read.
  for (const variable of ["SSL_CERT_FILE", "SSL_CERT_DIR"]) {
    for (const path of (env[variable] ?? "").split(delimiter).filter(Boolean)) requireAbsolute(variable, path);
  }
  const file = env.CODEMIE_CA_CERTS;
  if (!file) return undefined;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw platformFailure.caFile(
      "CODEMIE_CA_CERTS",
      file,
      `it cannot be read (${systemCode(error) || "unknown error"})`,
    );
  }
  const own = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (!own) throw platformFailure.caFile("CODEMIE_CA_CERTS", file, "there is no certificate in it");
  return [...new Set([...getCACertificates("default"), ...own])];
}

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
  BadAnswer: "its answer is not HTTP",
  BadRequest: "the request cannot be put into HTTP/1.1",
  EPROTO: "it does not speak TLS (plain http:// is allowed on this machine only)",
  TooManyRedirects: "too many redirects",
};

/**
 * @param origin whom we tried to reach
 * @param error what `fetch` threw
 * @returns the failure to show: `tls` for a certificate that does not verify, `unreachable` for the rest; one of ours as it is
 */
export function networkFailure(origin: string, error: unknown): CodemieError {
  if (error instanceof CodemieError) return error;
  const code = systemCode(error);
  if (error instanceof Error && error.name === "TimeoutError")
    return platformFailure.unreachable(origin, "no answer in time");
  if (tlsCode.test(code)) return platformFailure.tls(origin, code.toLowerCase().replaceAll("_", " "));
  const words = networkWords[code] ?? (code || (error instanceof Error ? error.name : "unknown error"));
  return platformFailure.unreachable(origin, printable(words, 80));
}

/** All that `isLoopback` takes for this machine; `127.0.0.1` once more for agents that do not know networks. */
const loopbackNames = "localhost,127.0.0.1,127.0.0.0/8,::1";

/**
 * @param env environment variables
 * @returns `NO_PROXY` and `no_proxy` extended by this machine's own names: traffic to loopback carries local keys and
 *   never goes to a proxy
 */
export function withoutLoopbackProxy(env: Record<string, string | undefined>): { NO_PROXY: string; no_proxy: string } {
  const value = [...new Set([env.NO_PROXY, env.no_proxy]), loopbackNames].filter(Boolean).join(",");
  return { NO_PROXY: value, no_proxy: value };
}
