import { failure } from "./errors.ts";
import { pasted, placeholder, tokenForAddress } from "./pasted.ts";

/** Where the models are. Credentials belong to `origin` and go nowhere else. */
export interface Host {
  /** scheme, host and port, for example `https://codemie.example.com` */
  readonly origin: string;
  /** base of the REST and model API: `<origin>/code-assistant-api`, or a model provider's own base */
  readonly api: string;
  /** a CodeMie deployment, or a model provider that is reached with a key of its own */
  readonly kind: "codemie" | "provider";
}

const apiSegment = "/code-assistant-api";

/** @returns true for `localhost`, `127.0.0.0/8` and `::1`, the names and addresses that never leave this machine */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname === "::1" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** The names of this machine that the redirect of a login may have; providers compare the name as text. */
export const callbackHosts = ["127.0.0.1", "localhost", "::1"] as const;

/** Where the browser returns to after a login at a provider (RFC 8252 section 7.3). */
export interface CallbackChoice {
  readonly callbackHost?: (typeof callbackHosts)[number] | undefined;
  /** undefined: any free port */
  readonly callbackPort?: number | undefined;
}

/** @returns the members that are set, and nothing else that came with them */
export function callbackIn({ callbackHost, callbackPort }: CallbackChoice): CallbackChoice {
  return { ...(callbackHost ? { callbackHost } : {}), ...(callbackPort ? { callbackPort } : {}) };
}

/** @returns the deployment at an origin that {@link parseHost} returned before */
export function hostAt(origin: string): Host {
  return { origin, api: origin + apiSegment, kind: "codemie" };
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
  const url = parseAddress(input);
  const path = url.pathname.toLowerCase();
  if (path !== "/" && path !== apiSegment && !path.startsWith(`${apiSegment}/`)) {
    throw failure.badHost(input.trim(), `a CodeMie host has no path but ${apiSegment}`, `try ${url.origin}`);
  }
  return hostAt(url.origin);
}

/**
 * Reads a CodeMie host as {@link parseHost}, and also from the address of one of its pages, as the browser shows it.
 *
 * @returns the host; `note`: what the person is told where the address was that of a page
 * @throws usage error as {@link parseHost}
 */
export function hostOfPage(input: string): { readonly host: Host; readonly note?: string } {
  const { origin } = parseAddress(input);
  try {
    return { host: parseHost(input) };
  } catch {
    return { host: hostAt(origin), note: usesOrigin(origin) };
  }
}

/** @returns what a person is told who gave the address of a page of the host */
export const usesOrigin = (origin: string): string =>
  `that is the address of a page; the host is ${origin}, and that is used`;

/**
 * Reads the base URL of a model provider's API. Any path is allowed, since providers put their API anywhere.
 *
 * @param input for example `https://api.openai.com/v1` or `litellm.example.com`
 * @returns the provider, its base without a slash at the end
 * @throws usage error as {@link parseHost}, and for a query or fragment
 */
export function parseProvider(input: string): Host {
  const url = parseAddress(input);
  if (url.search || url.hash) throw failure.badHost(url.origin, "a base URL has no query and no fragment");
  return { origin: url.origin, api: url.origin + withoutLastSlashes(url.pathname), kind: "provider" };
}

/** @returns the path without the slashes at its end */
export function withoutLastSlashes(path: string): string {
  let end = path.length;
  while (path[end - 1] === "/") end--;
  return path.slice(0, end);
}

/**
 * Finds the address for a request of the model API. A CodeMie host takes the paths as agents send them. A provider's
 * base already ends with the API's version, as its documentation gives it, so `/v1` is cut off the path. Gemini's API has a
 * version of its own, which takes the place of the base's.
 *
 * @param host the host
 * @param pathname path of the agent's request, for example `/v1/messages`
 * @returns the address, without a query
 */
export function modelUrl(host: Host, pathname: string): string {
  if (host.kind === "codemie") return host.api + pathname;
  if (pathname.startsWith("/v1beta/")) return host.api.replace(/\/v\d+(?:beta\d*)?$/, "") + pathname;
  return host.api + pathname.replace(/^\/v1(?=\/)/, "");
}

function parseAddress(input: string): URL {
  const text = pasted(input);
  const standIn = placeholder(text) ?? tokenForAddress(text);
  if (standIn) throw failure.badHost(text, standIn);
  const shown = withoutSecrets(text);
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`);
  } catch {
    throw failure.badHost(shown, "it is not a web address");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") throw failure.badHost(shown, "only https: is supported");
  if (url.username || url.password) throw failure.badHost(url.origin, "a user name or password in it is not allowed");
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw failure.badHost(shown, "plain http: is allowed on this machine only");
  }
  return url;
}

/** @returns an address, which may be none, without what may be a secret in it: user, password, query and fragment */
export function withoutSecrets(text: string): string {
  const [address = ""] = text.split(/[?#]/, 1);
  const at = address.lastIndexOf("@");
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(address)?.[0] ?? "";
  return at < 0 ? address : scheme + address.slice(at + 1);
}
