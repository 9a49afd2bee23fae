import { Api } from "../api/client.ts";
import { authorizeWithCookies } from "../auth/authorize.ts";
import { loginRecord, type StoredLogin } from "../auth/credential.ts";
import { leftAt, mayShareGrant, revokeTokens } from "../auth/login/revocation.ts";
import { previousLogin } from "../auth/stored-login.ts";
import { CodemieError } from "../core/errors.ts";
import { hostAt } from "../core/host.ts";
import { printable } from "../core/text.ts";
import { within } from "../core/time.ts";
import { version } from "../core/version.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { Method } from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";
import { record } from "./audit.ts";
import type { Context } from "./context.ts";

/** How long to wait for providers to end tokens that nobody keeps, ms. */
const unkeptMs = 5_000;

/** The result of a logout. */
export interface Ended {
  readonly profile: string;
  /** false: there was no login */
  readonly removed: boolean;
  readonly endedAtHost: boolean;
  readonly method: Method | undefined;
  /** what is still accepted there, for people, where that is known */
  readonly left?: string;
}

/**
 * Ends a profile's login: removes it from the vault, then tries to end it at the host or provider.
 *
 * @returns what was removed, and whether host or provider confirmed the end
 * @throws `disk`, `vault_locked`
 */
export async function endLogin(context: Context, vault: Vault, profile: string): Promise<Ended> {
  const { host, ...ended } = await remove(context, vault, profile);
  if (ended.removed) {
    const detail = { "ended-at-host": String(ended.endedAtHost) };
    await record(context, vault, { event: "logout", profile, host, outcome: "ok", detail });
  }
  return { profile, ...ended };
}

/** Removes the local login in any case, also when the host does not answer or the record or its key is damaged. */
async function remove({ runtime, output }: Context, vault: Vault, profile: string) {
  const login = await previousLogin(vault, profile).catch((error: unknown) => {
    if (!(error instanceof CodemieError)) throw error;
    output.say.warn(error.message);
    return "damaged" as const;
  });
  const nothing = { endedAtHost: false, host: "", method: undefined };
  if (login === undefined) return { removed: false, ...nothing };
  const name = loginRecord(profile);
  await vault.locked(name, () => vault.remove(name));
  if (login === "damaged") return { removed: true, ...nothing };
  return { removed: true, ...(await endAtOrigin(login, runtime)), host: login.origin, method: login.method };
}

/** Ends a session at oauth2-proxy, tokens at their provider. We cannot end a token or key that the user brought. */
async function endAtOrigin(login: StoredLogin, runtime: Runtime): Promise<Pick<Ended, "endedAtHost" | "left">> {
  if (login.method === "jwt" || login.method === "api-key") return { endedAtHost: false };
  if (login.method === "oidc") {
    const outcome = await revokeTokens(login, runtime);
    return outcome === "ended"
      ? { endedAtHost: true }
      : { endedAtHost: false, left: leftAt(login, outcome, runtime.now()) };
  }
  const authorize = authorizeWithCookies(login.cookies);
  const api = new Api({ host: hostAt(login.origin), authorize, fetch: runtime.fetch, version });
  return { endedAtHost: await api.signOut() };
}

/**
 * Ends tokens that a new login replaced, where that cannot end the new login too, and tells what stays valid. A session of
 * the host's own single sign-on is the browser's too, so it is left alone.
 *
 * @param before the login before
 * @param now the login that was stored in its place; undefined: another one, which was not stored
 */
export async function endReplaced(
  { runtime, output }: Context,
  before: StoredLogin | undefined | "damaged",
  now: StoredLogin | undefined,
): Promise<void> {
  if (typeof before !== "object" || before.method !== "oidc") return;
  if (now?.method === "oidc" && mayShareGrant(before, now)) {
    if (before.refreshToken && before.refreshToken !== now.refreshToken) output.say.info(bothStay(before.issuer));
    return;
  }
  const outcome = await revokeTokens(before, runtime);
  if (outcome !== "ended") output.say.warn(`the login before: ${leftAt(before, outcome, runtime.now())}`);
}

/**
 * Ends tokens of logins that were made and not kept, where that cannot end one that is. It waits for the provider some
 * seconds at most.
 *
 * @param made the logins that were made
 * @param kept those that stay
 */
export async function endUnkept(
  runtime: Runtime,
  made: readonly StoredLogin[],
  kept: readonly (StoredLogin | undefined | "damaged")[],
): Promise<void> {
  const unkept = made
    .filter((one) => one.method === "oidc")
    .filter((one) => !kept.some((other) => mayShareGrant(other, one)));
  await within(unkeptMs, Promise.all(unkept.map((one) => revokeTokens(one, runtime))));
}

const bothStay = (issuer: string) =>
  `the login before this one stays valid at ${printable(issuer, 120)} until it ends by itself: to end it there could end this one too`;
