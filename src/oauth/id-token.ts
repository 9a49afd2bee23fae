import { createRemoteJWKSet, customFetch, type JWTPayload, jwtVerify } from "jose";
import { hashOf } from "../core/crypto.ts";
import { CodemieError } from "../core/errors.ts";
import { addressOnly } from "../core/text.ts";
import type { Fetch } from "../platform/network.ts";
import { isPassing } from "./answer.ts";
import { oauthFailure } from "./failures.ts";
import { boundedFetch } from "./http.ts";

/** How long the request for the provider's keys may take, ms. */
const requestMs = 20_000;
/** A subject (OpenID Connect Core 1.0 section 2). */
const subject = /^[\x20-\x7e]{1,255}$/;
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
  /** the access token that came with it */
  readonly accessToken: string;
}

/** @returns true for an encrypted token (JWE compact serialization, RFC 7516 section 7.1), which we have no key for */
export const isEncrypted = (token: string): boolean => token.split(".").length === 5;

/**
 * Verifies an ID token (OpenID Connect Core 1.0 sections 2, 3.1.3.7 and 3.1.3.8): signature by the provider's keys, issuer,
 * audience, subject, times, nonce, authorized party, and the hash of the access token if it holds one.
 *
 * @param fetch fetches the provider's keys
 * @returns why we refuse the token, also when the keys cannot be fetched; undefined when we accept it
 * @throws `server_error` when the keys are too long, or the provider has trouble with them now; what `fetch` throws, if that is one of ours
 */
export async function faultOfIdToken(
  token: string,
  expected: ExpectedIdToken,
  fetch: Fetch,
): Promise<string | undefined> {
  const { issuer, jwksUri, clientId, nonce, accessToken } = expected;
  const keys = createRemoteJWKSet(jwksUri, {
    timeoutDuration: requestMs,
    [customFetch]: boundedFetch(async (url, init) => {
      const answer = await fetch(url, init);
      if (isPassing(answer.status)) throw oauthFailure.keys(addressOnly(jwksUri), answer.status);
      return answer;
    }),
  });
  let claims: JWTPayload;
  let alg: string;
  try {
    const options = {
      issuer,
      audience: clientId,
      algorithms: publicKeyAlgorithms,
      clockTolerance: clockToleranceSeconds,
    };
    const verified = await jwtVerify(token, keys, { ...options, requiredClaims: ["sub", "exp", "iat"] });
    claims = verified.payload;
    alg = verified.protectedHeader.alg;
  } catch (error) {
    if (error instanceof CodemieError) throw error;
    return error instanceof Error ? error.message : "it cannot be read";
  }
  // jose checks these two only for their presence.
  if (typeof claims.sub !== "string" || !subject.test(claims.sub))
    return "its sub is not a name of 1 to 255 ASCII characters";
  const ahead = Number(claims.iat) - Date.now() / 1000;
  if (!(ahead <= clockToleranceSeconds)) return "its iat is in the future";
  if (claims.at_hash !== undefined && claims.at_hash !== halfHashOf(accessToken, alg)) {
    return "its at_hash belongs to another access token";
  }
  if (nonce !== undefined && claims.nonce !== nonce) return "its nonce belongs to another login";
  // Providers leave `azp` out beside several audiences, and the specification allows it (section 3.1.3.7, item 4).
  const isForOther = claims.azp !== undefined && claims.azp !== clientId;
  return isForOther ? "it was issued to another client" : undefined;
}

/**
 * @param alg the ID token's signature algorithm, one of {@link publicKeyAlgorithms}
 * @returns the access token's hash (OpenID Connect Core 1.0 section 3.1.3.6): the left half, in base64url, by the hash that
 *   the algorithm signs with (RFC 7518 section 3.1; SHA-512 for Ed25519, RFC 8032 section 5.1)
 */
function halfHashOf(accessToken: string, alg: string): string {
  const bits = /^[RPE]S(256|384)$/.exec(alg)?.[1];
  const hash = hashOf(bits === "256" ? "sha256" : bits === "384" ? "sha384" : "sha512", accessToken);
  return hash.subarray(0, hash.length / 2).toString("base64url");
}
