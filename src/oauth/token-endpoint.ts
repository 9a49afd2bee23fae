import * as z from "zod/mini";
import { addressOnly } from "../core/text.ts";
import { type EndpointResult, judgeAnswer } from "./answer.ts";
import { type Client, formEncoded } from "./client.ts";
import type { OAuthHttp } from "./http.ts";
import type { ServerMetadata } from "./metadata.ts";
import { noTrace, type Trace } from "./trace.ts";

/** Longest lifetime of a token that we believe, seconds: ten years. */
const longestLife = 10 * 365 * 24 * 3600;

/** Token answer (RFC 6749 section 5.1), with the ID token of OpenID Connect Core 1.0 section 3.1.3.3. */
export const tokenAnswer = z.object({
  access_token: z.string().check(z.regex(/^[\x21-\x7e]+$/)),
  token_type: z.string(),
  // Seconds. Servers also send 0, null, words and aeons: then we do not know when the token ends.
  expires_in: z.catch(z.nullish(z.coerce.number().check(z.positive(), z.lte(longestLife))), undefined),
  refresh_token: z.nullish(z.string().check(z.minLength(1))),
  scope: z.nullish(z.string()),
  id_token: z.nullish(z.string()),
});
export type TokenAnswer = z.infer<typeof tokenAnswer>;

/** The parameters of a grant. Undefined ones are left out. */
export type GrantForm = Readonly<Record<string, string | undefined>>;

/** Lifetime of a client assertion that we sign, seconds. */
const assertionSeconds = 300;

/**
 * Asks a token endpoint for a bearer token.
 *
 * @param form the grant's own parameters; client authentication is added
 * @param trace gets the step and how it ended
 * @returns the token; a refusal; `unusable`, also for a token that is not a bearer token
 * @throws `auth_refused` when the rule forbids the endpoint's address; `server_error` for an answer that is too long;
 *   `unreachable`, `tls`; usage error when the client's key cannot sign
 */
export async function requestToken(
  server: ServerMetadata,
  client: Client,
  form: GrantForm,
  http: OAuthHttp,
  trace: Trace = noTrace,
): Promise<EndpointResult<TokenAnswer>> {
  const what = "the token endpoint";
  const url = http.allowed(server.token_endpoint, what);
  const answer = await http.send(url, { method: "POST", ...(await authenticated(server, client, form)) });
  const result = judgeAnswer(answer, what, tokenAnswer);
  const detail = `${form.grant_type}: ${answer.status} ${addressOnly(url)}`;
  trace({ name: "token", ok: result.kind === "issued", detail, reference: "RFC 6749 section 5" });
  if (result.kind === "issued" && !/^bearer$/i.test(result.document.token_type)) {
    return { kind: "unusable", why: "it is not a bearer token" };
  }
  return result;
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
    const url = http.allowed(server.revocation_endpoint, "the revocation endpoint");
    const form = await authenticated(server, client, { token, token_type_hint: hint });
    const { status } = await http.send(url, { method: "POST", ...form, ...(patienceMs ? { patienceMs } : {}) });
    return status === 200;
  } catch {
    // Revocation is best effort: the token expires by itself, and the process must be able to end.
    return false;
  }
}

/** @returns body and headers with the client's authentication (RFC 6749 section 2.3, RFC 7523 section 2.2) */
async function authenticated(server: ServerMetadata, client: Client, form: GrantForm) {
  const body = new URLSearchParams();
  const headers = new Headers();
  for (const [name, value] of Object.entries(form)) if (value !== undefined) body.set(name, value);
  if (client.method === "client_secret_basic") {
    const pair = `${formEncoded(client.id)}:${formEncoded(client.secret?.reveal() ?? "")}`;
    headers.set("authorization", `Basic ${Buffer.from(pair).toString("base64")}`);
    return { body, headers };
  }
  body.set("client_id", client.id);
  if (client.method === "client_secret_post") body.set("client_secret", client.secret?.reveal() ?? "");
  if (client.method === "private_key_jwt") {
    body.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    body.set("client_assertion", await assertion(server, client));
  }
  return { body, headers };
}

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
    .setJti(crypto.randomUUID())
    .sign(key);
}
