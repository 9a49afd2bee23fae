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
] as const;

/** Never forwarded upstream, each with its reason. */
const neverUpstream = [
  ...hopByHop,
  ...keyHeaders, // the agent's credential is the gateway's own key, and next to session cookies the host refuses it
  "cookie", // the session's cookies are the only ones
  "host", // the upstream's own name goes there
  "forwarded", // says where the request comes from, which is nobody's business and could be believed
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-real-ip",
  "x-auth-request-access-token", // the front's word to the backend (CodeMie fact 4.3)
  "user-id",
  "expect", // answered by our own server already
] as const;

/** Never forwarded to the agent, each with its reason. */
const neverBack = [
  ...hopByHop,
  "set-cookie", // session cookies are credentials
  "set-cookie2",
  "location", // the host's login route answers with the session in it
  "refresh",
  "alt-svc", // would lead the agent past the gateway
  "clear-site-data",
  "strict-transport-security",
] as const;

/**
 * Makes the headers of the upstream request: the agent's, less what must not leave, plus the credential and ours.
 *
 * @param incoming the agent's headers
 * @param own our `X-CodeMie-*` headers
 * @param authorize puts the credential on
 */
export function upstreamHeaders(
  incoming: Headers,
  own: Readonly<Record<string, string>>,
  authorize: (headers: Headers) => void,
): Headers {
  const headers = new Headers(incoming);
  removeAll(headers, neverUpstream);
  for (const name of [...headers.keys()]) if (name.startsWith("x-codemie-")) headers.delete(name);
  // Without this the runtime would ask for compression in the agent's name.
  if (!headers.has("accept-encoding")) headers.set("accept-encoding", "identity");
  for (const [name, value] of Object.entries(own)) headers.set(name, value);
  authorize(headers);
  return headers;
}

/** Makes the headers of the answer to the agent: the upstream's, less what must not come back. */
export function downstreamHeaders(upstream: Headers): Headers {
  const headers = new Headers(upstream);
  removeAll(headers, neverBack);
  return headers;
}

/** Removes the listed headers and those the `Connection` header names. */
function removeAll(headers: Headers, names: readonly string[]): void {
  const named = headers.get("connection")?.split(",") ?? [];
  for (const name of [...named, ...names]) {
    const token = name.trim();
    if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(token)) headers.delete(token);
  }
}
