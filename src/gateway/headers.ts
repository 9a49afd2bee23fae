import type { Authorize } from "../auth/authorize.ts";
import type { HeaderRecord } from "../http1/message.ts";
import { keyHeaders } from "./guard.ts";

/** Concern one connection only and mean nothing on the next (RFC 9110 section 7.6.1). */
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
  ...keyHeaders, // the agent's credential is the gateway's own key, and next to session cookies the host refuses it
  "cookie", // the session's cookies are the only ones
  "host", // the upstream's own name goes there
  "content-length", // whoever sends the body says how long it is
  "forwarded", // says where the request comes from, which is nobody's business and could be believed
  "via",
  "x-real-ip",
  "x-client-ip",
  "true-client-ip",
  "api-key", // other clients' ways to present a key: the agent's opens nothing but this gateway
  "x-litellm-api-key",
  "user-id", // names the user at a host without a front
  "x-rewrite-url", // would name another path or method than the one that was judged
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
  "set-cookie",
  "x-bind-key", // the backend's word to itself (CodeMie fact 4.3)
  "x-bind-nonce",
  "x-bind-timestamp",
  "expect", // answered by our own server already
]);

/** Name prefixes never forwarded upstream: what fronts say of who asks for what (CodeMie fact 4.3), and what is ours to say. */
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
  "authorization", // a front that is set so tells the token of the session with every answer (CodeMie fact 2.4)
  "gap-auth",
  "authentication-info",
  "proxy-authentication-info",
  "refresh",
  "alt-svc", // would lead the agent past the gateway
  "clear-site-data",
  "strict-transport-security",
]);

/** Name prefix never forwarded to the agent: what the front found out of the session, its token among it (CodeMie fact 2.4). */
const neverBackPrefix = "x-auth-request-";

/**
 * Makes the headers of the upstream request: the agent's, less what must not leave.
 *
 * @param incoming the agent's headers
 * @param fixed the headers of every request, which take the place of all others of their names
 * @returns by lower-case name, without the fixed ones; `Host` and the body's length are for whoever sends them to say
 */
export function upstreamHeaders(incoming: HeaderRecord, fixed: HeaderRecord): Record<string, string> {
  // What an agent that says nothing of it takes is not a coding it may not know.
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
 * @returns from what puts a credential on, the headers of every request with that credential: its own and ours, the same
 *   object each time. What could compete with them never goes upstream.
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

/** @returns the headers of the answer to the agent: the upstream's, less what must not come back */
export function downstreamHeaders(upstream: HeaderRecord): Record<string, string> {
  const kept: Record<string, string> = {};
  const named = namedByConnection(upstream.connection);
  for (const name in upstream) {
    if (neverBack.has(name) || named?.has(name) || name.startsWith(neverBackPrefix)) continue;
    kept[name] = upstream[name] as string;
  }
  return kept;
}

/** Headers the `Connection` header declares to be for this connection only. */
function namedByConnection(value: string | undefined): ReadonlySet<string> | undefined {
  if (!value || value === "keep-alive" || value === "close") return undefined;
  return new Set(value.toLowerCase().split(/\s*,\s*/));
}
