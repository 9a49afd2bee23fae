import type { Renewal } from "../../auth/renewal.ts";
import type { CodemieError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import type { Refusal, Unusable } from "../../oauth/answer.ts";
import { plainCode } from "../../oauth/fault.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import { requestToken, type TokenAnswer } from "../../oauth/token-endpoint.ts";
import type { Trace } from "../../oauth/trace.ts";
import { mcpFailure } from "../failures.ts";
import type { Deployment } from "./discovery.ts";
import { grantOf, type HeldGrant } from "./grant.ts";

/** @returns the failure to show for an answer of the server's token endpoint that brought no token */
function noToken(issuer: string, result: Refusal | Unusable): CodemieError {
  if (result.kind === "unusable") return mcpFailure.token(issuer, result.why);
  if (!result.passing) return mcpFailure.refused(issuer, result.code, result.description);
  return mcpFailure.token(issuer, `the token endpoint asks to try again later (${plainCode(result.code)})`);
}

/**
 * Asks a token endpoint for a token.
 *
 * @throws `auth_refused` when the server refuses, or its answer is unusable; as {@link requestToken}
 */
export async function obtainToken(...request: Parameters<typeof requestToken>): Promise<TokenAnswer> {
  const result = await requestToken(...request);
  if (result.kind !== "issued") throw noToken(request[0].issuer, result);
  return result.document;
}

/**
 * Refreshes a token (RFC 6749 section 6).
 *
 * @param nowMs now, ms since the epoch
 * @returns how it ended; `ended` without a refresh token, or with the `code` of the server's refusal
 * @throws as {@link requestToken}
 */
export async function refreshGrant(
  { server, resource }: Deployment,
  { grant, client }: HeldGrant,
  http: OAuthHttp,
  trace: Trace,
  nowMs: number,
): Promise<Renewal<HeldGrant> & { readonly code?: string }> {
  if (!grant.refreshToken) return { kind: "ended" };
  const form = { grant_type: "refresh_token", refresh_token: grant.refreshToken.reveal(), resource };
  const result = await requestToken(server, client, form, http, trace);
  // A server without refresh token rotation sends no new one: keep the old one.
  if (result.kind === "issued") {
    return {
      kind: "renewed",
      login: { grant: grantOf(result.document, client, grant.scope, nowMs, grant.refreshToken), client },
    };
  }
  if (result.kind === "refused" && !result.passing) return { kind: "ended", code: result.code };
  const error = noToken(server.issuer, result);
  if (result.kind === "refused" || result.refreshToken === undefined) return { kind: "unknown", error };
  return {
    kind: "unknown",
    error,
    login: { grant: { ...grant, refreshToken: new Secret(result.refreshToken) }, client },
  };
}
