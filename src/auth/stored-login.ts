import { Api } from "../api/client.ts";
import { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { Secret } from "../core/secret.ts";
import { printable } from "../core/text.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { Method } from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";
import { authorizeWithBearer, authorizeWithCookies } from "./authorize.ts";
import { applySetCookies, type CookieSet } from "./cookies.ts";
import {
  authorizeWithTokens,
  type Identity,
  type JwtLogin,
  loginRecord,
  type OidcLogin,
  type SsoLogin,
  type StoredLogin,
  storedLogin,
} from "./credential.ts";
import { authFailure } from "./failures.ts";
import type { OidcTokens } from "./login/oidc.ts";
import { provingFetch } from "./proofs.ts";

/** @returns true unless both ids are known and differ. A token that we never proved at its host has no id */
export function samePerson(a: Identity, b: Identity): boolean {
  return a.id === "" || b.id === "" || a.id === b.id;
}

/** @returns a person for messages: name and mail address, printable */
export function describe(person: Identity): string {
  const name = printable(person.name, 80);
  const email = printable(person.email, 120);
  return email && email !== name ? `${name} <${email}>` : name;
}

/**
 * Proves a session: asks the host whom it belongs to (CodeMie fact 3.1).
 *
 * @param version our version, `MAJOR.MINOR.PATCH`
 * @returns the login, with the cookies as the host's answer left them
 * @throws `auth_refused` when the host does not accept it; otherwise as {@link Api.user}
 */
export async function proveSession(
  host: Host,
  cookies: CookieSet,
  runtime: Runtime,
  version: string,
): Promise<SsoLogin> {
  let current = cookies;
  const received = async (setCookies: string[]) => {
    const change = applySetCookies(current, setCookies, runtime.now());
    if (change.kind === "replaced") current = change.set;
  };
  const authorize = authorizeWithCookies(cookies);
  const whose = await whoIs(new Api({ host, authorize, received, fetch: runtime.fetch, version }), () =>
    authFailure.loginRefused(host.origin),
  );
  return { method: "sso", origin: host.origin, cookies: current, ...whose, ...atOnce(runtime) };
}

/**
 * Proves tokens of an OpenID provider: asks the host whom they belong to. A host that does not know bound tokens may take them
 * as bearer tokens (RFC 9449 section 7.2); one that knows them must not, so asking in that way too weakens nothing.
 *
 * @returns the login
 * @throws as {@link proveSession}
 */
export async function proveTokens(
  host: Host,
  tokens: OidcTokens,
  runtime: Runtime,
  version: string,
): Promise<OidcLogin> {
  const refused = () => authFailure.providersTokenRefused(host.origin, tokens.issuer);
  const whoseAre = async (manner: { readonly unproved?: true }) => {
    const authorize = authorizeWithTokens({ ...tokens, ...manner });
    const fetch = provingFetch(runtime.fetch, authorize.proofs);
    return { ...manner, ...(await whoIs(new Api({ host, authorize, fetch, version }), refused)) };
  };
  const whose = await whoseAre({}).catch((error: unknown) => {
    const isRefusal = error instanceof CodemieError && error.code === "auth_refused";
    if (tokens.bound && isRefusal) return whoseAre({ unproved: true });
    throw error;
  });
  return { method: "oidc", origin: host.origin, ...tokens, ...whose, ...atOnce(runtime) };
}

/**
 * Proves a bearer token that the user wants to store: asks the host whom it belongs to.
 *
 * @returns the login
 * @throws `auth_expired` when the host does not accept it; otherwise as {@link proveSession}
 */
export async function proveBearer(host: Host, token: Secret, runtime: Runtime, version: string): Promise<JwtLogin> {
  const whose = await whoIs(
    new Api({ host, authorize: authorizeWithBearer(token), fetch: runtime.fetch, version }),
    () => authFailure.tokenRefused(host.origin),
  );
  return { method: "jwt", origin: host.origin, token: token.reveal(), ...whose, ...atOnce(runtime) };
}

const atOnce = ({ now }: Runtime) => ({ loggedInAt: now(), confirmedAt: now() });

async function whoIs(api: Api, refused: () => CodemieError): Promise<{ identity: Identity }> {
  try {
    const user = await api.user();
    const name = user.name || user.username || user.user_id;
    return { identity: { id: user.user_id, name, email: user.email || user.username } };
  } catch (error) {
    if (error instanceof CodemieError && error.code === "auth_expired") throw refused();
    throw error;
  }
}

/**
 * Reads the stored login of a profile. A damaged record stays in place; only storing a new login moves it aside.
 *
 * @returns the login; undefined when there is none; `damaged` when the record does not open
 * @throws what the vault throws, except `vault_damaged`
 */
export async function previousLogin(vault: Vault, profile: string): Promise<StoredLogin | undefined | "damaged"> {
  try {
    return await vault.read(loginRecord(profile), storedLogin);
  } catch (error) {
    if (error instanceof CodemieError && error.code === "vault_damaged") return "damaged";
    throw error;
  }
}

/**
 * Stores a login under the record's lock. A damaged record is moved aside, never overwritten.
 *
 * @returns the file the damaged record was moved to, if there was one
 * @throws what the vault throws
 */
export async function storeLogin(vault: Vault, profile: string, login: StoredLogin): Promise<string | undefined> {
  const name = loginRecord(profile);
  return await vault.locked(name, async () => {
    const before = await previousLogin(vault, profile);
    const kept = before === "damaged" ? await vault.setAside(name) : undefined;
    await vault.write(name, login);
    return kept;
  });
}

/**
 * Reads the stored login of a profile and checks that it is for this host.
 *
 * @param missing makes the failure for a profile without a login
 * @param method how the profile logs in now: a stored bearer token counts for `jwt` only, and no other login does
 * @returns the login, whether it still works or not
 * @throws `auth_needed` when there is none, or when it is for another origin: a credential goes to its own origin only;
 *   what the vault throws
 */
export async function currentLogin(
  vault: Pick<Vault, "read">,
  profile: string,
  host: Host,
  missing = () => authFailure.loginNeeded(host.origin),
  method?: Method,
): Promise<StoredLogin> {
  const login = await vault.read(loginRecord(profile), storedLogin);
  if (!login || (login.method === "api-key") !== (host.kind === "provider")) throw missing();
  if (method !== undefined && (login.method === "jwt") !== (method === "jwt")) throw missing();
  if (login.origin === host.origin) return login;
  throw host.kind === "provider" ? missing() : authFailure.otherOrigin(profile, login.origin, host.origin);
}
