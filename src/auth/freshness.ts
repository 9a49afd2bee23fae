import { clockToleranceMs, endedAt } from "./bearer-token.ts";
import type { StoredLogin } from "./credential.ts";

/** A session counts as fresh for this long after it was confirmed, ms; then the broker confirms it before use. */
const confirmedForMs = 60_000;
/** The broker renews a token this long before its end, ms, or a fifth of its life before, whichever is shorter. */
const renewAheadMs = 5 * 60_000;

/**
 * A token is fresh until some time before its end. A session does not tell its end, and the front decides when to renew
 * it, so a session is fresh for a while after it was confirmed.
 *
 * @param now ms since the epoch
 * @returns true when the login needs no renewal before use
 */
export function isFresh(login: StoredLogin, now: number): boolean {
  const since = login.confirmedAt ?? login.loggedInAt;
  if (login.method === "sso") return now >= since && now - since < confirmedForMs;
  if (login.method !== "oidc" || login.expiresAt === undefined) return !hasEnded(login, now);
  // A clock that was ahead at the login, and is right now, makes the end look later than it is.
  if (since - now > clockToleranceMs) return false;
  return login.expiresAt - now > Math.min(renewAheadMs, (login.expiresAt - since) / 5);
}

/**
 * A token that has ended goes to nobody. The end of a provider's token was reckoned with this machine's own clock; the
 * end that the user's token claims was not, so that clock may be off.
 *
 * @param now ms since the epoch
 * @returns true when the login's token has ended for certain; false for a session, a key, and a token without an end
 */
export function hasEnded(login: StoredLogin, now: number): boolean {
  if (login.method === "oidc") return login.expiresAt !== undefined && login.expiresAt <= now;
  return login.method === "jwt" && endedAt(login.token, now) !== undefined;
}
