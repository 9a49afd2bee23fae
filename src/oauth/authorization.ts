import { hashOf, randomBytes } from "../core/crypto.ts";
import type { ServerMetadata } from "./metadata.ts";
import type { ProofKey } from "./proof-key.ts";

/** The secrets of one authorization: made anew each time, useless after it. */
export interface AuthorizationSecrets {
  /** ties the callback to the request (RFC 6749 section 10.12) */
  readonly state: string;
  /** proves to the token endpoint that the client that sends the code also asked for it (PKCE, RFC 7636) */
  readonly verifier: string;
  /** ties the ID token to the request (OpenID Connect Core 1.0 section 3.1.2.1) */
  readonly nonce: string;
}

const random = () => randomBytes(32).toString("base64url");

/** @returns fresh secrets, each of 256 random bits in base64url */
export const newSecrets = (): AuthorizationSecrets => ({ state: random(), verifier: random(), nonce: random() });

/** The parameters of an authorization request. */
export interface AuthorizationRequest {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly scope: string | undefined;
  /** the resource the token is for (RFC 8707) */
  readonly resource?: string | undefined;
  readonly prompt?: string | undefined;
  /** the key that the token is to be bound to: the code is bound to it too (RFC 9449 section 10) */
  readonly proofKey?: ProofKey | undefined;
  /** true: an OpenID Connect request, which sends the nonce too */
  readonly openId?: boolean;
  /** parameters of the provider's own, by name; they replace none of ours */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
}

/** Hosts of Microsoft Entra ID. */
const entra =
  /^(?:login\.microsoftonline\.(?:com|us)|login\.partner\.microsoftonline\.cn|sts\.windows\.net|.+\.ciamlogin\.com)$/;

/**
 * @returns false for a provider that gives offline access without asking for consent each time. OpenID Connect Core 1.0
 *   section 11 leaves that to it: Entra ID has the consent of the tenant's administrator, and where users must not
 *   consent, `prompt=consent` shuts them out. A provider that lists its prompts without `consent` does not know it
 */
export function needsConsent({ issuer, prompt_values_supported: prompts }: ServerMetadata): boolean {
  return !entra.test(URL.parse(issuer)?.hostname ?? "") && (!prompts || prompts.includes("consent"));
}

/**
 * @param scope the scopes that we request
 * @param wanted the user's `prompt`; `default` or an empty one sends none
 * @returns the `prompt` to send: without consent, a provider may ignore `offline_access` and give no refresh token (OpenID
 *   Connect Core 1.0 section 11); undefined: none
 */
export function promptFor(scope: string | undefined, wanted: string | undefined): string | undefined {
  if (wanted !== undefined) return wanted === "default" ? undefined : wanted || undefined;
  return asksForRefresh(scope) ? "consent" : undefined;
}

/** @returns true when the scopes ask for a refresh token (OpenID Connect Core 1.0 section 11) */
export function asksForRefresh(scope: string | undefined): boolean {
  return scope?.split(" ").includes("offline_access") === true;
}

/** @returns the parameters of a request for a code with PKCE S256 (RFC 6749 section 4.1.1, RFC 7636 section 4.3) */
export function authorizationParameters(secrets: AuthorizationSecrets, request: AuthorizationRequest): URLSearchParams {
  const parameters = {
    ...request.parameters,
    response_type: "code",
    client_id: request.clientId,
    redirect_uri: request.redirectUri,
    scope: request.scope,
    state: secrets.state,
    nonce: request.openId ? secrets.nonce : undefined,
    code_challenge: hashOf("sha256", secrets.verifier).toString("base64url"),
    code_challenge_method: "S256",
    resource: request.resource,
    prompt: request.prompt,
    dpop_jkt: request.proofKey?.thumbprint(),
  };
  const set = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) set.set(name, value);
  return set;
}

/** The outcome that the browser brought back to the loopback redirect. */
export type CallbackResult =
  | { readonly kind: "code"; readonly code: string }
  | { readonly kind: "refused"; readonly code: string; readonly description: string }
  /** `iss` is missing or names another server (RFC 9207 section 2.4) */
  | { readonly kind: "other-issuer" }
  | { readonly kind: "no-code" };

/**
 * Judges a callback. The caller has checked its `state`. If the server sends or promises `iss` (RFC 9207), that is
 * checked before an error is believed: as text, every one of several, and an empty one too.
 *
 * @param url the callback's URL
 * @param server the authorization server we sent the browser to
 */
export function judgeCallback(url: URL, server: ServerMetadata): CallbackResult {
  const [error, code] = ["error", "code"].map((name) => url.searchParams.get(name));
  const issuers = url.searchParams.getAll("iss");
  const isMissing = issuers.length === 0 && server.authorization_response_iss_parameter_supported === true;
  const isOther = isMissing || issuers.some((iss) => iss !== server.issuer);
  if (isOther) return { kind: "other-issuer" };
  if (error) return { kind: "refused", code: error, description: url.searchParams.get("error_description") ?? "" };
  return code ? { kind: "code", code } : { kind: "no-code" };
}
