import { CodemieError } from "../../core/errors.ts";
import { printable, when } from "../../core/text.ts";
import { discoverProvider } from "../../oauth/provider.ts";
import { revokeToken } from "../../oauth/token-endpoint.ts";
import type { Runtime } from "../../platform/runtime.ts";
import { clientAt } from "../client-proof.ts";
import type { OidcLogin, StoredLogin } from "../credential.ts";
import { samePerson } from "../stored-login.ts";
import type { OidcTokens } from "./oidc.ts";

/** The outcome of ending tokens at their provider. */
export type Revocation = "ended" | "refused" | "not offered" | "unreachable";

/** How long one request to end a token may take, ms: a logout does not depend on it. */
const patienceMs = 5_000;

/**
 * Revokes the tokens of a login at their provider (RFC 7009), the refresh token first: with it, a provider ends the rest.
 *
 * @returns what became of them; never throws one of our failures
 */
export async function revokeTokens(tokens: OidcTokens, runtime: Runtime): Promise<Revocation> {
  try {
    const found = await discoverProvider(tokens.issuer, runtime.fetch);
    if ("unusable" in found) return "unreachable";
    const { metadata, http } = found;
    if (metadata.revocation_endpoint === undefined) return "not offered";
    const client = await clientAt(metadata, tokens, runtime);
    const revoke = (token: string, kind: "refresh_token" | "access_token") =>
      revokeToken(metadata, client, token, kind, http, patienceMs);
    const isRefreshEnded = tokens.refreshToken ? await revoke(tokens.refreshToken, "refresh_token") : undefined;
    const isAccessEnded = await revoke(tokens.accessToken, "access_token");
    return (isRefreshEnded ?? isAccessEnded) ? "ended" : "refused";
  } catch (error) {
    if (error instanceof CodemieError) return error.exitCode === 5 ? "unreachable" : "refused";
    throw error;
  }
}

/**
 * Providers keep one grant for a person and a client, and may end it with any of its refresh tokens (RFC 7009 section 2.1).
 *
 * @returns true when to revoke one login could end the other
 */
export function mayShareGrant(one: StoredLogin | undefined | "damaged", other: OidcTokens | OidcLogin): boolean {
  if (typeof one !== "object" || one.method !== "oidc") return false;
  const isSameClient = one.issuer === other.issuer && one.clientId === other.clientId;
  return isSameClient && (!("identity" in other) || samePerson(one.identity, other.identity));
}

/** @returns what the provider still accepts after an attempt to end a login, for people */
export function leftAt(
  { issuer, expiresAt }: OidcTokens,
  outcome: Exclude<Revocation, "ended">,
  nowMs: number,
): string {
  const provider = printable(issuer, 120);
  const why = {
    refused: `${provider} did not confirm that it ended them`,
    "not offered": `${provider} offers no way to end them`,
    unreachable: `${provider} could not be asked`,
  }[outcome];
  const end = expiresAt === undefined || expiresAt <= nowMs ? "" : `: the access token ${when(expiresAt, nowMs)}`;
  return `its tokens stay valid until they end by themselves${end}; ${why}`;
}
