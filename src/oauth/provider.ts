import { providersTrouble } from "../core/hints.ts";
import { parseJson } from "../core/json.ts";
import { tokenForAddress } from "../core/pasted.ts";
import { printable } from "../core/text.ts";
import type { Fetch } from "../platform/network.ts";
import { addressesNamedBy } from "./addresses.ts";
import { isPassing } from "./answer.ts";
import { OAuthHttp } from "./http.ts";
import { lacksPkce, proofEndpoints, type ServerMetadata, serverMetadata } from "./metadata.ts";

/** The metadata of an OpenID provider that people can log in at. */
export type ProviderMetadata = ServerMetadata & {
  readonly authorization_endpoint: string;
  readonly jwks_uri: string;
};

/** A provider that was found, and the client that sends requests to it and to the addresses it names. */
export interface DiscoveredProvider {
  readonly metadata: ProviderMetadata;
  readonly http: OAuthHttp;
}

/**
 * Reads a provider's metadata (OpenID Connect Discovery 1.0 section 4). It must name the issuer we asked; each of its
 * endpoints must be an address that the issuer may name ({@link addressesNamedBy}); and it must not exclude PKCE with S256.
 *
 * @param issuer as the user typed it
 * @returns the provider, or why it cannot be used, with a hint where the metadata tells what to do
 * @throws `unreachable`, `tls`, `server_error` for a document that is too long
 */
export async function discoverProvider(
  issuer: string,
  fetch: Fetch,
): Promise<DiscoveredProvider | { readonly unusable: string; readonly hint?: string }> {
  const base = issuer.replace(/\/$/, "");
  const address = URL.parse(base);
  const rule = address ? addressesNamedBy(address, false) : () => undefined;
  const token = tokenForAddress(base);
  if (token) return { unusable: token };
  if (!rule(base)) return { unusable: "an issuer must be an https: address" };
  const http = new OAuthHttp({ fetch, rule });
  const answer = await http.read(new URL(`${base}/.well-known/openid-configuration`));
  const found = answer.status === 200 ? parseJson(answer.text, serverMetadata) : undefined;
  if (!found || !isProvider(found) || !endpointsOf(found).every(rule)) {
    const unusable = `no usable metadata (${answer.status}) at its well-known address`;
    return { unusable, ...(isPassing(answer.status) ? { hint: providersTrouble } : {}) };
  }
  if (found.issuer.replace(/\/$/, "") !== base) return otherIssuer(new URL(base), found.issuer);
  if (lacksPkce(found)) return { unusable: "it does not support PKCE with S256" };
  return { metadata: found, http };
}

/**
 * One address may serve many tenants, as Microsoft Entra's `common` and `organizations` do; each tenant is an issuer of
 * its own, and the metadata names a template: `https://login.microsoftonline.com/{tenantid}/v2.0`.
 */
function otherIssuer({ origin }: URL, issuer: string): { unusable: string; hint?: string } {
  if (issuer.includes("{tenantid}")) {
    const hint = `give the address of your own tenant: --issuer ${origin}/TENANT-ID/v2.0`;
    return { unusable: "it serves every tenant, and each is an issuer of its own", hint };
  }
  const unusable = "its metadata names another issuer";
  if (URL.parse(issuer)?.origin !== origin) return { unusable };
  return { unusable, hint: `it calls itself ${printable(issuer, 120)}; if you trust that one, give it with --issuer` };
}

function isProvider(found: ServerMetadata): found is ProviderMetadata {
  return found.authorization_endpoint !== undefined && found.jwks_uri !== undefined;
}

function endpointsOf(found: ProviderMetadata): string[] {
  const all = [found.authorization_endpoint, found.jwks_uri, ...proofEndpoints.map((endpoint) => found[endpoint])];
  return all.filter((address) => address !== undefined);
}
