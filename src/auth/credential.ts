import { z } from "zod";
import { Secret } from "../core/secret.ts";
import { type Authorize, authorizeWithBearer, authorizeWithCookies } from "./authorize.ts";
import { cookieSet, sessionIssuedAt } from "./cookies.ts";

/** The person a login belongs to, as `GET /v1/user` names them. */
export const identity = z.object({ id: z.string(), name: z.string(), email: z.string() });
export type Identity = z.infer<typeof identity>;

const common = {
  /** the only origin it goes to */
  origin: z.string(),
  identity,
  /** ms since the epoch */
  loggedInAt: z.number(),
  /** when it was last confirmed or renewed, ms since the epoch */
  confirmedAt: z.number().optional(),
};

/** Cookies of the host's own single sign-on. */
const ssoLogin = z.object({ ...common, method: z.literal("sso"), cookies: cookieSet });
export type SsoLogin = z.infer<typeof ssoLogin>;

/** Tokens of an OpenID provider. */
const oidcLogin = z.object({
  ...common,
  method: z.literal("oidc"),
  issuer: z.string(),
  clientId: z.string(),
  scope: z.string(),
  accessToken: z.string(),
  refreshToken: z.string().optional(),
  /** ms since the epoch; absent when the provider does not say */
  expiresAt: z.number().optional(),
});
export type OidcLogin = z.infer<typeof oidcLogin>;

/** A stored login, sealed in the vault: what is sent, where it may be sent, and whose it is. */
export const storedLogin = z.discriminatedUnion("method", [ssoLogin, oidcLogin]);
export type StoredLogin = z.infer<typeof storedLogin>;

/** The vault's name for the login of a profile. */
export const loginRecord = (profile: string): string => `login ${profile}`;

/** @returns the function that puts a stored login on a request */
export function authorizeWith(login: StoredLogin): Authorize {
  return login.method === "sso"
    ? authorizeWithCookies(login.cookies)
    : authorizeWithBearer(new Secret(login.accessToken));
}

/** @returns a text that is the same for two logins that are sent alike; it is a secret */
export function sentAs(login: StoredLogin): string {
  return login.method === "sso" ? JSON.stringify(Object.entries(login.cookies).sort()) : login.accessToken;
}

/** The front's default lifetime of a session, counted from its issue (CodeMie fact 2.4, `cookie-expire`). */
const defaultSessionMs = 168 * 3600 * 1000;

/** Until when a login lasts, ms since the epoch, and how that is known. */
export type Expiry = { at: number; from: "estimate" | "token" } | { at: null; from: null };

/**
 * @returns until when a login lasts. A session's cookie tells its issue time but not its lifetime, so its end is an
 *   estimate by the front's default, or unknown; a provider says how long its token lasts.
 */
export function expiryOf(login: StoredLogin): Expiry {
  if (login.method === "oidc")
    return login.expiresAt ? { at: login.expiresAt, from: "token" } : { at: null, from: null };
  const issued = sessionIssuedAt(login.cookies);
  return issued === undefined ? { at: null, from: null } : { at: issued + defaultSessionMs, from: "estimate" };
}
