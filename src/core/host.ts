import { failure } from "./errors.ts";

/** Where a CodeMie deployment lives. Credentials belong to `origin` and go nowhere else. */
export interface Host {
  /** scheme, host and port, for example `https://codemie.example.com` */
  readonly origin: string;
  /** base of the REST and model API: `<origin>/code-assistant-api` */
  readonly api: string;
}

const apiSegment = "/code-assistant-api";

/** @returns true for `localhost`, `127.0.0.0/8` and `::1`, the names and addresses that never leave this machine */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname === "::1" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** @returns the deployment at an origin that was stored by {@link parseHost} */
export function hostAt(origin: string): Host {
  return { origin, api: origin + apiSegment };
}

/**
 * Reads a CodeMie host as people type it: a bare name, the root, or anything at or below `/code-assistant-api`.
 *
 * @param input for example `codemie.example.com` or `https://codemie.example.com/code-assistant-api`
 * @returns the host, by origin
 * @throws usage error for anything that is not such an address, for credentials in the URL, and for plain `http:` on
 *   any host but loopback (a credential would cross the network in clear)
 */
export function parseHost(input: string): Host {
  const text = input.trim();
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
  } catch {
    throw failure.badHost(text, "it is not a web address");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") throw failure.badHost(text, "only https: is supported");
  if (url.username || url.password) throw failure.badHost(url.origin, "a user name or password in it is not allowed");
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw failure.badHost(text, "plain http: is allowed on this machine only");
  }
  const path = url.pathname.toLowerCase();
  if (path !== "/" && path !== apiSegment && !path.startsWith(`${apiSegment}/`)) {
    throw failure.badHost(text, `a CodeMie host has no path but ${apiSegment}`, `try ${url.origin}`);
  }
  return hostAt(url.origin);
}
