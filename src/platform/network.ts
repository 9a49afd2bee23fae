import { delimiter, isAbsolute } from "node:path";
import type { Env } from "../core/env.ts";
import { CodemieError, systemCode } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import { platformFailure } from "./failures.ts";
import { readPlain, whyUnreadable } from "./foreign-files.ts";
import { requireAbsolute } from "./places.ts";
import { proxyFailure, proxyFor, withoutBlanks } from "./proxy.ts";

/** Options beyond the standard: switches of Bun's `fetch` that we rely on, and one of our own. */
export interface FetchOptions extends RequestInit {
  /** false: leave the body compressed, as it came */
  decompress?: boolean;
  /** accept any certificate; only {@link trustingFetch} sets it */
  insecureSkipTlsVerify?: boolean;
}

/** A `fetch` as {@link secureFetch} makes it. */
export type Fetch = (url: string, options?: FetchOptions) => Promise<Response>;

/**
 * Makes the `fetch` that every request of this program goes through, but those over our own sockets (`http1`). It
 * verifies certificates whatever the environment says (`NODE_TLS_REJECT_UNAUTHORIZED=0` included). It returns redirects
 * and never follows them, because the credential would go along. It has no time limit but the caller's signal, because
 * a model may think for longer than any default.
 *
 * @param env as {@link extraAuthorities} and {@link proxyFor}
 * @returns the fetch; it throws as {@link extraAuthorities} and {@link proxyFor}, and `unreachable` when a proxy refuses
 *   or does not answer
 */
export function secureFetch(env: Env): Fetch {
  const tls = tlsSettings(env);
  return async (url, { insecureSkipTlsVerify = false, ...options } = {}) => {
    const target = new URL(url);
    const proxy = proxyFor(target, env);
    try {
      return await fetch(url, {
        ...options,
        redirect: "manual",
        tls: tls(insecureSkipTlsVerify),
        timeout: false,
        verbose: false, // else `BUN_CONFIG_VERBOSE_FETCH` prints every request, with its credential
      } as BunFetchRequestInit);
    } catch (error) {
      throw proxy ? proxyFailure(proxy, target, error) : error;
    }
  };
}

/**
 * @param inner the fetch to use
 * @param origin the one origin whose certificate is not verified
 * @returns a fetch that accepts any certificate of that origin
 */
export function trustingFetch(inner: Fetch, origin: string): Fetch {
  return (url, options) =>
    inner(url, new URL(url).origin === origin ? { ...options, insecureSkipTlsVerify: true } : options);
}

/** @returns a fetch whose requests also end when `stop` aborts, and then throw its reason */
export function stoppableFetch(inner: Fetch, stop: AbortSignal): Fetch {
  return (url, options) =>
    inner(url, { ...options, signal: options?.signal ? AbortSignal.any([options.signal, stop]) : stop });
}

/** The certificates to accept on a connection. */
export interface TlsSettings {
  readonly rejectUnauthorized: boolean;
  readonly ca?: string[];
}

/**
 * @param env as {@link extraAuthorities}
 * @returns the settings for a connection: they verify certificates whatever the environment says, unless
 *   `insecureSkipTlsVerify`. It reads the authorities once, and throws as {@link extraAuthorities}
 */
export function tlsSettings(env: Env): (insecureSkipTlsVerify: boolean) => TlsSettings {
  let authorities: string[] | undefined | null = null;
  return (insecureSkipTlsVerify) => {
    if (authorities === null) authorities = extraAuthorities(env);
    return { rejectUnauthorized: !insecureSkipTlsVerify, ...(authorities && { ca: authorities }) };
  };
}

/** Longest file with authorities, bytes: all that a system trusts are some 200 KB. */
const longestAuthorities = 4 * 1024 * 1024;

/**
 * Reads the authorities that the user adds. Given authorities of ours, the runtime forgets all others, so we give it
 * all of them together. A relative path would let a cloned repository choose an authority.
 *
 * @param env `CODEMIE_CA_CERTS` adds to the authorities of the system, the built-in ones and `NODE_EXTRA_CA_CERTS`;
 *   `SSL_CERT_FILE` and `SSL_CERT_DIR` are only checked
 * @returns the authorities to trust, PEM; undefined when the runtime's own are all
 * @throws usage error when any of these variables holds a relative path, or `CODEMIE_CA_CERTS` names no file with
 *   certificates
 */
export function extraAuthorities(env: Env): string[] | undefined {
  for (const variable of ["CODEMIE_CA_CERTS", "NODE_EXTRA_CA_CERTS"]) {
    const file = env[variable];
    if (file && !isAbsolute(file)) throw platformFailure.caFile(variable, file, "that is not an absolute path");
  }
  // The runtime itself reads these.
  for (const variable of ["SSL_CERT_FILE", "SSL_CERT_DIR"]) {
    for (const path of (env[variable] ?? "").split(delimiter).filter(Boolean)) requireAbsolute(variable, path);
  }
  const file = env.CODEMIE_CA_CERTS;
  if (!file) return undefined;
  let text: string;
  try {
    text = readPlain(file, longestAuthorities);
  } catch (error) {
    throw platformFailure.caFile("CODEMIE_CA_CERTS", file, `it cannot be read (${whyUnreadable(error)})`);
  }
  const own = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (!own) throw platformFailure.caFile("CODEMIE_CA_CERTS", file, "there is no certificate in it");
  // `node:tls` takes long to load, and few need it.
  const { getCACertificates } = process.getBuiltinModule("node:tls");
  return [...new Set([...getCACertificates("default"), ...own])];
}

/** Names of certificate errors: OpenSSL's verify codes, as Bun passes them on. */
const tlsCode = /CERT|SIGNATURE|TLS|SSL|ISSUER|CRL|HOSTNAME_MISMATCH/;

const networkWords: Record<string, string> = {
  ConnectionRefused: "connection refused",
  ECONNREFUSED: "connection refused",
  ConnectionClosed: "the connection was closed",
  ECONNRESET: "the connection was closed",
  FailedToOpenSocket: "the host cannot be found or connected to",
  ENOTFOUND: "the host name does not resolve",
  EAI_AGAIN: "no name can be looked up now",
  ENETUNREACH: "there is no way to it",
  EHOSTUNREACH: "there is no way to it",
  ConnectionTimeout: "the connection timed out",
  ETIMEDOUT: "the connection timed out",
  BadRequest: "the request cannot be put into HTTP/1.1",
  EPROTO: "it does not speak TLS (plain http:// is allowed on this machine only)",
  TooManyRedirects: "too many redirects",
};

/**
 * @param origin the host that we tried to reach
 * @param error the error that `fetch` threw
 * @returns the failure to show: `tls` for a certificate that does not verify, `unreachable` for the rest; a
 *   {@link CodemieError} unchanged
 */
export function networkFailure(origin: string, error: unknown): CodemieError {
  if (error instanceof CodemieError) return error;
  const code = systemCode(error);
  if (error instanceof Error && error.name === "TimeoutError")
    return platformFailure.unreachable(origin, "no answer in time");
  if (tlsCode.test(code)) return platformFailure.tls(origin, code.toLowerCase().replaceAll("_", " "));
  if (code === "BadAnswer" && error instanceof Error) {
    return platformFailure.badAnswer(origin, error.message);
  }
  const words = networkWords[code] ?? (code || (error instanceof Error ? error.name : "unknown error"));
  return platformFailure.unreachable(origin, printable(words, 80));
}

/** All that `isLoopback` takes for this machine; `127.0.0.1` again, for agents that do not understand networks. */
const loopbackNames = "localhost,127.0.0.1,127.0.0.0/8,::1";

/**
 * @param env environment variables
 * @returns the variables for proxies to set: `NO_PROXY` and `no_proxy` extended by this machine's own names, since traffic
 *   to loopback carries local keys and never goes to a proxy; the others as {@link withoutBlanks}
 */
export function withoutLoopbackProxy(env: Env): Record<string, string> {
  const value = [...new Set([env.NO_PROXY, env.no_proxy]), loopbackNames].filter(Boolean).join(",");
  return { ...withoutBlanks(env), NO_PROXY: value, no_proxy: value };
}
