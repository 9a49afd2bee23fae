import * as z from "zod/mini";
import { Secret } from "../core/secret.ts";
import { providerName } from "../profiles/providers.ts";
import {
  type Authorize,
  authorizeWithBearer,
  authorizeWithCookies,
  authorizeWithKey,
  authorizeWithProofs,
} from "./authorize.ts";
import { claimedEnd } from "./bearer-token.ts";
import { cookieSet, sessionIssuedAt } from "./cookies.ts";
import { Proofs } from "./proofs.ts";

/** A login's person, as `GET /v1/user` names them (CodeMie fact 3.1); `id` is empty for an unproved token. */
export const identity = z.object({ id: z.string(), name: z.string(), email: z.string() });
export type Identity = z.infer<typeof identity>;

/** ms since the epoch, as far as `Date` reaches (ECMA-262 section 21.4.1.1) */
const moment = z.number().check(z.gte(0), z.lte(8.64e15));

const common = {
  /** the only origin the credential goes to */
  origin: z.string(),
  identity,
  loggedInAt: moment,
  /** when it was last confirmed or renewed */
  confirmedAt: z.optional(moment),
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
  /** the `prompt` that the user wants; absent: as the scope needs it */
  prompt: z.optional(z.string()),
  clientSecretEnv: z.optional(z.string()),
  clientKeyFile: z.optional(z.string()),
  /** sealed here where the user wants it, for renewals without the variable or the file */
  clientSecret: z.optional(z.string()),
  clientKey: z.optional(z.string()),
  accessToken: z.string(),
  /** the key that the refresh token is bound to (RFC 9449), a private JWK */
  proofKey: z.optional(z.string()),
  /** true: the access token is bound to it too */
  bound: z.optional(z.boolean()),
  /** true: the host takes a bound access token as a bearer token, without a proof (RFC 9449 section 7.2) */
  unproved: z.optional(z.boolean()),
  refreshToken: z.optional(z.string()),
  /** the latest that came, for grants that need one: some providers send one at the login alone */
  idToken: z.optional(z.string()),
  /** absent when the provider does not say, or says what is no moment */
  expiresAt: z.catch(z.optional(moment), undefined),
});
export type OidcLogin = z.infer<typeof oidcLogin>;

/** A bearer token that the user had us store. We cannot renew it. */
const jwtLogin = z.object({ ...common, method: z.literal("jwt"), token: z.string() });
export type JwtLogin = z.infer<typeof jwtLogin>;

/** A key of a model provider. It belongs to an account there; we do not know the person. */
const apiKeyLogin = z.object({
  origin: common.origin,
  loggedInAt: common.loggedInAt,
  confirmedAt: common.confirmedAt,
  method: z.literal("api-key"),
  provider: providerName,
  key: z.string(),
});
export type ApiKeyLogin = z.infer<typeof apiKeyLogin>;

/** A login as the vault stores it: the credential, the origin it may go to, and whose it is. */
export const storedLogin = z.discriminatedUnion("method", [ssoLogin, oidcLogin, jwtLogin, apiKeyLogin]);
export type StoredLogin = z.infer<typeof storedLogin>;

/** A login of a person. */
export type PersonalLogin = Exclude<StoredLogin, ApiKeyLogin>;

/** The vault's name for the login of a profile. */
export const loginRecord = (profile: string): string => `login ${profile}`;

/** @returns the function that puts a stored login on a request */
export function authorizeWith(login: StoredLogin): Authorize {
  switch (login.method) {
    case "sso":
      return authorizeWithCookies(login.cookies);
    case "oidc":
      return authorizeWithTokens(login);
    case "jwt":
      return authorizeWithBearer(new Secret(login.token));
    case "api-key":
      return authorizeWithKey(login.provider, new Secret(login.key));
  }
}

/** @returns the function that puts a provider's access token on a request: with proofs where it is bound and the host takes them */
export function authorizeWithTokens(
  login: Pick<OidcLogin, "accessToken" | "proofKey" | "bound" | "unproved">,
): Authorize {
  const { accessToken, proofKey, bound, unproved } = login;
  const token = new Secret(accessToken);
  if (proofKey === undefined || !bound || unproved) return authorizeWithBearer(token);
  return authorizeWithProofs(token, new Proofs(proofKey, accessToken));
}

/** @returns a text that is equal for two logins with the same credential; treat it as a secret */
export function sentAs(login: StoredLogin): string {
  switch (login.method) {
    case "sso":
      return JSON.stringify(Object.entries(login.cookies).sort());
    case "oidc":
      return login.accessToken;
    case "jwt":
      return login.token;
    case "api-key":
      return login.key;
  }
}

/** oauth2-proxy's default lifetime of a session, from its issue, ms (CodeMie fact 2.4, `cookie-expire`). */
const defaultSessionMs = 168 * 3600 * 1000;

/** When a login ends, ms since the epoch, and how we know; null: we do not know. */
export type Expiry = { at: number; from: "estimate" | "token" } | { at: null; from: null };

/**
 * @returns when a login ends. A session cookie holds its issue time but not its lifetime, so its end is an estimate
 *   from oauth2-proxy's default. A token's end comes from its provider or its `exp`. A key lasts until it is revoked
 */
export function expiryOf(login: StoredLogin): Expiry {
  if (login.method === "api-key") return { at: null, from: null };
  if (login.method !== "sso") {
    const at = login.method === "oidc" ? login.expiresAt : claimedEnd(login.token);
    return at ? { at, from: "token" } : { at: null, from: null };
  }
  const issued = sessionIssuedAt(login.cookies);
  return issued === undefined ? { at: null, from: null } : { at: issued + defaultSessionMs, from: "estimate" };
}

/**
 * @returns when a login ends that nothing renews, ms since the epoch, as {@link expiryOf}; undefined for others, and where
 *   nobody knows. A session that its host renews is issued anew long before that time
 */
export function unrenewedEnd(login: StoredLogin): number | undefined {
  if (login.method === "oidc" && login.refreshToken) return undefined;
  return expiryOf(login).at ?? undefined;
}
