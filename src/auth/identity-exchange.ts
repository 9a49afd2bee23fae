import { providersTrouble } from "../core/hints.ts";
import { Secret } from "../core/secret.ts";
import { type Client, publicClient } from "../oauth/client.ts";
import { discoverProvider } from "../oauth/provider.ts";
import { requestToken } from "../oauth/token-endpoint.ts";
import type { Runtime } from "../platform/runtime.ts";
import { type BearerToken, claimedEnd } from "./bearer-token.ts";
import { authFailure } from "./failures.ts";
import type { IdentityExchange } from "./identity-source.ts";
import type { IdentityToken } from "./identity-token.ts";

/** The last moment that a date can be, ms since the epoch (ECMAScript, "Time Values and Time Range"). */
const latestMs = 8.64e15;

/** Two ways to an access token: as the assertion of a client, or by token exchange. */
type Way = "client assertion" | "token exchange";

/**
 * Has a provider give access tokens for identity tokens: for one as the assertion of a client (RFC 7523 section 2.2, RFC
 * 6749 section 4.4), else by token exchange (RFC 8693). It skips a way that the provider's metadata rules out, and stays
 * with the one that worked.
 *
 * @returns a function that returns the access token, under the identity's name. It throws `auth_refused` when the provider
 *   refuses both ways; `server_error` when it cannot be used; `unreachable`, `tls`
 */
export function identityExchange(
  { issuer, clientId, scope }: IdentityExchange,
  { fetch, now }: Runtime,
): (identity: IdentityToken) => Promise<BearerToken> {
  let ways: readonly Way[] = ["client assertion", "token exchange"];

  return async ({ bearer: { token, name }, subject }) => {
    const found = await discoverProvider(issuer, fetch);
    if ("unusable" in found) throw authFailure.provider(issuer, found.unusable, found.hint);
    const { metadata, http } = found;
    const listed = metadata.grant_types_supported;
    const refusals: string[] = [];
    for (const way of ways) {
      const { client, form } = requestBy(way, clientId, token);
      if (listed && !listed.includes(form.grant_type)) continue;
      const result = await requestToken(metadata, client, { ...form, scope }, http);
      if (result.kind === "issued") {
        ways = [way];
        const { access_token: access, expires_in: seconds } = result.document;
        const expiresAt = seconds === undefined ? endOf(access) : now() + seconds * 1000;
        if (expiresAt !== undefined && expiresAt < now() + shortestLifeMs)
          throw authFailure.provider(issuer, "the token that it gave has ended", providersTrouble);
        return { token: new Secret(access), expiresAt, issuedAt: now(), name: name || subject, email: "" };
      }
      const isPassing = result.passing;
      if (result.kind === "unusable" || isPassing) {
        const why = result.kind === "unusable" ? result.why : `it answered ${result.code}`;
        throw authFailure.provider(issuer, why, isPassing ? providersTrouble : undefined);
      }
      refusals.push(`${way}: ${result.code}${result.description ? ` (${result.description})` : ""}`);
    }
    throw authFailure.identityNotExchanged(issuer, subject, refusals);
  };
}

/** Builds the request: the assertion is the client's proof; an exchanged token is a parameter, and the client is public. */
function requestBy(way: Way, clientId: string, token: Secret) {
  if (way === "client assertion") {
    const client: Client = { id: clientId, method: "private_key_jwt", assertion: token };
    return { client, form: { grant_type: "client_credentials" } };
  }
  const form = {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token: token.reveal(),
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
  };
  return { client: publicClient(clientId), form };
}

/** A token that ends sooner would cost an exchange for nearly each request, ms. */
const shortestLifeMs = 500;

/** @returns the end of an access token that is a JWT, ms since the epoch; undefined for others, and where it is no moment */
function endOf(token: string): number | undefined {
  try {
    const end = claimedEnd(token);
    return end !== undefined && end >= 0 && end <= latestMs ? end : undefined;
  } catch {
    return undefined;
  }
}
