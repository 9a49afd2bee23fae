import type { Authorize } from "../auth/authorize.ts";
import type { HeaderRecord } from "../http1/message.ts";
import { keyHeaders } from "./guard.ts";

/** Hop-by-hop headers: they concern one connection only (RFC 9110 section 7.6.1). */
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
] as const;

/** Never forwarded upstream, each with its reason. */
const neverUpstream: ReadonlySet<string> = new Set([
  ...hopByHop,
  ...keyHeaders, // they hold the gateway's own key, and the host refuses one next to session cookies
  "cookie", // only the session's cookies go to the host
  "host", // the request gets the host's own name
  "content-length", // the HTTP client sets it when it sends the body
  "forwarded", // tells where the request comes from, which is private, and which the host might believe
  "via",
  "x-real-ip",
  "x-client-ip",
  "true-client-ip",
  "api-key", // other headers for a key; the agent's key is for this gateway only
  "x-litellm-api-key",
  "user-id", // names the user at a host without oauth2-proxy in front (the front)
  "x-rewrite-url", // could name another path or method than the one the gateway checked
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
  "set-cookie",
  "x-bind-key", // the backend uses it internally (CodeMie fact 4.3)
  "x-bind-nonce",
  "x-bind-timestamp",
  "expect", // our own server has answered it already
]);

/** Name prefixes never forwarded upstream: headers in which fronts name user and request (CodeMie fact 4.3), and our own. */
const neverUpstreamPrefixes = [
  "x-forwarded-",
  "x-original-",
  "x-auth-request-",
  "x-amzn-oidc-",
  "x-goog-iap-",
  "x-codemie-",
] as const;

/** Never forwarded to the agent, each with its reason. */
const neverBack: ReadonlySet<string> = new Set([
  ...hopByHop,
  "set-cookie", // session cookies are credentials
  "set-cookie2",
  "location", // the host's login route answers with the session in it
  "content-location",
  "authorization", // some fronts are set to put the session's token on every answer (CodeMie fact 2.4)
  "gap-auth",
  "authentication-info",
  "proxy-authentication-info",
  "refresh",
  "alt-svc", // would lead the agent past the gateway
  "clear-site-data",
  "strict-transport-security",
]);

/** Name prefix never forwarded to the agent: the front's headers about the session, with its token (CodeMie fact 2.4). */
const neverBackPrefix = "x-auth-request-";

/**
 * Makes the headers of the request to the host: the agent's, without those that must not leave this machine.
 *
 * @param incoming the agent's headers
 * @param fixed the headers of every request; they replace the agent's headers of the same names
 * @returns by lower-case name, without the fixed ones; the HTTP client adds `Host` and the body's length
 */
export function upstreamHeaders(incoming: HeaderRecord, fixed: HeaderRecord): Record<string, string> {
  // Without Accept-Encoding, ask for identity: the agent may not be able to decompress.
  const kept: Record<string, string> = { "accept-encoding": "identity" };
  const named = namedByConnection(incoming.connection);
  for (const name in incoming) {
    if (neverUpstream.has(name) || Object.hasOwn(fixed, name) || named?.has(name)) continue;
    if (name.startsWith("x-") && neverUpstreamPrefixes.some((prefix) => name.startsWith(prefix))) continue;
    kept[name] = incoming[name] as string;
  }
  return kept;
}

/**
 * @param own our `X-CodeMie-*` headers
 * @returns a function from a credential to the headers of every request with it: the credential's and ours, the same object
 *   each time. Headers of the agent that could compete with them never go to the host.
 */
export function fixedHeaders(own: HeaderRecord): (authorize: Authorize) => HeaderRecord {
  const known = new WeakMap<Authorize, HeaderRecord>();
  return (authorize) => {
    let fixed = known.get(authorize);
    if (!fixed) {
      const headers = new Headers(own);
      authorize(headers);
      fixed = headers.toJSON();
      known.set(authorize, fixed);
    }
    return fixed;
  };
}

/** @returns the headers of the answer to the agent: the host's, without those that the agent must not see */
export function downstreamHeaders(upstream: HeaderRecord): Record<string, string> {
  const kept: Record<string, string> = {};
  const named = namedByConnection(upstream.connection);
  for (const name in upstream) {
    if (neverBack.has(name) || named?.has(name) || name.startsWith(neverBackPrefix)) continue;
    kept[name] = upstream[name] as string;
  }
  return kept;
}

/** @returns the headers that `Connection` declares hop-by-hop */
function namedByConnection(value: string | undefined): ReadonlySet<string> | undefined {
  if (!value || value === "keep-alive" || value === "close") return undefined;
  return new Set(value.toLowerCase().split(/\s*,\s*/));
}
