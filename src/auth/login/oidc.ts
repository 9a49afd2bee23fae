import { CodemieError, failure } from "../../core/errors.ts";
import { providersTrouble } from "../../core/hints.ts";
import { type CallbackChoice, callbackIn } from "../../core/host.ts";
import { Secret } from "../../core/secret.ts";
import { printable } from "../../core/text.ts";
import type { EndpointResult, Refusal, Unusable } from "../../oauth/answer.ts";
import {
  asksForRefresh,
  authorizationParameters,
  judgeCallback,
  needsConsent,
  newSecrets,
  promptFor,
} from "../../oauth/authorization.ts";
import { type Client, withProofKey } from "../../oauth/client.ts";
import { pollForToken, requestDeviceCode } from "../../oauth/device.ts";
import { faultOfIdToken, isEncrypted } from "../../oauth/id-token.ts";
import { type DiscoveredProvider, discoverProvider, type ProviderMetadata } from "../../oauth/provider.ts";
import { pushedWhereDemanded } from "../../oauth/pushed.ts";
import { boundTo, requestToken, type TokenAnswer } from "../../oauth/token-endpoint.ts";
import { browserUser } from "../../platform/peer.ts";
import type { Runtime } from "../../platform/runtime.ts";
import { endedAt } from "../bearer-token.ts";
import { type ClientProof, clientAt, proofIn, proofPlace } from "../client-proof.ts";
import type { OidcLogin, SsoLogin } from "../credential.ts";
import { authFailure } from "../failures.ts";
import { proofKeyOf } from "../proofs.ts";
import type { Renewal } from "../renewal.ts";
import { browserLogin, type LoginOptions, loginDeadline, type Use } from "./browser.ts";
import { startCallbackServer } from "./callback-server.ts";

/** Our client at an OpenID provider, as the user named it. */
export interface OidcClient extends CallbackChoice, ClientProof {
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string;
  /** what its pages ask, as the user wants it ({@link promptFor}) */
  readonly prompt?: string | undefined;
  /** true: with a device code, without a browser on this machine */
  readonly device?: boolean | undefined;
  /** true: the tokens are bound to a key of the login (DPoP, RFC 9449) */
  readonly dpop?: boolean | undefined;
}

/** @returns the member `prompt` of a client's settings, if they have it */
export const promptIn = ({ prompt }: Pick<OidcClient, "prompt">): { prompt?: string } =>
  prompt === undefined ? {} : { prompt };

/** @returns a client's settings as a profile remembers them: without a secret */
export function rememberedClient(client: OidcClient) {
  const { issuer, clientId, scope, device, dpop } = client;
  const choices = {
    ...promptIn(client),
    ...(device ? { device } : {}),
    ...(dpop ? { dpop } : {}),
    ...callbackIn(client),
  };
  return { issuer, clientId, scope, ...choices, ...proofPlace(client) };
}

/** The default scopes: identity, and a refresh token, which makes the login last. */
export const defaultScope = "openid profile email offline_access";

/** The tokens of a finished login, not yet proved at the host. */
export type OidcTokens = Pick<
  OidcLogin,
  | "issuer"
  | "clientId"
  | "scope"
  | "prompt"
  | "accessToken"
  | "proofKey"
  | "bound"
  | "refreshToken"
  | "idToken"
  | "expiresAt"
  | keyof ClientProof
>;

export interface OidcOptions extends LoginOptions {
  readonly client: OidcClient;
}

/**
 * @param issuer as the user typed it
 * @throws `server_error` when its metadata rules a login out; `unreachable`, `tls`
 */
async function providerAt(issuer: string, { fetch }: Runtime): Promise<DiscoveredProvider> {
  const found = await discoverProvider(issuer, fetch);
  if ("unusable" in found) throw authFailure.provider(issuer, found.unusable, found.hint);
  return found;
}

/**
 * @returns our client there, with a new key where its tokens are to be bound to one
 * @throws `server_error` when the provider cannot do that; as {@link clientAt}
 */
async function ourClient(metadata: ProviderMetadata, client: OidcClient, runtime: Runtime): Promise<Client> {
  const ours = await clientAt(metadata, client, runtime);
  if (!client.dpop) return ours;
  const { ProofKey, takesOurProofs } = await import("../../oauth/proof-key.ts");
  const algorithms = metadata.dpop_signing_alg_values_supported;
  if (!algorithms || !takesOurProofs(algorithms)) throw authFailure.noBoundTokens(client.issuer);
  return withProofKey(ours, ProofKey.generate());
}

/**
 * Logs in by authorization code with PKCE (RFC 6749 section 4.1, RFC 7636) and a loopback redirect (RFC 8252). It
 * checks `state` before it reads anything else in the callback, and `iss` (RFC 9207) if the provider sends or promises
 * it.
 *
 * @param use gets the tokens, proves and stores them, and returns a result and the last page
 * @returns the result of `use`
 * @throws `auth_timeout`, `auth_refused`, `server_error`, `unreachable`, `tls`, the stop signal's failure, and what
 *   `use` throws
 */
export async function loginByOidc<T>(options: OidcOptions, use: Use<OidcTokens, T>): Promise<T> {
  const { client, runtime } = options;
  const { issuer, clientId, scope, callbackHost = "127.0.0.1", callbackPort } = client;
  const provider = await providerAt(issuer, runtime);
  const { metadata, http } = provider;
  const ours = await ourClient(metadata, client, runtime);
  const secrets = newSecrets();
  const server = startCallbackServer({
    path: "/callback",
    accept: (url) => url.searchParams.get("state") === secrets.state,
    callbackHost,
    callbackPort,
    browserUser: browserUser(runtime.env),
  });
  const redirectUri = server.redirect.href;
  const endpoint = new URL(metadata.authorization_endpoint);
  const asked = authorizationParameters(secrets, {
    ...{ clientId, redirectUri, scope, openId: true },
    prompt: promptFor(needsConsent(metadata) ? scope : undefined, client.prompt),
    proofKey: ours.proofKey,
  });
  let url: URL;
  try {
    url = issued(await pushedWhereDemanded(metadata, ours, endpoint, asked, http), client);
  } catch (error) {
    await server.close();
    throw error;
  }
  const exchange = async (callback: URL) => {
    const form = {
      grant_type: "authorization_code",
      code: codeOf(callback, metadata),
      redirect_uri: redirectUri,
      code_verifier: secrets.verifier,
    };
    const result = await requestToken(metadata, ours, form, http);
    return await use(await tokensOf(issued(result, client), provider, options, ours, secrets.nonce));
  };
  return await browserLogin(options, server, url.href, exchange, {
    faultOfPaste: (callback) => faultOf(callback, secrets.state),
    expected: { redirect: server.redirect, clientId, isFixed: callbackPort !== undefined },
  });
}

/** @returns why a pasted address of this login's redirect is not its callback; undefined when it is */
function faultOf({ searchParams }: URL, state: string): string | undefined {
  if (!searchParams.has("state")) return "it holds no state, so a part of it is missing";
  if (searchParams.get("state") !== state) return "its state belongs to another login";
  return searchParams.get("code") || searchParams.get("error") ? undefined : "it holds no code";
}

/**
 * Logs in with a device code (RFC 8628): the person types a short code in any browser.
 *
 * @returns the tokens, not yet proved at the host
 * @throws as {@link loginByOidc}
 */
export async function loginByDevice(options: OidcOptions): Promise<OidcTokens> {
  const { client, runtime, dialogue } = options;
  const provider = await providerAt(client.issuer, runtime);
  const { metadata, http } = provider;
  const ours = await ourClient(metadata, client, runtime);
  const answer = await requestDeviceCode(metadata, ours, { scope: client.scope }, http);
  if (answer.kind === "refused" && !answer.passing)
    throw authFailure.deviceRefused(client.issuer, answer.code, answer.description);
  const device = issued(answer, client);
  const address = http.allowed(
    device.verification_uri_complete ?? device.verification_uri,
    "the page for device codes",
  );
  dialogue.atCode(address.href, printable(device.user_code, 40));
  const time = loginDeadline(options);
  const over = new AbortController();
  const asking = async () => {
    const signal = AbortSignal.any([time.signal, over.signal]);
    const troubled = (result: Refusal | Unusable) => dialogue.note(stillAsking(client.issuer, result));
    const result = await pollForToken(metadata, ours, device, http, { signal, troubled });
    if (result === "expired") throw authFailure.codeEnded(client.issuer);
    return await tokensOf(issued(result, client), provider, options, ours, undefined);
  };
  // There is nothing to paste: this reads the keys that end the wait.
  const left = dialogue.readPaste?.(() => true, over.signal).then(() => Promise.reject(failure.interrupted()));
  try {
    return await Promise.race([asking(), ...(left ? [left] : [])]);
  } finally {
    over.abort();
    time.end();
  }
}

const stillAsking = (issuer: string, result: Refusal | Unusable) =>
  `the identity provider ${printable(issuer, 120)} has trouble (${printable(result.kind === "unusable" ? result.why : result.code)}); asking it again, more slowly, until the time is over`;

/**
 * Refreshes the tokens (RFC 6749 section 6). Call it under the record's lock: with refresh token rotation, a refresh
 * token works once.
 *
 * @returns `renewed`; `ended` without a refresh token, or when the provider refuses it: its code says why, and only a
 *   new login, perhaps with another client, helps; `unknown` for any other failure of the provider or the network
 */
export async function refreshOidc(login: OidcLogin, runtime: Runtime): Promise<Renewal<OidcLogin>> {
  if (!login.refreshToken) return { kind: "ended", error: authFailure.noRefreshToken(login.issuer) };
  try {
    const { metadata, http } = await providerAt(login.issuer, runtime);
    const form = { grant_type: "refresh_token", refresh_token: login.refreshToken };
    const key = login.proofKey === undefined ? undefined : await proofKeyOf(login.proofKey);
    const ours = withProofKey(await clientAt(metadata, login, runtime), key);
    const result = await requestToken(metadata, ours, form, http);
    if (result.kind !== "issued") {
      const error = notIssued(result, login);
      if (result.kind === "refused") {
        if (!result.passing) return { kind: "ended", error };
        // The provider has not judged the login.
        const why = `it answered ${printable(result.code, 60)}`;
        return { kind: "unknown", error: authFailure.provider(login.issuer, why, providersTrouble) };
      }
      const { refreshToken } = result;
      return { kind: "unknown", error, ...(refreshToken ? { login: { ...login, refreshToken } } : {}) };
    }
    const answer = result.document;
    const { expiresAt: _, bound: __, ...before } = login; // of the token before
    const kept = login.idToken !== undefined && endedAt(login.idToken, runtime.now()) === undefined;
    const idToken = answer.id_token ?? (kept ? login.idToken : undefined);
    const next = { ...before, ...timed(answer, login, ours, runtime.now()) };
    return {
      kind: "renewed",
      // A provider without refresh token rotation sends no new one: keep the old one.
      login: { ...next, ...(idToken ? { idToken } : {}), refreshToken: answer.refresh_token ?? login.refreshToken },
      ...(idToken
        ? { idToken: { token: new Secret(idToken), server: metadata, client: withProofKey(ours, undefined) } }
        : {}),
    };
  } catch (error) {
    if (error instanceof CodemieError) return { kind: "unknown", error };
    throw error;
  }
}

/** @returns what to tell the person of a new login that got less than it asked for: no refresh token, or a host that takes no proofs */
export function lackOf(login: SsoLogin | OidcLogin): string | undefined {
  if (login.method !== "oidc") return undefined;
  if (!login.refreshToken && asksForRefresh(login.scope)) return authFailure.noRefreshToken(login.issuer).message;
  const { message, hint } = authFailure.takesUnproved(login.origin);
  return login.unproved ? `${message}; ${hint}` : undefined;
}

/** @throws `auth_refused` when the provider refused; `server_error` when its answer is unusable */
function issued<T>(result: EndpointResult<T>, client: OidcClient): T {
  if (result.kind !== "issued") throw notIssued(result, client);
  return result.document;
}

function notIssued(result: Refusal | Unusable, { issuer }: OidcClient): CodemieError {
  if (result.kind === "refused") return authFailure.providerRefused(issuer, result.code, result.description);
  return authFailure.provider(issuer, result.why, result.passing ? providersTrouble : undefined);
}

/** @returns the authorization code of a callback whose `state` is checked; throws the provider's refusal */
function codeOf(url: URL, metadata: ProviderMetadata): string {
  const result = judgeCallback(url, metadata);
  switch (result.kind) {
    case "code":
      return result.code;
    case "refused":
      throw authFailure.providerRefused(metadata.issuer, result.code, result.description);
    case "other-issuer":
      throw authFailure.provider(metadata.issuer, "the answer came from another issuer");
    case "no-code":
      throw authFailure.provider(metadata.issuer, "it answered without a code");
  }
}

async function tokensOf(
  answer: TokenAnswer,
  { metadata, http }: DiscoveredProvider,
  { client, runtime }: OidcOptions,
  ours: Client,
  nonce: string | undefined,
): Promise<OidcTokens> {
  if (!answer.id_token) throw authFailure.idToken(client.issuer, "the provider sent none");
  if (isEncrypted(answer.id_token)) throw authFailure.idTokenEncrypted(client.issuer, client.clientId);
  const { issuer, jwks_uri } = metadata;
  const accessToken = answer.access_token;
  const expected = { issuer, jwksUri: new URL(jwks_uri), clientId: client.clientId, nonce, accessToken };
  const fault = await faultOfIdToken(answer.id_token, expected, http.fetch);
  if (fault !== undefined) throw authFailure.idToken(metadata.issuer, fault);
  const { refresh_token: refreshToken, id_token: idToken } = answer;
  return { ...timed(answer, client, ours, runtime.now()), ...(refreshToken ? { refreshToken } : {}), idToken };
}

function timed(answer: TokenAnswer, client: OidcClient, ours: Client, nowMs: number): OidcTokens {
  const expiry = answer.expires_in ? { expiresAt: nowMs + answer.expires_in * 1000 } : {};
  const { issuer, clientId, scope } = client;
  return {
    issuer,
    clientId,
    scope,
    ...promptIn(client),
    ...proofIn(client),
    accessToken: answer.access_token,
    ...(ours.proofKey ? { proofKey: ours.proofKey.stored().reveal() } : {}),
    ...(boundTo(answer, ours) ? { bound: true } : {}),
    ...expiry,
  };
}
