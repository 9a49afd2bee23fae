import { parseJson } from "../core/json.ts";
import type { OAuthHttp } from "./http.ts";
import { lacksPkce, type ServerMetadata, serverMetadata } from "./metadata.ts";

/** The metadata of an OpenID provider that people can log in at. */
export type ProviderMetadata = ServerMetadata & {
  readonly authorization_endpoint: string;
  readonly jwks_uri: string;
};

/**
 * Reads a provider's metadata (OpenID Connect Discovery 1.0 section 4). It must name the issuer we asked, the rule must
 * allow each of its endpoints, and it must not exclude PKCE with S256.
 *
 * @param issuer as the user typed it
 * @returns the metadata, or why the provider cannot be used
 * @throws `unreachable`, `tls`, `server_error` for a document that is too long
 */
export async function discoverProvider(
  issuer: string,
  http: OAuthHttp,
): Promise<{ readonly metadata: ProviderMetadata } | { readonly unusable: string }> {
  const base = issuer.replace(/\/$/, "");
  if (!isUsable(base, http)) return { unusable: "an issuer must be an https: address" };
  const answer = await http.send(new URL(`${base}/.well-known/openid-configuration`));
  const found = answer.status === 200 ? parseJson(answer.text, serverMetadata) : undefined;
  if (!found || !isProvider(found) || !endpointsOf(found).every((address) => isUsable(address, http))) {
    return { unusable: `no usable metadata (${answer.status}) at its well-known address` };
  }
  if (found.issuer.replace(/\/$/, "") !== base) return { unusable: "its metadata names another issuer" };
  if (lacksPkce(found)) return { unusable: "it does not support PKCE with S256" };
  return { metadata: found };
}

function isProvider(found: ServerMetadata): found is ProviderMetadata {
  return found.authorization_endpoint !== undefined && found.jwks_uri !== undefined;
}

function endpointsOf(found: ProviderMetadata): string[] {
  const { authorization_endpoint, token_endpoint, jwks_uri, revocation_endpoint, device_authorization_endpoint } =
    found;
  const all = [authorization_endpoint, token_endpoint, jwks_uri, revocation_endpoint, device_authorization_endpoint];
  return all.filter((address) => address !== undefined);
}

/** Credentials go there, so the rule must allow the address. */
function isUsable(address: string, http: OAuthHttp): boolean {
  try {
    http.allowed(address, "the provider's endpoint");
    return true;
  } catch {
    return false;
  }
}
