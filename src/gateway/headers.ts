import type { Authorize } from "../auth/authorize.ts";
import type { HeaderRecord } from "../http1/message.ts";
import { keyHeaders } from "./guard.ts";
import { staysBehind } from "./header-kinds.ts";

/** Hop-by-hop headers: they concern one connection only (RFC 9110 section 7.6.1). */
export const hopByHop = [
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

/** Parts of a name that show a credential in the value. */
const secrets = ["cookie", "jwt", "bearer", "secret", "passw", "cred", "assertion", "api-key", "apikey", "paseto"];

/** Headers that no host gets from an agent, each kind with its reason. Agents send no others like them. */
const notUpstream = staysBehind({
  names: [
    ...hopByHop,
    ...keyHeaders, // they hold the gateway's own key, and the host refuses one next to session cookies
    "dpop", // a proof is for one token, and the session's is another one
    "host", // the request gets the host's own name
    "content-length", // the HTTP client sets it when it sends the body
    "expect", // our own server has answered it already
    "via", // tells where the request comes from, which is private, and which the host might believe
    ...["persistent-id", "affiliation", "displayname", "x-common-name", "x-run-as", "x-act-as"], // who the user is
  ],
  secrets, // only the session's go to the host
  passes: {
    names: ["user-agent", "x-goog-api-client", "idempotency-key", "x-idempotency-key"],
    // The families of agents and of the APIs they speak: no program in front of a host puts its findings there.
    beginnings: [
      "anthropic-",
      "x-anthropic-",
      "x-claude-",
      "x-stainless-",
      "openai-",
      "x-openai-",
      "x-codex-",
      "x-opencode-",
      "x-gemini-",
    ],
  },
  beginnings: [
    // Families in which a program in front of a host names user, origin or path (CodeMie fact 4.3): Envoy, Cloudflare, Azure,
    // AWS, Google, Kong, Shibboleth, Tailscale and their like. Those without a family use the words below.
    "x-envoy-",
    "cf-",
    "x-azure-",
    "x-arr-",
    "x-amzn-",
    "x-goog-",
    "x-appengine-",
    "x-kong-",
    "x-authentik-",
    "x-pomerium-",
    "x-okta-",
    "x-vouch-",
    "x-accel-",
    "x-proxy-",
    "proxy-",
    "shib-",
    "mellon-",
    "tailscale-",
    "fastly-",
    "fly-",
    "iv-",
    "sm-",
    "x-bind-", // the backend uses it internally (CodeMie fact 4.3)
    "x-codemie-", // our own
  ],
  words: [
    ...["key", "jws", "jwe", "pwd", "pass", "pat", "sid", "ticket", "ntlm"], // keys and their like
    ...["dn", "cn", "san", "sso", "login", "uid", "upn", "eppn", "mail", "from", "behalf"], // names of users
    ...["role", "roles", "group", "groups", "claim", "claims", "scope", "scopes", "permissions"],
    ...["consumer", "subject", "sub", "verify", "verified"],
    ...["ip", "addr", "scheme", "ssl", "tls", "mtls"], // where and how the request comes in
    // another path or method than the one the gateway checked
    ...["host", "url", "uri", "path", "method", "script", "destination", "subrequest"],
  ],
  parts: [
    "token",
    ...["auth", "oidc", "saml", "cert"], // `authorization`, `x-authenticated-user`, `x-oauth-…`, `ssl-client-cert`
    ...["user", "email", "principal", "identity", "impersonat", "nameid", "spiffe"],
    ...["forward", "original", "remote", "override", "rewrite"],
  ],
});

/** Headers that no agent gets from a host, each kind with its reason. */
const notBack = staysBehind({
  names: [
    ...hopByHop,
    "dpop-nonce", // for the proofs of the session's token
    "refresh", // the host's login route answers with the session in an address
    "alt-svc", // would lead the agent past the gateway
    "clear-site-data",
    "strict-transport-security",
  ],
  secrets, // the session's above all
  passes: { names: ["www-authenticate"], beginnings: [] }, // a challenge holds no secret
  // Findings of a program in front of the host about the session, with its tokens (CodeMie fact 2.4).
  beginnings: ["x-forwarded-", "cf-access-"],
  words: [
    ...["token", "idtoken", "refreshtoken"], // not `tokens`, which limits count
    ...["jws", "jwe", "pat", "sid", "ticket", "userinfo"],
    ...["location", "redirect"], // addresses, as those of `refresh`
  ],
  parts: [
    ...["session", "sessid", "accesstoken", "access-token"],
    ...["auth", "oidc", "saml"], // some are set to put the session's token on every answer
  ],
});

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
    if (notUpstream(name) || Object.hasOwn(fixed, name) || named?.has(name)) continue;
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
    if (notBack(name) || named?.has(name)) continue;
    kept[name] = upstream[name] as string;
  }
  return kept;
}

/** @returns the headers that `Connection` declares hop-by-hop */
export function namedByConnection(value: string | undefined): ReadonlySet<string> | undefined {
  if (!value || value === "keep-alive" || value === "close") return undefined;
  const names = value.toLowerCase().split(",");
  return new Set(names.map((name) => name.trim()));
}
