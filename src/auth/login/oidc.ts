import { createHash, randomBytes } from "node:crypto";
import { CodemieError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { oauthFailure } from "../../oauth/failures.ts";
import { OidcProvider, type Refused, type TokenAnswer } from "../../oauth/provider.ts";
import type { Runtime } from "../../platform/runtime.ts";
import type { OidcLogin } from "../credential.ts";
import { browserLogin, type LoginOptions, loginDeadline, type Use } from "./browser.ts";
import { startCallbackServer } from "./callback-server.ts";

/** What a login at an OpenID provider needs to know. */
export interface OidcClient {
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string;
}

/** The scopes that make a login last: identity, and a refresh token. */
export const defaultScope = "openid profile email offline_access";

/** The tokens of a finished login, not yet proved at the host. */
export type OidcTokens = Pick<OidcLogin, keyof OidcClient | "accessToken" | "refreshToken" | "expiresAt">;

export interface OidcOptions extends LoginOptions {
  readonly client: OidcClient;
}

const random = () => randomBytes(32).toString("base64url");

/**
 * Logs in by authorization code with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 8252) at a loopback redirect. `state` is
 * checked before anything in the answer is believed, `iss` (RFC 9207) where the provider sends or promises it.
 *
 * @param use gets the tokens, proves and stores them, and says what the browser shows in the end
 * @returns what `use` returned
 * @throws `auth_timeout`, `auth_refused`, `provider`, `unreachable`, `tls`, the stop signal's failure, what `use` throws
 */
export async function loginByOidc<T>(options: OidcOptions, use: Use<OidcTokens, T>): Promise<T> {
  const { client, runtime } = options;
  const provider = await OidcProvider.discover(client.issuer, runtime.fetch);
  const [state, nonce, verifier] = [random(), random(), random()];
  const server = startCallbackServer("/callback", (url) => url.searchParams.get("state") === state);
  const redirectUri = `http://127.0.0.1:${server.port}/callback`;
  const url = new URL(provider.metadata.authorization_endpoint);
  for (const [name, value] of Object.entries({
    response_type: "code",
    client_id: client.clientId,
    redirect_uri: redirectUri,
    scope: client.scope,
    state,
    nonce,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  })) {
    url.searchParams.set(name, value);
  }
  return await browserLogin(options, server, url.href, async (callback) => {
    const answer = await provider.grant({
      grant_type: "authorization_code",
      code: codeOf(callback, provider),
      redirect_uri: redirectUri,
      client_id: client.clientId,
      code_verifier: verifier,
    });
    return await use(await tokensOf(answer, provider, client, nonce, runtime.now()));
  });
}

/**
 * Logs in with a device code (RFC 8628): the person types a short code in a browser anywhere.
 *
 * @throws as {@link loginByOidc}
 */
export async function loginByDevice(options: OidcOptions): Promise<OidcTokens> {
  const { client, runtime, dialogue } = options;
  const provider = await OidcProvider.discover(client.issuer, runtime.fetch);
  const device = await provider.device({ client_id: client.clientId, scope: client.scope });
  if ("refused" in device) throw oauthFailure.providerRefused(client.issuer, device.refused, device.description);
  const address = new URL(device.verification_uri_complete ?? device.verification_uri);
  dialogue.atCode(address.href, printable(device.user_code, 40));
  const time = loginDeadline({ ...options, timeoutMs: Math.min(options.timeoutMs, device.expires_in * 1000) });
  let intervalMs = device.interval * 1000;
  try {
    for (;;) {
      await Promise.race([Bun.sleep(intervalMs), time.over]); // the provider sets the pace (RFC 8628 section 3.5)
      const answer = await provider.grant({
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        device_code: device.device_code,
        client_id: client.clientId,
      });
      if ("refused" in answer && answer.refused === "slow_down") intervalMs += 5000;
      else if (!("refused" in answer) || answer.refused !== "authorization_pending") {
        return await tokensOf(answer, provider, client, undefined, runtime.now());
      }
    }
  } finally {
    time.end();
  }
}

/** What came of a refresh. */
export type Refreshed =
  | { readonly kind: "renewed"; readonly tokens: OidcTokens }
  /** no refresh token, or one the provider no longer takes */
  | { readonly kind: "ended" }
  /** the provider could not be asked just now */
  | { readonly kind: "unknown" };

/**
 * Refreshes the tokens (RFC 6749 section 6). Call it under the record's lock: with rotation a refresh token works once.
 *
 * @returns what came of it; never throws for what the provider or the network did
 */
export async function refreshOidc(login: OidcLogin, runtime: Runtime): Promise<Refreshed> {
  if (!login.refreshToken) return { kind: "ended" };
  try {
    const provider = await OidcProvider.discover(login.issuer, runtime.fetch);
    const answer = await provider.grant({
      grant_type: "refresh_token",
      refresh_token: login.refreshToken,
      client_id: login.clientId,
    });
    if ("refused" in answer) return { kind: answer.refused === "invalid_grant" ? "ended" : "unknown" };
    const tokens = timed(answer, login, runtime.now());
    // A provider that does not rotate sends no new refresh token: the old one goes on.
    return { kind: "renewed", tokens: { ...tokens, refreshToken: answer.refresh_token ?? login.refreshToken } };
  } catch (error) {
    if (error instanceof CodemieError) return { kind: "unknown" };
    throw error;
  }
}

/** Ends the login at the provider (RFC 7009). Returns false when it could not be asked to. */
export async function revokeOidc(login: OidcLogin, runtime: Runtime): Promise<boolean> {
  try {
    const provider = await OidcProvider.discover(login.issuer, runtime.fetch);
    return login.refreshToken
      ? await provider.revoke(login.clientId, login.refreshToken, "refresh_token")
      : await provider.revoke(login.clientId, login.accessToken, "access_token");
  } catch {
    return false;
  }
}

/** The authorization code, or the provider's refusal. `state` has been checked by now. */
function codeOf(url: URL, provider: OidcProvider): string {
  const { issuer, authorization_response_iss_parameter_supported: promised } = provider.metadata;
  const [iss, error, code] = ["iss", "error", "code"].map((name) => url.searchParams.get(name));
  if (iss ? iss !== issuer : promised) throw oauthFailure.provider(issuer, "the answer came from another issuer");
  if (error) throw oauthFailure.providerRefused(issuer, error, url.searchParams.get("error_description") ?? "");
  if (!code) throw oauthFailure.provider(issuer, "an answer without a code");
  return code;
}

async function tokensOf(
  answer: TokenAnswer | Refused,
  provider: OidcProvider,
  client: OidcClient,
  nonce: string | undefined,
  nowMs: number,
): Promise<OidcTokens> {
  if ("refused" in answer) throw oauthFailure.providerRefused(client.issuer, answer.refused, answer.description);
  if (!answer.id_token) throw oauthFailure.idToken(client.issuer, "there is none");
  await provider.verifyIdToken(answer.id_token, client.clientId, nonce);
  return { ...timed(answer, client, nowMs), ...(answer.refresh_token ? { refreshToken: answer.refresh_token } : {}) };
}

function timed(answer: TokenAnswer, client: OidcClient, nowMs: number): OidcTokens {
  const expiry = answer.expires_in === undefined ? {} : { expiresAt: nowMs + answer.expires_in * 1000 };
  const { issuer, clientId, scope } = client;
  return { issuer, clientId, scope, accessToken: answer.access_token, ...expiry };
}
