import * as z from "zod/mini";
import { browserLogin, type LoginDialogue } from "../../auth/login/browser.ts";
import { pages } from "../../auth/login/callback-page.ts";
import { type CallbackServer, startCallbackServer } from "../../auth/login/callback-server.ts";
import { hashOf } from "../../core/crypto.ts";
import type { ForeignEnv } from "../../core/env.ts";
import { CodemieError } from "../../core/errors.ts";
import type { CallbackChoice } from "../../core/host.ts";
import { parseJson } from "../../core/json.ts";
import { masked, secretsInForm } from "../../core/redaction.ts";
import type { EndpointResult } from "../../oauth/answer.ts";
import {
  authorizationParameters,
  judgeCallback,
  needsConsent,
  newSecrets,
  promptFor,
} from "../../oauth/authorization.ts";
import type { Client } from "../../oauth/client.ts";
import { plainCode } from "../../oauth/fault.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import { lacksPkce, type ServerMetadata } from "../../oauth/metadata.ts";
import { pushedWhereDemanded } from "../../oauth/pushed.ts";
import type { TokenAnswer } from "../../oauth/token-endpoint.ts";
import type { Trace } from "../../oauth/trace.ts";
import { browserUser } from "../../platform/peer.ts";
import type { Runtime } from "../../platform/runtime.ts";
import { mcpFailure } from "../failures.ts";
import { type ClientOptions, chooseClient, givenClient } from "./client.ts";
import type { Deployment } from "./discovery.ts";
import { asksForIdToken } from "./scope.ts";
import { obtainToken } from "./token.ts";

/** The person's side of an authorization. */
export interface PersonOptions {
  readonly runtime: Runtime;
  readonly dialogue: LoginDialogue;
  /** time limit of the authorization, ms */
  readonly timeoutMs: number;
  readonly mayOpenBrowser: boolean;
  /** true: with a device code, entered in a browser on any machine */
  readonly byDevice: boolean;
  /** what the browser may see of the environment */
  readonly browserEnv: ForeignEnv;
  /** the loopback redirect; its host is `localhost` unless another one is chosen */
  readonly callback: CallbackChoice;
  /** the `prompt` the user chose; empty: none; undefined: as the provider needs it */
  readonly prompt: string | undefined;
  /** parameters of the provider's own for the authorization request, by name */
  readonly parameters: Readonly<Record<string, string>> | undefined;
  readonly stop: AbortSignal;
}

export interface CodeFlow {
  readonly deployment: Deployment;
  /** the authorization server as the user named it */
  readonly issuer: string | undefined;
  readonly scope: string | undefined;
  readonly known: Client | undefined;
  readonly clientOptions: ClientOptions;
  readonly person: PersonOptions;
  readonly http: OAuthHttp;
  readonly trace: Trace;
}

/** The claims of an ID token that we read. */
const idTokenClaims = z.object({ nonce: z.string() });

const callbackPath = "/callback";
/** How much of an issuer's hash its redirect has, characters of base64url. */
const markLength = 22;
/** Longest address for the browser, characters: it is printed, and servers and browsers take no longer ones. */
const longestRequest = 16_384;

/**
 * Authorizes through the browser: authorization code with PKCE S256 (RFC 6749 section 4.1, RFC 7636) and a loopback
 * redirect (RFC 8252), which listens before the browser opens. Callback server, `state` and verifier are new each time.
 *
 * @param chosen called with the client as soon as it is known
 * @returns the token endpoint's answer
 * @throws `auth_refused`, `auth_timeout`, `server_error`, `unreachable`, `tls`, the stop signal's failure; usage error
 *   when the fixed port is not free
 */
export async function authorizeByCode(flow: CodeFlow, chosen: (client: Client) => void): Promise<TokenAnswer> {
  const { deployment, scope, person, http, trace } = flow;
  const { server, resource } = deployment;
  const endpoint = authorizationEndpoint(flow);
  const secrets = newSecrets();
  const listening = listen(flow, (url) => url.searchParams.get("state") === secrets.state);
  const redirectUri = listening.redirect.href;
  let client: Client;
  try {
    const request = { redirectUri, scope, known: flow.known };
    client = await chooseClient(server, flow.clientOptions, request, http, trace, person.runtime.now());
    chosen(client);
  } catch (error) {
    await listening.close();
    const refused = error instanceof CodemieError && error.code === "auth_refused";
    throw refused && deployment.guessed ? mcpFailure.noLogin(server.issuer) : error;
  }
  const isOpenId = asksForIdToken(scope);
  const asked = authorizationParameters(secrets, {
    ...{ clientId: client.id, redirectUri, scope, resource, openId: isOpenId, parameters: person.parameters },
    prompt: promptFor(needsConsent(server) ? scope : undefined, person.prompt),
    proofKey: client.proofKey,
  });
  let url: URL;
  try {
    url = requestAddress(await pushedWhereDemanded(server, client, endpoint, asked, http), server);
  } catch (error) {
    await listening.close();
    throw error;
  }
  trace({ name: "browser", ok: true, detail: `waiting for ${endpoint.origin}`, reference: "RFC 6749 section 4.1.1" });
  try {
    return await browserLogin(person, listening, url.href, async (callback) => {
      const code = codeOf(callback, server, secretsInForm(asked), trace);
      const form = {
        grant_type: "authorization_code",
        code,
        redirect_uri: redirectUri,
        code_verifier: secrets.verifier,
        resource,
      };
      const answer = await obtainToken(server, client, form, http, trace);
      if (isOpenId) checkNonce(answer, secrets.nonce, server.issuer);
      return { result: answer, page: pages.accessGranted() };
    });
  } catch (error) {
    if (!(error instanceof CodemieError) || error.code !== "auth_timeout") throw error;
    trace({ name: "callback", ok: false, detail: "nobody came back", reference: "RFC 6749 section 4.1.2" });
    const isFixed = person.callback.callbackPort !== undefined;
    // A client that registered itself has registered this redirect.
    const expected = client.registered ? undefined : { redirect: listening.redirect, clientId: client.id, isFixed };
    throw mcpFailure.timedOut(server.issuer, Math.round(person.timeoutMs / 1000), expected);
  }
}

/** Returns the address for the browser; throws the server's refusal of a pushed request, and if it is too long. */
function requestAddress(result: EndpointResult<URL>, server: ServerMetadata): URL {
  if (result.kind === "refused") throw mcpFailure.refused(server.issuer, result.code, result.description);
  if (result.kind === "unusable") throw mcpFailure.token(server.issuer, result.why);
  if (result.document.href.length > longestRequest) throw mcpFailure.longRequest(server.issuer, longestRequest);
  return result.document;
}

/**
 * Returns the address for the browser; throws if the rule forbids it or the server excludes PKCE with S256, or if it may be
 * another server's page: that one's code would go to this server (mix-up, RFC 9700 section 4.4), and only `iss` or the user can
 * tell.
 */
function authorizationEndpoint({ deployment: { server }, issuer, http, trace }: CodeFlow): URL {
  const url = http.allowed(server.authorization_endpoint || "(none)", "the authorization endpoint");
  const isForeign = url.hostname !== new URL(server.issuer).hostname;
  if (isForeign && issuer === undefined && server.authorization_response_iss_parameter_supported !== true) {
    trace({ name: "issuer", ok: false, detail: `its page is at ${url.origin}`, reference: "RFC 9700 section 4.4" });
    throw mcpFailure.foreignPage(server.issuer, url.hostname);
  }
  const isLacking = lacksPkce(server);
  const detail = server.code_challenge_methods_supported?.join(", ") ?? "not listed; S256 is sent anyway";
  trace({ name: "PKCE", ok: !isLacking, detail, reference: "RFC 7636 section 4.2" });
  if (isLacking) throw mcpFailure.noPkce(server.issuer);
  const responses = server.response_types_supported;
  if (responses && !responses.includes("code")) throw mcpFailure.noCodeFlow(server.issuer);
  return url;
}

/**
 * Returns the path of the redirect. One that we register ourselves is the issuer's own, so that no other server can use its
 * registration (RFC 9700 section 4.4.2.2). One that the user registered, or chose the port of, is the documented one.
 */
function redirectPath({ deployment: { server }, clientOptions, person }: CodeFlow): string {
  const isGiven = givenClient(server, clientOptions) !== undefined || person.callback.callbackPort !== undefined;
  if (isGiven) return callbackPath;
  return `${callbackPath}/${hashOf("sha256", server.issuer).toString("base64url").slice(0, markLength)}`;
}

/** Listens on the port of the known registration's redirect, if that is free. */
function listen(flow: CodeFlow, accept: (url: URL) => boolean): CallbackServer {
  const { known, person } = flow;
  const options = {
    ...person.callback,
    path: redirectPath(flow),
    accept,
    browserUser: browserUser(person.runtime.env),
  };
  if (options.callbackPort !== undefined) return startCallbackServer(options);
  const before = URL.parse(known?.registered?.redirectUri ?? "")?.port;
  if (before) {
    try {
      return startCallbackServer({ ...options, callbackPort: Number(before) });
    } catch {
      // Another program has the port: use another port, and so another registration.
    }
  }
  return startCallbackServer(options);
}

/**
 * Throws if an ID token is not for this request (OpenID Connect Core 1.0 section 3.1.3.7, item 11). It came from the token
 * endpoint itself, so TLS vouches for who sent it (item 6). One that is encrypted is for nobody here: nothing uses it.
 */
function checkNonce({ id_token: token }: TokenAnswer, nonce: string, issuer: string): void {
  if (!token || token.split(".").length === 5) return;
  const claims = parseJson(Buffer.from(token.split(".")[1] ?? "", "base64url").toString(), idTokenClaims);
  if (claims?.nonce !== nonce) throw mcpFailure.token(issuer, "the nonce of its ID token belongs to another login");
}

/** Returns the authorization code of a callback whose `state` is checked; throws the server's refusal, `sent` masked. */
function codeOf(url: URL, server: ServerMetadata, sent: readonly string[], trace: Trace): string {
  const result = judgeCallback(url, server);
  const said = url.searchParams.get("error");
  trace({
    name: "callback",
    ok: result.kind === "code",
    detail: result.kind === "other-issuer" ? "from another issuer" : said === null ? "came back" : plainCode(said),
    reference: "RFC 9207 section 2.4",
  });
  switch (result.kind) {
    case "code":
      return result.code;
    case "refused":
      throw mcpFailure.refused(server.issuer, masked(result.code, sent), masked(result.description, sent));
    case "other-issuer":
      throw mcpFailure.otherAnswer(server.issuer);
    case "no-code":
      throw mcpFailure.token(server.issuer, "it answered without a code");
  }
}
