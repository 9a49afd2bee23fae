import { createRemoteJWKSet, customFetch, type JWTPayload, jwtVerify } from "jose";
import { type ZodType, z } from "zod";
import { isLoopback } from "../core/host.ts";
import { parseJson } from "../core/json.ts";
import { type Fetch, networkFailure } from "../platform/network.ts";
import { oauthFailure } from "./failures.ts";

/** How long one request to the provider may take, ms. */
const requestMs = 20_000;
/** How far this machine's clock may be off, seconds. */
const clockToleranceSeconds = 60;
/** Signatures a token may have to be believed: public keys only. With a shared secret whoever can check could also sign. */
export const publicKeyAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];

/** An endpoint: a credential goes there, so TLS is needed wherever the network is. */
const endpoint = z.string().refine((text) => {
  const url = URL.parse(text);
  return url !== null && (url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname)));
}, "endpoints have to be https:");

/** OpenID Connect Discovery 1.0 section 3, RFC 8414, as far as it is used. */
const metadata = z.object({
  issuer: z.string(),
  authorization_endpoint: endpoint,
  token_endpoint: endpoint,
  jwks_uri: endpoint,
  revocation_endpoint: endpoint.optional(),
  device_authorization_endpoint: endpoint.optional(),
  code_challenge_methods_supported: z.array(z.string()).optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
});
export type ProviderMetadata = z.infer<typeof metadata>;

/** RFC 6749 section 5.1. */
const tokenAnswer = z.object({
  access_token: z.string().regex(/^[\x21-\x7e]+$/),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.coerce.number().positive().optional(),
  refresh_token: z.string().optional(),
  id_token: z.string().optional(),
});
export type TokenAnswer = z.infer<typeof tokenAnswer>;

/** RFC 8628 section 3.2. */
const deviceAnswer = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: endpoint,
  verification_uri_complete: endpoint.optional(),
  expires_in: z.number().positive(),
  interval: z.number().positive().default(5),
});
export type DeviceAnswer = z.infer<typeof deviceAnswer>;

const errorAnswer = z.object({ error: z.string(), error_description: z.string().optional() });

/** What a token endpoint refused, by RFC 6749 section 5.2 (`invalid_grant`, `authorization_pending`, …). */
export interface Refused {
  readonly refused: string;
  readonly description: string;
}

/** An OpenID provider, as its metadata describes it. */
export class OidcProvider {
  readonly metadata: ProviderMetadata;
  readonly #fetch: Fetch;

  private constructor(found: ProviderMetadata, fetch: Fetch) {
    this.metadata = found;
    this.#fetch = fetch;
  }

  /**
   * Reads the provider's metadata. It has to name the issuer it was asked for, and must not say that it cannot do PKCE
   * with S256.
   *
   * @throws `unreachable`, `tls`, `provider`
   */
  static async discover(issuer: string, fetch: Fetch): Promise<OidcProvider> {
    const base = issuer.replace(/\/$/, "");
    if (!endpoint.safeParse(base).success) throw oauthFailure.provider(issuer, "an issuer has to be an https: address");
    const answer = await request(fetch, `${base}/.well-known/openid-configuration`, { headers: jsonOnly });
    const found = answer.status === 200 ? parseJson(answer.text, metadata) : undefined;
    if (!found) throw oauthFailure.provider(issuer, `no usable metadata (${answer.status}) at its well-known address`);
    if (found.issuer.replace(/\/$/, "") !== base)
      throw oauthFailure.provider(issuer, "its metadata names another issuer");
    if (found.code_challenge_methods_supported && !found.code_challenge_methods_supported.includes("S256")) {
      throw oauthFailure.provider(issuer, "it does not support PKCE with S256");
    }
    return new OidcProvider(found, fetch);
  }

  /**
   * Sends a grant to the token endpoint, as a public client.
   *
   * @returns the tokens, or what was refused
   * @throws `unreachable`, `tls`, `provider`
   */
  async grant(form: Readonly<Record<string, string>>): Promise<TokenAnswer | Refused> {
    return await this.#post(this.metadata.token_endpoint, form, tokenAnswer);
  }

  /**
   * Asks for a device code (RFC 8628 section 3.1).
   *
   * @throws as {@link grant}
   */
  async device(form: Readonly<Record<string, string>>): Promise<DeviceAnswer | Refused> {
    const address = this.metadata.device_authorization_endpoint;
    if (!address)
      throw oauthFailure.provider(this.metadata.issuer, "it does not support logging in with a device code");
    return await this.#post(address, form, deviceAnswer);
  }

  /**
   * Revokes a token (RFC 7009), which at most providers ends all that came of the same login.
   *
   * @returns false when the provider cannot or could not
   */
  async revoke(clientId: string, token: string, hint: "refresh_token" | "access_token"): Promise<boolean> {
    const address = this.metadata.revocation_endpoint;
    if (!address) return false;
    const body = new URLSearchParams({ token, token_type_hint: hint, client_id: clientId });
    const answer = await request(this.#fetch, address, { method: "POST", body }).catch(() => undefined);
    return answer?.status === 200;
  }

  /**
   * Verifies an ID token (OpenID Connect Core 1.0 section 3.1.3.7): signature by the provider's keys, issuer, audience,
   * time, and the nonce of our request.
   *
   * @throws `auth_refused`
   */
  async verifyIdToken(token: string, clientId: string, nonce: string | undefined): Promise<JWTPayload> {
    const { jwks_uri, issuer } = this.metadata;
    const keys = createRemoteJWKSet(new URL(jwks_uri), {
      timeoutDuration: requestMs,
      [customFetch]: (url, options) => this.#fetch(url, options),
    });
    let claims: JWTPayload;
    try {
      const options = {
        issuer,
        audience: clientId,
        algorithms: publicKeyAlgorithms,
        clockTolerance: clockToleranceSeconds,
      };
      claims = (await jwtVerify(token, keys, { ...options, requiredClaims: ["sub", "exp", "iat"] })).payload;
    } catch (error) {
      throw oauthFailure.idToken(issuer, error instanceof Error ? error.message : "it cannot be read");
    }
    if (nonce !== undefined && claims.nonce !== nonce)
      throw oauthFailure.idToken(issuer, "its nonce is not of this login");
    const parties = Array.isArray(claims.aud) ? claims.aud.length : 1;
    if ((parties > 1 || claims.azp !== undefined) && claims.azp !== clientId) {
      throw oauthFailure.idToken(issuer, "it was issued to another client");
    }
    return claims;
  }

  async #post<T>(url: string, form: Readonly<Record<string, string>>, schema: ZodType<T>): Promise<T | Refused> {
    const body = new URLSearchParams(form);
    const answer = await request(this.#fetch, url, { method: "POST", body, headers: jsonOnly });
    if (answer.status === 200) {
      const parsed = parseJson(answer.text, schema);
      if (parsed !== undefined) return parsed;
    }
    const refused = parseJson(answer.text, errorAnswer);
    if (answer.status < 500 && refused) {
      return { refused: refused.error, description: refused.error_description ?? "" };
    }
    throw oauthFailure.provider(this.metadata.issuer, `an answer that cannot be used (${answer.status})`);
  }
}

const jsonOnly = { accept: "application/json" };

async function request(fetch: Fetch, url: string, init: RequestInit): Promise<{ status: number; text: string }> {
  try {
    const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(requestMs) });
    return { status: answer.status, text: await answer.text() };
  } catch (error) {
    throw networkFailure(new URL(url).origin, error);
  }
}
