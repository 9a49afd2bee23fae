import { type CallbackChoice, callbackIn } from "../../core/host.ts";
import type { Vault } from "../../vault/vault.ts";
import type { ClientProof } from "../client-proof.ts";
import type { OidcLogin, PersonalLogin, SsoLogin } from "../credential.ts";
import { authFailure } from "../failures.ts";
import { currentLogin, describe, previousLogin, samePerson, storeLogin } from "../stored-login.ts";
import { pages } from "./callback-page.ts";
import { type LoginRequest, logIn } from "./index.ts";
import type { OidcClient } from "./oidc.ts";

/** A login for a profile that exists. */
export interface ProfileLoginRequest extends Omit<LoginRequest, "client" | "anew" | "profile"> {
  /** the profile's OpenID provider, and where it sends the browser back to; undefined: the host's own single sign-on */
  readonly oidc:
    | (CallbackChoice &
        ClientProof &
        Pick<OidcClient, "issuer" | "clientId" | "dpop"> & { readonly scope?: string | undefined })
    | undefined;
}

/**
 * Logs in again through the browser, by the method of the stored login. If the person still has a session at the
 * identity provider, they need not type anything. The old login stays until the new one is proved to be the same
 * person's.
 *
 * @returns the new login, stored
 * @throws `auth_needed` when there is no such login, or a stored token or key; `other_person`; as {@link logIn}; what
 *   the vault throws
 */
export async function loginAgain(
  vault: Vault,
  profile: string,
  request: ProfileLoginRequest,
): Promise<SsoLogin | OidcLogin> {
  const missing = () => authFailure.loginNeeded(request.host.origin, profile);
  const before = await currentLogin(vault, profile, request.host, missing);
  if (before.method === "jwt" || before.method === "api-key") throw missing();
  const client =
    before.method === "oidc"
      ? { ...before, ...callbackIn(request.oidc ?? {}), dpop: before.proofKey !== undefined }
      : undefined;
  return await loginAfter(before, vault, profile, { ...request, client, anew: true });
}

/**
 * Logs in before a run that cannot begin with what is stored: as {@link loginAgain} where a login of a browser is stored,
 * else by the method of the profile.
 *
 * @returns the new login, stored
 * @throws `other_person`; as {@link logIn}; what the vault throws
 */
export async function loginToRun(
  vault: Vault,
  profile: string,
  request: ProfileLoginRequest,
): Promise<SsoLogin | OidcLogin> {
  const before = await previousLogin(vault, profile);
  const stored = typeof before === "object" && before.method !== "api-key" ? before : undefined;
  if (stored?.origin === request.host.origin && stored.method !== "jwt")
    return await loginAgain(vault, profile, request);
  const { oidc } = request;
  const client = oidc && { ...oidc, scope: oidc.scope ?? (await import("./oidc.ts")).defaultScope };
  return await loginAfter(stored, vault, profile, { ...request, client });
}

async function loginAfter(
  before: PersonalLogin | undefined,
  vault: Vault,
  profile: string,
  request: LoginRequest,
): Promise<SsoLogin | OidcLogin> {
  return await logIn({ ...request, profile, stored: before }, async (login) => {
    const who = describe(login.identity);
    if (before && !samePerson(login.identity, before.identity))
      throw authFailure.otherPerson(who, describe(before.identity), profile);
    await storeLogin(vault, profile, login);
    return { result: login, page: (before ? pages.renewed : pages.loggedIn)(who, login.origin) };
  });
}
