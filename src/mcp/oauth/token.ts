import type { Refusal } from "../../oauth/answer.ts";
import type { Client } from "../../oauth/client.ts";
import { plainCode } from "../../oauth/fault.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import type { ServerMetadata } from "../../oauth/metadata.ts";
import { type GrantForm, requestToken, type TokenAnswer } from "../../oauth/token-endpoint.ts";
import type { Trace } from "../../oauth/trace.ts";
import { mcpFailure } from "../failures.ts";

/**
 * Asks a token endpoint for a token.
 *
 * @returns the token, or a final refusal
 * @throws `auth_refused` for a temporary refusal or an unusable answer; as {@link requestToken}
 */
export async function tokenOrRefusal(
  server: ServerMetadata,
  client: Client,
  form: GrantForm,
  http: OAuthHttp,
  trace: Trace,
): Promise<{ readonly kind: "issued"; readonly document: TokenAnswer } | Refusal> {
  const result = await requestToken(server, client, form, http, trace);
  if (result.kind === "unusable") throw mcpFailure.token(server.issuer, result.why);
  if (result.kind === "refused" && result.passing) {
    throw mcpFailure.token(server.issuer, `the token endpoint asks to try again later (${plainCode(result.code)})`);
  }
  return result;
}

/**
 * As {@link tokenOrRefusal}, but throws a refusal.
 *
 * @throws `auth_refused` when the server refuses; as {@link tokenOrRefusal}
 */
export async function obtainToken(...request: Parameters<typeof tokenOrRefusal>): Promise<TokenAnswer> {
  const result = await tokenOrRefusal(...request);
  if (result.kind === "refused") throw mcpFailure.refused(request[0].issuer, result.code, result.description);
  return result.document;
}
