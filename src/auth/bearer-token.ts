import { decodeJwt, decodeProtectedHeader, type JWTPayload } from "jose";
import { pastedSecret, placeholder } from "../core/pasted.ts";
import { Secret } from "../core/secret.ts";
import { shortened } from "../core/text.ts";
import { authFailure } from "./failures.ts";

/** A bearer token that passed every check that needs no key. The host verifies the signature. */
export interface BearerToken {
  readonly token: Secret;
  /** ms since the epoch; undefined when the token has no `exp` */
  readonly expiresAt: number | undefined;
  /** ms since the epoch; undefined when the token has neither `iat` nor `nbf` */
  readonly issuedAt: number | undefined;
  readonly name: string;
  readonly email: string;
}

/** How far this machine's clock may be off, ms. */
export const clockToleranceMs = 60_000;
/** Warn when a token ends within this time, ms, unless it was issued for no longer than this. */
const warnAheadMs = 7 * 24 * 3600 * 1000;

/**
 * Checks a JWT (RFC 7519 section 7.2) as far as possible without a key: three parts, header and claims in JSON, an
 * algorithm that is not `none`, times that are plausible numbers and allow its use now.
 *
 * @param text the token, possibly with what comes along when it is copied
 * @param nowMs now, ms since the epoch
 * @returns the token and the claims we show
 * @throws `auth_refused` when it is not such a token or not valid yet; `auth_expired` when it has ended
 */
export function readBearerToken(text: string, nowMs: number): BearerToken {
  const { notBefore, ...token } = parseBearerToken(text);
  const { expiresAt } = token;
  if (expiresAt !== undefined && expiresAt + clockToleranceMs <= nowMs) throw authFailure.tokenExpired(expiresAt);
  if (notBefore !== undefined && notBefore - clockToleranceMs > nowMs) throw authFailure.tokenTooEarly(notBefore);
  return token;
}

/** @returns true for a JWT that passes {@link readBearerToken} at some time, with nothing around it */
export function isBearerToken(text: string): boolean {
  try {
    parseBearerToken(text);
    return text === pastedSecret(text);
  } catch {
    return false;
  }
}

/** As {@link readBearerToken}, without a judgement on its times; `notBefore` in ms since the epoch. */
function parseBearerToken(text: string): BearerToken & { readonly notBefore: number | undefined } {
  const token = pastedSecret(text);
  const standIn = placeholder(token);
  if (standIn) throw authFailure.badToken(standIn);
  if (!/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(token)) {
    throw authFailure.badToken("it must be three base64url parts joined by dots, signature included");
  }
  let claims: JWTPayload;
  let algorithm: string | undefined;
  try {
    algorithm = decodeProtectedHeader(token).alg;
    claims = decodeJwt(token);
  } catch {
    throw authFailure.badToken("its header or its claims are not JSON");
  }
  if (typeof algorithm !== "string" || algorithm.toLowerCase() === "none") {
    throw authFailure.badToken("it is not signed (alg none)");
  }
  const time = (name: "exp" | "nbf" | "iat"): number | undefined => {
    const value = claims[name];
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isFinite(value) || value < 0 || value > 1e11) {
      throw authFailure.badToken(`its ${name} is not a time`);
    }
    return value * 1000;
  };
  const claim = (...names: string[]) => names.map((name) => claims[name]).find((value) => typeof value === "string");
  return {
    token: new Secret(token),
    expiresAt: time("exp"),
    notBefore: time("nbf"),
    issuedAt: time("iat") ?? time("nbf"),
    name: shortened(String(claim("name", "preferred_username", "email", "sub") ?? "")),
    email: shortened(String(claim("email") ?? "")),
  };
}

/** @returns the `exp` of a token that was checked when it was stored, ms since the epoch; undefined if it has none */
export function claimedEnd(token: string): number | undefined {
  const { exp } = decodeJwt(token);
  return exp === undefined ? undefined : exp * 1000;
}

/**
 * @param token of any form
 * @param nowMs now, ms since the epoch
 * @returns when it ended, ms since the epoch; undefined for one that has not, or that does not say when it ends
 */
export function endedAt(token: string, nowMs: number): number | undefined {
  try {
    const end = claimedEnd(token);
    return end !== undefined && end + clockToleranceMs <= nowMs ? Math.max(0, end) : undefined;
  } catch {
    return undefined; // not a JWT in clear
  }
}

/**
 * @param nowMs now, ms since the epoch
 * @returns true when the user should renew the token soon: it ends within 7 days, and was not issued for less than that
 *   (the hourly token of a CI job always ends soon); false when it does not say since when it is valid
 */
export function endsSoon({ expiresAt, issuedAt }: BearerToken, nowMs: number): boolean {
  if (expiresAt === undefined || expiresAt - nowMs > warnAheadMs) return false;
  return issuedAt !== undefined && expiresAt - issuedAt > warnAheadMs;
}
