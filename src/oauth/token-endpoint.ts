import * as z from "zod/mini";
import { parseJson } from "../core/json.ts";
import { addressOnly } from "../core/text.ts";
import { type EndpointResult, judgeAnswer, type Unusable } from "./answer.ts";
import type { Client } from "./client.ts";
import { type GrantForm, sendAsClient } from "./client-authentication.ts";
import { documentOf, optionalText, seconds } from "./document.ts";
import type { OAuthHttp } from "./http.ts";
import { endpointName, type ServerMetadata } from "./metadata.ts";
import type { ProofKey } from "./proof-key.ts";
import { noTrace, type Trace } from "./trace.ts";

/** Longest lifetime of a token that we believe, seconds: ten years. */
const longestLife = 10 * 365 * 24 * 3600;

/** Token answer (RFC 6749 section 5.1), with the ID token of OpenID Connect Core 1.0 section 3.1.3.3. */
export const tokenAnswer = documentOf({
  access_token: z.string().check(z.regex(/^[\x21-\x7e]+$/)),
  token_type: z._default(z.string(), "Bearer"),
  // Servers also send 0, words and aeons: then we do not know when the token ends.
  expires_in: z.catch(z.optional(z.pipe(seconds, z.number().check(z.positive(), z.lte(longestLife)))), undefined),
  refresh_token: optionalText,
  scope: optionalText,
  id_token: optionalText,
});
export type TokenAnswer = z.infer<typeof tokenAnswer>;

/** The token type of a token that is bound to a key (RFC 9449 section 5), in lower case. */
const boundType = "dpop";

/** @returns the key that an issued token is bound to; undefined for a bearer token */
export const boundTo = (answer: TokenAnswer, client: Client): ProofKey | undefined =>
  answer.token_type.toLowerCase() === boundType ? client.proofKey : undefined;

/** The member that we keep of a token answer that is not usable otherwise. */
const renewal = documentOf({ refresh_token: optionalText });

/** An unusable answer to a grant. */
export interface UnusableToken extends Unusable {
  /** The new refresh token that it holds: with refresh token rotation, the one before is spent. */
  readonly refreshToken?: string;
}

/**
 * Asks a token endpoint for a bearer token, or one that is bound to the client's key (RFC 9449 section 5).
 *
 * @param form the grant's own parameters; client authentication is added
 * @param trace gets the step and how it ended
 * @returns the token; a refusal; `unusable`, also for a token of another type. A missing token type counts as bearer: some
 *   servers leave it out
 * @throws `auth_refused` when the rule forbids the endpoint's address; `server_error` for an answer that is too long;
 *   `unreachable`, `tls`; usage error when the client's key cannot sign
 */
export async function requestToken(
  server: ServerMetadata,
  client: Client,
  form: GrantForm,
  http: OAuthHttp,
  trace: Trace = noTrace,
): Promise<Exclude<EndpointResult<TokenAnswer>, Unusable> | UnusableToken> {
  const answer = await sendAsClient(server, client, "token_endpoint", form, http);
  const result = judgeAnswer(answer, endpointName("token_endpoint"), tokenAnswer);
  const detail = `${form.grant_type}: ${answer.status} ${addressOnly(new URL(server.token_endpoint))}`;
  trace({ name: "token", ok: result.kind === "issued", detail, reference: "RFC 6749 section 5" });
  if (result.kind === "refused") return result;
  if (result.kind === "issued") {
    const type = result.document.token_type.toLowerCase();
    if (type === "bearer" || (type === boundType && client.proofKey)) return result;
  }
  const unusable =
    result.kind === "unusable"
      ? result
      : { kind: "unusable" as const, why: "it is not a bearer token", passing: false };
  const refreshToken = answer.status === 200 ? parseJson(answer.text, renewal)?.refresh_token : undefined;
  return refreshToken === undefined ? unusable : { ...unusable, refreshToken };
}

/**
 * Revokes a token (RFC 7009). Never throws.
 *
 * @param patienceMs how long it may take, ms, instead of the usual limit of a request
 * @returns true when the server confirms it with 200
 */
export async function revokeToken(
  server: ServerMetadata,
  client: Client,
  token: string,
  hint: "refresh_token" | "access_token",
  http: OAuthHttp,
  patienceMs?: number,
): Promise<boolean> {
  if (server.revocation_endpoint === undefined) return false;
  try {
    const form = { token, token_type_hint: hint };
    const { status } = await sendAsClient(server, client, "revocation_endpoint", form, http, patienceMs);
    return status === 200;
  } catch {
    // Revocation is best effort: the token expires by itself, and the process must be able to end.
    return false;
  }
}
