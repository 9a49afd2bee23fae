import * as z from "zod/mini";
import { parseJson } from "../../core/json.ts";
import { Secret } from "../../core/secret.ts";
import { addressOnly } from "../../core/text.ts";
import type { Client } from "../../oauth/client.ts";
import { sendAsClient } from "../../oauth/client-authentication.ts";
import { readFault } from "../../oauth/fault.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import type { ServerMetadata } from "../../oauth/metadata.ts";
import type { TokenAnswer } from "../../oauth/token-endpoint.ts";
import type { Trace } from "../../oauth/trace.ts";
import { mcpFailure } from "../failures.ts";
import type { Deployment } from "./discovery.ts";
import { obtainToken } from "./token.ts";

/** A company's identity provider, which vouches for a person to the servers that it manages. */
export interface EnterpriseProvider {
  readonly server: ServerMetadata;
  /** our client there, which proves itself if it can */
  readonly client: Client;
  readonly http: OAuthHttp;
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

/** Lists of authorization servers name the grant so (draft-ietf-oauth-identity-assertion-authz-grant section 7.2). */
const grantProfile = "urn:ietf:params:oauth:grant-profile:id-jag";

/**
 * Gets a token by MCP's enterprise-managed authorization extension, without a browser. The company's provider exchanges
 * the person's ID token for an assertion (RFC 8693), the identity assertion JWT authorization grant (ID-JAG); the
 * authorization server exchanges that for an access token (RFC 7523).
 *
 * @returns the token endpoint's answer
 * @throws `auth_expired` when the ID token has ended; `auth_refused`, also when the server lists its grants without this one; `server_error`, and as {@link obtainToken}
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
  const profiles = server.authorization_grant_profiles_supported;
  const isTaken = profiles === undefined || profiles.includes(grantProfile);
  const listed = profiles?.join(", ") ?? "not listed; tried anyway";
  const draft = "draft-ietf-oauth-identity-assertion-authz-grant section 7.2";
  trace({ name: "grant profile", ok: isTaken, detail: listed, reference: draft });
  if (!isTaken) throw mcpFailure.noEnterprise(server.issuer);
  const form = {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    requested_token_type: "urn:ietf:params:oauth:token-type:id-jag",
    audience: server.issuer,
    resource,
    scope,
    subject_token: provider.idToken.reveal(),
    subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
  };
  const { status, text, sent } = await sendAsClient(
    provider.server,
    provider.client,
    "token_endpoint",
    form,
    provider.http,
  );
  const endpoint = new URL(provider.server.token_endpoint);
  const vouched = status === 200 ? parseJson(text, exchanged) : undefined;
  const detail = `${status} ${addressOnly(endpoint)}`;
  trace({ name: "token exchange", ok: vouched !== undefined, detail, reference: "RFC 8693 section 2" });
  if (!vouched) {
    const { code, description } = readFault(text, sent);
    throw mcpFailure.refused(endpoint.origin, code ?? String(status), description ?? "");
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
