import type { Env } from "../core/env.ts";
import { systemCode } from "../core/errors.ts";
import { isLoopback } from "../core/host.ts";
import { platformFailure } from "./failures.ts";

/** The variables that name proxies, in the order in which the runtime's `fetch` reads them. */
const variables: Readonly<Record<"https:" | "http:", readonly string[]>> = {
  "https:": ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
  "http:": ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
};

/** A proxy that the environment names, and the variable that names it. */
export interface NamedProxy {
  readonly variable: string;
  /** as the variable holds it, without blanks around it; may hold a password */
  readonly address: string;
}

/** A proxy in use. */
export interface ProxyInUse {
  readonly variable: string;
  readonly url: URL;
}

/**
 * @param env `HTTPS_PROXY`, `HTTP_PROXY` and `ALL_PROXY`, in upper or lower case
 * @param protocol of a request's address, for example `https:`
 * @returns the proxy that the environment names for it, or undefined; `NO_PROXY` may still exempt the host
 */
export function namedProxy(env: Env, protocol: string): NamedProxy | undefined {
  for (const variable of variables[protocol === "https:" ? "https:" : "http:"]) {
    const address = env[variable]?.trim();
    if (address) return { variable, address };
  }
  return undefined;
}

/**
 * The runtime sends requests directly where `ALL_PROXY` names a SOCKS proxy. A user who set that does not expect it, so we
 * refuse instead.
 *
 * @param env as {@link namedProxy}, and `NO_PROXY` in either case
 * @returns the proxy that requests to a URL go through, or undefined when they go directly, as to loopback
 * @throws `unreachable` when the proxy is of a kind that the runtime does not support
 */
export function proxyFor(url: URL, env: Env): ProxyInUse | undefined {
  const named = namedProxy(env, url.protocol);
  if (!named || isLoopback(url.hostname) || isExempt(url, env)) return undefined;
  const { variable, address } = named;
  const proxy = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`);
  if (!proxy?.hostname) throw platformFailure.proxyUnusable(url.origin, variable, "no address of a proxy");
  if (proxy.protocol !== "http:" && proxy.protocol !== "https:") {
    throw platformFailure.proxyUnusable(
      url.origin,
      variable,
      `a proxy of a kind that codemie does not support (${shownProxy(proxy)})`,
    );
  }
  return { variable, url: proxy };
}

/** @returns a proxy's address as a person may see it: without its user name and password */
export const shownProxy = ({ protocol, host }: URL): string => `${protocol}//${host}`;

/** True when `NO_PROXY` names the host, a domain that it belongs to, or all hosts. */
function isExempt({ hostname, port }: URL, env: Env): boolean {
  const entries = `${env.no_proxy ?? ""},${env.NO_PROXY ?? ""}`
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .map((entry) => entry.replace(/^\*?\./, ""))
    .filter(Boolean);
  return entries.some((entry) => {
    const [host, at] = entry.split(/:(?=\d+$)/);
    const same = hostname === host || hostname.endsWith(`.${host}`);
    return entry === "*" || (same && (at === undefined || at === port));
  });
}

/** Why no connection to the proxy itself came about, by the system's code. */
const connecting: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "its name does not resolve",
  EAI_AGAIN: "no name can be looked up now",
  ETIMEDOUT: "the connection timed out",
  ENETUNREACH: "there is no way to it",
  EHOSTUNREACH: "there is no way to it",
};

/**
 * @param url the address of a request that went through the proxy
 * @param error the error of the runtime's `fetch`
 * @returns the failure to show, if the proxy refused (RFC 9110 section 9.3.6) or did not answer; else the same error
 */
export function proxyFailure({ url: proxy, variable }: ProxyInUse, url: URL, error: unknown): unknown {
  const code = systemCode(error);
  const where = shownProxy(proxy);
  if (code === "ERR_PROXY_TUNNEL") {
    const { status, statusText } = error as { status?: unknown; statusText?: unknown };
    return platformFailure.proxyRefused(url.origin, where, variable, `${status} ${statusText}`, proxy.username !== "");
  }
  const why = connecting[code];
  return why ? platformFailure.proxyDown(url.origin, where, variable, why) : error;
}

/**
 * The runtime takes a blank at the end of a variable for a part of the port, and one at the beginning for a host.
 *
 * @returns the variables that name proxies and have blanks around their values, without these
 */
export function withoutBlanks(env: Env): Record<string, string> {
  const names = new Set(Object.values(variables).flat());
  const padded = Object.entries(env).filter(([name, value]) => names.has(name) && value !== value?.trim());
  return Object.fromEntries(padded.map(([name, value]) => [name, value?.trim() ?? ""]));
}
