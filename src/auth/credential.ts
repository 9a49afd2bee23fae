import { z } from "zod";
import { type CookieSet, cookieHeader, cookieSet, sessionIssuedAt } from "./cookies.ts";

/** The person a login belongs to, as `GET /v1/user` names them. */
export const identity = z.object({ id: z.string(), name: z.string(), email: z.string() });
export type Identity = z.infer<typeof identity>;

/** A stored login, sealed in the vault: what is sent, where it may be sent, and whose it is. */
export const storedLogin = z.object({
  method: z.literal("sso"),
  /** the only origin it goes to */
  origin: z.string(),
  cookies: cookieSet,
  identity,
  /** ms since the epoch */
  loggedInAt: z.number(),
  /** when the front last confirmed or renewed it, ms since the epoch */
  confirmedAt: z.number().optional(),
});
export type StoredLogin = z.infer<typeof storedLogin>;

/** The vault's name for the login of a profile. */
export const loginRecord = (profile: string): string => `login ${profile}`;

/** Puts a credential on a request: removes what would compete with it, sets its own headers. */
export type Authorize = (headers: Headers) => void;

/** @returns the function that puts session cookies, and nothing else that authenticates, on a request */
export function authorizeWithCookies(set: CookieSet): Authorize {
  const cookie = cookieHeader(set);
  return (headers) => {
    headers.delete("authorization");
    headers.set("cookie", cookie);
  };
}

/** The front's default lifetime of a session, counted from its issue (CodeMie fact 2.4, `cookie-expire`). */
const defaultSessionMs = 168 * 3600 * 1000;

/**
 * @returns until when the session probably lasts (ms since the epoch) and how that is known: the cookie tells its issue
 *   time but not its lifetime, so the end is an estimate by the front's default, or unknown
 */
export function sessionExpiry(set: CookieSet): { at: number; from: "estimate" } | { at: null; from: null } {
  const issued = sessionIssuedAt(set);
  return issued === undefined ? { at: null, from: null } : { at: issued + defaultSessionMs, from: "estimate" };
}
