import { apiFailure } from "../api/failures.ts";
import type { Host } from "../core/host.ts";
import { Secret } from "../core/secret.ts";
import { oauthFailure } from "../oauth/failures.ts";
import { OidcProvider } from "../oauth/provider.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { Vault } from "../vault/vault.ts";
import { loginRecord } from "./credential.ts";
import { authFailure } from "./failures.ts";
import { currentLogin } from "./stored-login.ts";

/** An ID token of a stored login, and the provider it is from. */
export interface FreshIdToken {
  readonly idToken: Secret;
  readonly tokenEndpoint: URL;
  readonly clientId: string;
}

/**
 * Gets a fresh ID token for a profile that logged in at an OpenID provider: its tokens are refreshed, under the record's
 * lock, and what comes back is stored before the ID token is used. None is kept: they end within minutes.
 *
 * @throws `auth_needed` when the profile has no such login, `auth_expired` when the provider no longer renews it,
 *   `auth_refused` when the provider sends no ID token, `unreachable`, `tls`, and what the vault throws
 */
export async function freshIdToken(vault: Vault, profile: string, host: Host, runtime: Runtime): Promise<FreshIdToken> {
  const name = loginRecord(profile);
  return await vault.locked(name, async () => {
    const login = await currentLogin(vault, profile, host);
    if (login.method !== "oidc") throw authFailure.notAtProvider(profile);
    const provider = await OidcProvider.discover(login.issuer, runtime.fetch);
    if (!login.refreshToken) throw apiFailure.sessionEnded(host.origin);
    const form = { grant_type: "refresh_token", refresh_token: login.refreshToken, client_id: login.clientId };
    const answer = await provider.grant(form);
    if ("refused" in answer) {
      if (answer.refused === "invalid_grant") throw apiFailure.sessionEnded(host.origin);
      throw oauthFailure.providerRefused(login.issuer, answer.refused, answer.description);
    }
    const now = runtime.now();
    await vault.write(name, {
      ...login,
      accessToken: answer.access_token,
      refreshToken: answer.refresh_token ?? login.refreshToken,
      ...(answer.expires_in === undefined ? {} : { expiresAt: now + answer.expires_in * 1000 }),
      confirmedAt: now,
    });
    if (!answer.id_token) throw oauthFailure.idToken(login.issuer, "there is none");
    const { clientId } = login;
    return { idToken: new Secret(answer.id_token), tokenEndpoint: new URL(provider.metadata.token_endpoint), clientId };
  });
}
