import { createRemoteJWKSet, customFetch, decodeJwt, decodeProtectedHeader, errors, jwtVerify } from "jose";
import { authFailure } from "../auth/failures.ts";
import { asCodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import { addressesNamedBy } from "../oauth/addresses.ts";
import { boundedFetch } from "../oauth/http.ts";
import { publicKeyAlgorithms } from "../oauth/id-token.ts";
import { discoverProvider } from "../oauth/provider.ts";
import type { Fetch } from "../platform/network.ts";
import { type Finding, failed, ok, skipped, warning } from "./check.ts";

/** The issuer of tokens that a host makes itself, and the path of its keys there (CodeMie fact 4.4). */
const localIssuer = "codemie-local";
const localKeys = "/code-assistant-api/v1/local-auth/.well-known/jwks.json";

/**
 * Verifies a bearer token's signature, with the keys of the profile's OpenID provider, or of the issuer that the token
 * names; that issuer may be the host itself. With keys of a named issuer it proves only that the token is unaltered:
 * the host decides whether to trust the issuer.
 *
 * @param token a bearer token; one that is not a JWT is skipped
 * @param options `issuer`: the profile's provider, if any; `origin`: the host's
 * @returns the finding; it does not throw
 */
export async function checkSignature(
  token: string,
  { issuer, origin, fetch, signal }: { issuer: string | undefined; origin: string; fetch: Fetch; signal: AbortSignal },
): Promise<Finding> {
  let named: string | undefined;
  try {
    if (!publicKeyAlgorithms.includes(decodeProtectedHeader(token).alg ?? ""))
      return skipped("signed with a secret that only the host knows");
    named = decodeJwt(token).iss;
  } catch {
    return skipped("the token is opaque: only its issuer can read it");
  }
  const from = issuer ?? named;
  if (from === undefined) return skipped("the token names no issuer");
  if (issuer === undefined && from !== localIssuer && !addressesNamedBy(new URL(origin), false)(from)) {
    return skipped("the token names an issuer that codemie does not ask");
  }
  let keys: URL;
  try {
    keys = from === localIssuer ? new URL(localKeys, origin) : await keysOf(from, fetch, signal);
  } catch (error) {
    return skipped(`cannot get the keys of ${printable(from, 100)}: ${asCodemieError(error).message}`);
  }
  try {
    const jwks = createRemoteJWKSet(keys, { [customFetch]: boundedFetch(fetch) });
    // Another check judges its times; here only the signature counts, even that of an expired token.
    await jwtVerify(token, jwks, {
      algorithms: publicKeyAlgorithms,
      currentDate: new Date((decodeJwt(token).exp ?? 2) * 1000 - 1000),
    });
  } catch (error) {
    const forged = error instanceof errors.JWSSignatureVerificationFailed;
    if (forged) return failed(`it is not signed by ${printable(from, 100)}`, "get a new token: this one was altered");
    if (error instanceof errors.JWKSNoMatchingKey) {
      return failed(
        `${printable(from, 100)} has no key for it`,
        "get a new token: its key was replaced, or it comes from another issuer",
      );
    }
    return warning(
      `could not be verified: ${error instanceof Error ? printable(error.message, 100) : "unknown error"}`,
    );
  }
  if (named !== undefined && issuer !== undefined && named.replace(/\/$/, "") !== issuer.replace(/\/$/, "")) {
    return warning(`signed by ${printable(named, 100)}, but the profile's provider is ${printable(issuer, 100)}`);
  }
  return ok(`verified with the keys of ${printable(from, 100)}`);
}

/**
 * @returns the address of an issuer's keys
 * @throws whatever the provider's discovery throws
 */
async function keysOf(issuer: string, fetch: Fetch, signal: AbortSignal): Promise<URL> {
  const inTime: Fetch = (url, options) => fetch(url, { ...options, signal });
  const found = await discoverProvider(issuer, inTime);
  if ("unusable" in found) throw authFailure.provider(issuer, found.unusable);
  return new URL(found.metadata.jwks_uri);
}
