import { createHash, randomBytes } from "node:crypto";
import { browserLogin, type LoginDialogue } from "../../auth/login/browser.ts";
import { type CallbackServer, startCallbackServer } from "../../auth/login/callback-server.ts";
import { CodemieError } from "../../core/errors.ts";
import { oauthFailure } from "../../oauth/failures.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import type { Deployment, ServerMetadata, Trace } from "../../oauth/metadata.ts";
import { requestToken, type TokenAnswer } from "../../oauth/token-endpoint.ts";
import type { Runtime } from "../../platform/runtime.ts";
import { mcpFailure } from "../failures.ts";
import { plainCode } from "../log.ts";
import { type Client, type ClientOptions, chooseClient } from "./client.ts";

/** The person's side of an authorization. */
export interface PersonOptions {
  readonly runtime: Runtime;
  readonly dialogue: LoginDialogue;
  /** ms until the authorization is given up */
  readonly timeoutMs: number;
  readonly mayOpenBrowser: boolean;
  /** fixed port of the callback; undefined: any */
  readonly callbackPort: number | undefined;
  readonly stop: AbortSignal;
}

export interface CodeFlow {
  readonly deployment: Deployment;
  readonly scope: string | undefined;
  readonly known: Client | undefined;
  readonly clientOptions: ClientOptions;
  readonly person: PersonOptions;
  readonly http: OAuthHttp;
  readonly trace: Trace;
}

const random = () => randomBytes(32).toString("base64url");
const callbackPath = "/callback";

/**
 * Authorizes through the browser: authorization code with PKCE S256 (RFC 6749 section 4.1, RFC 7636) at a loopback
 * redirect (RFC 8252), which listens before the browser opens. Callback, `state` and verifier are made anew each time.
 *
 * @param chosen told which client is used, as soon as that is known
 * @returns the token endpoint's answer
 * @throws `auth_refused`, `auth_timeout`, `server_error`, `unreachable`, `tls`, the stop signal's failure
 */
export async function authorizeByCode(flow: CodeFlow, chosen: (client: Client) => void): Promise<TokenAnswer> {
  const { deployment, scope, person, http, trace } = flow;
  const { server, resource } = deployment;
  const endpoint = authorizationEndpoint(server, http, trace);
  const [state, verifier] = [random(), random()];
  const listening = listen(flow, (url) => url.searchParams.get("state") === state);
  const redirectUri = `http://localhost:${listening.port}${callbackPath}`;
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
  const offline = scope?.split(" ").includes("offline_access");
  for (const [name, value] of Object.entries({
    response_type: "code",
    client_id: client.id,
    redirect_uri: redirectUri,
    scope,
    state,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    resource,
    // OpenID Connect Core 1.0 section 11: a refresh token for later needs consent asked for.
    prompt: offline ? "consent" : undefined,
  })) {
    if (value !== undefined) endpoint.searchParams.set(name, value);
  }
  trace({ name: "browser", ok: true, detail: `waiting for ${endpoint.origin}`, reference: "RFC 6749 section 4.1.1" });
  try {
    return await browserLogin(person, listening, endpoint.href, async (callback) => {
      const code = codeOf(callback, server, trace);
      const form = {
        grant_type: "authorization_code",
        code,
        redirect_uri: redirectUri,
        code_verifier: verifier,
        resource,
      };
      const answer = await requestToken(server, client, form, http, trace);
      if ("refused" in answer) throw oauthFailure.refused(server.issuer, answer.refused, answer.description);
      const lines = ["The tools of the server are available now.", "You can close this page."];
      return { result: answer, page: { good: true, title: "Access granted", lines } };
    });
  } catch (error) {
    if (!(error instanceof CodemieError) || error.code !== "auth_timeout") throw error;
    trace({ name: "callback", ok: false, detail: "nobody came back", reference: "RFC 6749 section 4.1.2" });
    throw mcpFailure.timedOut(server.issuer, Math.round(person.timeoutMs / 1000));
  }
}

/** Where the browser goes: an address a browser may be handed, of a server that does not rule PKCE with S256 out. */
function authorizationEndpoint(server: ServerMetadata, http: OAuthHttp, trace: Trace): URL {
  const url = http.allowed(server.authorization_endpoint || "(none)", "the authorization endpoint");
  const methods = server.code_challenge_methods_supported;
  const can = methods === undefined || methods.includes("S256");
  const detail = methods?.join(", ") ?? "not listed; S256 is sent all the same";
  trace({ name: "PKCE", ok: can, detail, reference: "RFC 7636 section 4.2" });
  if (!can) throw oauthFailure.noPkce(server.issuer);
  const responses = server.response_types_supported;
  if (responses && !responses.includes("code")) throw oauthFailure.noCodeFlow(server.issuer);
  return url;
}

/** The callback listens where the known registration wants it, if that place is free. */
function listen({ known, person }: CodeFlow, accept: (url: URL) => boolean): CallbackServer {
  if (person.callbackPort !== undefined) return startCallbackServer(callbackPath, accept, person.callbackPort);
  const before = URL.parse(known?.registered?.redirectUri ?? "")?.port;
  if (before) {
    try {
      return startCallbackServer(callbackPath, accept, Number(before));
    } catch {
      // Somebody else has the port: another one, and so another registration.
    }
  }
  return startCallbackServer(callbackPath, accept);
}

/** The authorization code, or the server's refusal. `state` was checked by now; `iss` (RFC 9207) is before `error`. */
function codeOf(url: URL, server: ServerMetadata, trace: Trace): string {
  const [iss, error, code] = ["iss", "error", "code"].map((name) => url.searchParams.get(name));
  const wrong = iss ? iss !== server.issuer : server.authorization_response_iss_parameter_supported === true;
  trace({
    name: "callback",
    ok: !wrong && Boolean(code),
    detail: error === null || error === undefined ? "came back" : plainCode(error),
    reference: "RFC 9207 section 2.4",
  });
  if (wrong) throw oauthFailure.otherAnswer(server.issuer);
  if (error) throw oauthFailure.refused(server.issuer, error, url.searchParams.get("error_description") ?? "");
  if (!code) throw oauthFailure.token(server.issuer, "an answer without a code");
  return code;
}
