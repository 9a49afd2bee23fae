import { apiFailure } from "../api/failures.ts";
import type { Secret } from "../core/secret.ts";
import type { Client } from "../oauth/client.ts";
import type { ServerMetadata } from "../oauth/metadata.ts";
import type { Broker } from "./broker.ts";
import { authFailure } from "./failures.ts";

/** An ID token of a stored login, the provider that issued it, and our client there. */
export interface ProvidersIdToken {
  readonly idToken: Secret;
  readonly server: ServerMetadata;
  readonly client: Client;
}

/**
 * Gets a fresh ID token for a profile that logged in at an OpenID provider. The broker renews the profile's tokens and
 * stores them first. Where a renewal brings none, the one before goes on while it is valid.
 *
 * @param broker the broker of the profile's login
 * @param profile the profile's name, for the error
 * @returns the ID token, with its provider and our client there
 * @throws `auth_needed` when the profile has no such login; `auth_expired` when the provider no longer renews it;
 *   `auth_needed` when the provider sends no ID token, and none is valid; what the renewal met (`unreachable`, `tls`, `server_error`,
 *   `auth_refused`), and what the vault throws
 */
export async function freshIdToken(broker: Broker, profile: string): Promise<ProvidersIdToken> {
  const stored = await broker.stored();
  if (stored.method !== "oidc") throw authFailure.notAtProvider(profile);
  const renewal = await broker.probe();
  if (renewal.kind !== "renewed" && "error" in renewal && renewal.error) throw renewal.error;
  if (renewal.kind !== "renewed") throw apiFailure.sessionEnded(stored.origin, profile);
  if (!renewal.idToken) throw authFailure.noIdToken(stored.issuer, profile, stored.idToken !== undefined);
  const { token, server, client } = renewal.idToken;
  return { idToken: token, server, client };
}
