import * as z from "zod/mini";
import { parseJson } from "../../core/json.ts";
import { Secret } from "../../core/secret.ts";
import { addressOnly } from "../../core/text.ts";
import type { Client } from "../../oauth/client.ts";
import { readFault } from "../../oauth/fault.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import type { TokenAnswer } from "../../oauth/token-endpoint.ts";
import type { Trace } from "../../oauth/trace.ts";
import { mcpFailure } from "../failures.ts";
import type { Deployment } from "./discovery.ts";
import { obtainToken } from "./token.ts";

/** A company's identity provider, which vouches for a person to the servers that it manages. */
export interface EnterpriseProvider {
  readonly tokenEndpoint: URL;
  readonly clientId: string;
  /** the person's ID token, fresh enough to exchange */
  readonly idToken: Secret;
}

/**
 * Gets a token by the client credentials grant (RFC 6749 section 4.4), without a person.
 *
 * @returns the token endpoint's answer
 * @throws `auth_refused`, and as {@link obtainToken}
 */
export async function authorizeAsMachine(
  { server, resource }: Deployment,
  client: Client,
  scope: string | undefined,
  http: OAuthHttp,
  trace: Trace,
): Promise<TokenAnswer> {
  const form = { grant_type: "client_credentials", scope, resource };
  return await obtainToken(server, client, form, http, trace);
}

/** Token exchange answer (RFC 8693 section 2.2.1). */
const exchanged = z.object({
  access_token: z.string().check(z.minLength(1)),
  issued_token_type: z.literal("urn:ietf:params:oauth:token-type:id-jag"),
});

/**
 * Gets a token by MCP's enterprise-managed authorization extension, without a browser. The company's provider exchanges
 * the person's ID token for an assertion (RFC 8693); the authorization server exchanges that for an access token (RFC
 * 7523).
 *
 * @returns the token endpoint's answer
 * @throws `auth_expired` when the ID token has ended; `auth_refused`, `server_error`, and as {@link obtainToken}
 */
export async function authorizeByEnterprise(
  { server, resource }: Deployment,
  client: Client,
  scope: string | undefined,
  provider: EnterpriseProvider,
  http: OAuthHttp,
  trace: Trace,
): Promise<TokenAnswer> {
  // Loaded here: a bridge with another grant does not need it.
  const { endedAt } = await import("../../auth/bearer-token.ts");
  const end = endedAt(provider.idToken.reveal(), Date.now());
  if (end !== undefined) throw mcpFailure.idTokenExpired(end);
  const body = new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    requested_token_type: "urn:ietf:params:oauth:token-type:id-jag",
    audience: server.issuer,
    ...(resource === undefined ? {} : { resource }),
    ...(scope === undefined ? {} : { scope }),
    subject_token: provider.idToken.reveal(),
    subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
    client_id: provider.clientId,
  });
  const { status, text, sent } = await http.send(provider.tokenEndpoint, { method: "POST", body });
  const vouched = status === 200 ? parseJson(text, exchanged) : undefined;
  const detail = `${status} ${addressOnly(provider.tokenEndpoint)}`;
  trace({ name: "token exchange", ok: vouched !== undefined, detail, reference: "RFC 8693 section 2" });
  if (!vouched) {
    const { code, description } = readFault(text, sent);
    throw mcpFailure.refused(provider.tokenEndpoint.origin, code ?? String(status), description ?? "");
  }
  return await redeemAssertion({ server, resource }, client, scope, new Secret(vouched.access_token), http, trace);
}

/**
 * Gets a token for a signed assertion of who we are (RFC 7523 section 2.1): a provider's, or a job's own identity token.
 *
 * @returns the token endpoint's answer
 * @throws `auth_refused`, and as {@link obtainToken}
 */
export async function redeemAssertion(
  { server, resource }: Pick<Deployment, "server" | "resource">,
  client: Client,
  scope: string | undefined,
  assertion: Secret,
  http: OAuthHttp,
  trace: Trace,
): Promise<TokenAnswer> {
  const grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
  const form = { grant_type: grant, assertion: assertion.reveal(), scope, resource };
  return await obtainToken(server, client, form, http, trace);
}
