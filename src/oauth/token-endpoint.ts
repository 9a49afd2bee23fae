import { randomUUID } from "node:crypto";
import { z } from "zod";
import { parseJson } from "../core/json.ts";
import { addressOnly } from "../mcp/log.ts";
import { faultOf } from "../mcp/message.ts";
import { type Client, codeOf } from "../mcp/oauth/client.ts";
import { oauthFailure } from "./failures.ts";
import type { OAuthHttp } from "./http.ts";
import type { ServerMetadata, Trace } from "./metadata.ts";

/** RFC 6749 section 5.1. */
const tokenAnswer = z.object({
  access_token: z.string().regex(/^[\x21-\x7e]+$/),
  token_type: z.string(),
  // What is no lifetime says nothing about one.
  expires_in: z.coerce.number().positive().nullish().catch(undefined),
  refresh_token: z.string().min(1).nullish(),
  scope: z.string().nullish(),
});
export type TokenAnswer = z.infer<typeof tokenAnswer>;

/** A refusal with its code (RFC 6749 section 5.2). */
export interface Refused {
  readonly refused: string;
  readonly description: string;
}

/** Refusals that say nothing about what was presented (RFC 6749 section 4.1.2.1 has the codes, servers use them here too). */
const passing = ["temporarily_unavailable", "server_error", "slow_down"];

/** How long an assertion we sign is valid, seconds. */
const assertionSeconds = 300;

/**
 * Asks a token endpoint for a token.
 *
 * @param form the grant's own parameters
 * @returns the token, or what was refused
 * @throws `server_error` for an answer that is neither, `auth_refused` for a redirect (it would carry the code along),
 *   `unreachable`, `tls`
 */
export async function requestToken(
  server: ServerMetadata,
  client: Client,
  form: Readonly<Record<string, string | undefined>>,
  http: OAuthHttp,
  trace: Trace,
): Promise<TokenAnswer | Refused> {
  const url = http.allowed(server.token_endpoint, "the token endpoint");
  const reference = "RFC 6749 section 5";
  const { status, text } = await post(url, server, client, form, http);
  const answer = status === 200 || status === 201 ? parseJson(text, tokenAnswer) : undefined;
  const detail = `${form.grant_type}: ${status} ${addressOnly(url)}`;
  trace({ name: "token", ok: answer !== undefined, detail, reference });
  if (answer) {
    if (!/^bearer$/i.test(answer.token_type)) throw oauthFailure.token(server.issuer, "it is not a bearer token");
    return answer;
  }
  if (status >= 300 && status < 400) throw oauthFailure.token(server.issuer, "the token endpoint redirects");
  const code = codeOf(text);
  if (code !== undefined && status < 500 && status !== 429 && !passing.includes(code))
    return { refused: code, description: faultOf(text) ?? "" };
  throw oauthFailure.token(server.issuer, `the token endpoint answered ${status}`);
}

/**
 * Revokes a token (RFC 7009). Never throws.
 *
 * @param patienceMs how long it may take, ms
 * @returns whether the server said that it is revoked
 */
export async function revokeToken(
  server: ServerMetadata,
  client: Client,
  token: string,
  hint: "refresh_token" | "access_token",
  http: OAuthHttp,
  patienceMs: number,
): Promise<boolean> {
  if (server.revocation_endpoint === undefined) return false;
  try {
    const url = http.allowed(server.revocation_endpoint, "the revocation endpoint");
    const { status } = await post(url, server, client, { token, token_type_hint: hint }, http, patienceMs);
    return status === 200;
  } catch {
    // The token ends by itself; the process has to end now.
    return false;
  }
}

/** Posts a form with the client's authentication (RFC 6749 section 2.3, RFC 7523 section 2.2). */
async function post(
  url: URL,
  server: ServerMetadata,
  client: Client,
  form: Readonly<Record<string, string | undefined>>,
  http: OAuthHttp,
  patienceMs?: number,
) {
  const body = new URLSearchParams();
  const headers = new Headers();
  for (const [name, value] of Object.entries(form)) if (value !== undefined) body.set(name, value);
  if (client.method === "client_secret_basic") {
    const pair = `${formEncoded(client.id)}:${formEncoded(client.secret?.reveal() ?? "")}`;
    headers.set("authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
  } else {
    body.set("client_id", client.id);
    if (client.method === "client_secret_post") body.set("client_secret", client.secret?.reveal() ?? "");
    if (client.method === "private_key_jwt") {
      body.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
      body.set("client_assertion", await assertion(server, client));
    }
  }
  return await http.send(url, { method: "POST", headers, body, ...(patienceMs ? { patienceMs } : {}) });
}

const formEncoded = (text: string) => new URLSearchParams({ "": text }).toString().slice(1);

async function assertion(server: ServerMetadata, client: Client): Promise<string> {
  const { SignJWT } = await import("jose");
  const { readSigningKey } = await import("./signing-key.ts");
  const supported = server.token_endpoint_auth_signing_alg_values_supported;
  const { key, alg } = await readSigningKey(client.key?.reveal() ?? "", supported);
  return await new SignJWT()
    .setProtectedHeader({ alg, typ: "JWT" })
    .setIssuer(client.id)
    .setSubject(client.id)
    .setAudience(server.issuer)
    .setIssuedAt()
    .setExpirationTime(`${assertionSeconds}s`)
    .setJti(randomUUID())
    .sign(key);
}
