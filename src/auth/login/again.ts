import type { Vault } from "../../vault/vault.ts";
import type { OidcLogin, SsoLogin } from "../credential.ts";
import { authFailure } from "../failures.ts";
import { currentLogin, describe, samePerson, storeLogin } from "../stored-login.ts";
import { pages } from "./callback-page.ts";
import { type LoginRequest, logIn } from "./index.ts";

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
  request: Omit<LoginRequest, "client" | "anew">,
): Promise<SsoLogin | OidcLogin> {
  const before = await currentLogin(vault, profile, request.host);
  if (before.method === "jwt" || before.method === "api-key") throw authFailure.loginNeeded(before.origin);
  const client = before.method === "oidc" ? before : undefined;
  return await logIn({ ...request, client, anew: true }, async (login) => {
    const who = describe(login.identity);
    if (!samePerson(login.identity, before.identity))
      throw authFailure.otherPerson(who, describe(before.identity), profile);
    await storeLogin(vault, profile, login);
    return { result: login, page: pages.renewed(who, login.origin) };
  });
}
