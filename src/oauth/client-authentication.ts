import { type Client, formEncoded } from "./client.ts";
import { readFault } from "./fault.ts";
import type { OAuthAnswer, OAuthHttp } from "./http.ts";
import { endpointName, type ProofEndpoint, type ServerMetadata } from "./metadata.ts";

/** The parameters of a request. Undefined ones are left out. */
export type GrantForm = Readonly<Record<string, string | undefined>>;

/** Lifetime of a client assertion that we sign, seconds. */
const assertionSeconds = 300;

/**
 * Sends a request to an endpoint that clients authenticate at: the only way for a client's proof to leave us. At the token
 * endpoint it carries the proof of the key that the token is to be bound to, and is sent once more when the server names a
 * nonce for that (RFC 9449 sections 5 and 8).
 *
 * @param endpoint which one; the caller has checked that the server names it
 * @param form the request's own parameters; undefined ones are left out
 * @param patienceMs how long it may take, ms, instead of the usual limit of a request
 * @throws `auth_refused` when the rule forbids the endpoint's address; `server_error` for an answer that is too long;
 *   `unreachable`, `tls`; usage error when the client's key cannot sign
 */
export async function sendAsClient(
  server: ServerMetadata,
  client: Client,
  endpoint: ProofEndpoint,
  form: GrantForm,
  http: OAuthHttp,
  patienceMs?: number,
): Promise<OAuthAnswer> {
  const url = http.allowed(server[endpoint] ?? "(none)", endpointName(endpoint));
  const patience = patienceMs === undefined ? {} : { patienceMs };
  const proofKey = endpoint === "token_endpoint" ? client.proofKey : undefined;
  const send = async () => {
    const { body, headers } = await authenticated(server, client, form);
    if (proofKey) headers.set("dpop", proofKey.proof("POST", url, undefined));
    return await http.send(url, { method: "POST", body, headers, ...patience });
  };
  const answer = await send();
  const isNew = proofKey?.heard(url, undefined, answer.nonce) === true;
  if (!isNew || readFault(answer.text, []).code !== "use_dpop_nonce") return answer;
  const second = await send();
  proofKey?.heard(url, undefined, second.nonce);
  return second;
}

/** Returns body and headers with the client's authentication (RFC 6749 section 2.3, RFC 7523 section 2.2). */
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
    body.set("client_assertion", client.assertion?.reveal() ?? (await assertion(server, client)));
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
