import { createRemoteJWKSet, customFetch, type JWTPayload, jwtVerify } from "jose";
import type { Fetch } from "../platform/network.ts";

/** How long the request for the provider's keys may take, ms. */
const requestMs = 20_000;
/** How far this machine's clock may be off, seconds. */
const clockToleranceSeconds = 60;
/** Accepted signature algorithms: public keys only. With a shared secret, anyone who can verify can also sign. */
export const publicKeyAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];

/** The values that an ID token must match. */
export interface ExpectedIdToken {
  readonly issuer: string;
  /** where the provider's keys are */
  readonly jwksUri: URL;
  readonly clientId: string;
  /** the nonce of our request; undefined if we sent none */
  readonly nonce: string | undefined;
}

/**
 * Verifies an ID token (OpenID Connect Core 1.0 section 3.1.3.7): signature by the provider's keys, issuer, audience,
 * time, nonce, and authorized party.
 *
 * @param fetch fetches the provider's keys
 * @returns why we refuse the token, also when the keys cannot be fetched; undefined when we accept it
 */
export async function faultOfIdToken(
  token: string,
  expected: ExpectedIdToken,
  fetch: Fetch,
): Promise<string | undefined> {
  const { issuer, jwksUri, clientId, nonce } = expected;
  const keys = createRemoteJWKSet(jwksUri, {
    timeoutDuration: requestMs,
    [customFetch]: (url, options) => fetch(url, options),
  });
  let claims: JWTPayload;
  try {
    const options = {
      issuer,
      audience: clientId,
      algorithms: publicKeyAlgorithms,
      clockTolerance: clockToleranceSeconds,
    };
    claims = (await jwtVerify(token, keys, { ...options, requiredClaims: ["sub", "exp", "iat"] })).payload;
  } catch (error) {
    return error instanceof Error ? error.message : "it cannot be read";
  }
  if (nonce !== undefined && claims.nonce !== nonce) return "its nonce belongs to another login";
  const parties = Array.isArray(claims.aud) ? claims.aud.length : 1;
  const isForOther = (parties > 1 || claims.azp !== undefined) && claims.azp !== clientId;
  return isForOther ? "it was issued to another client" : undefined;
}
