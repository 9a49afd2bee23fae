import type { Secret } from "../../core/secret.ts";
import { authMethodFor, type Client, withProofKey } from "../../oauth/client.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import { proofEndpoints, type ServerMetadata } from "../../oauth/metadata.ts";
import type { ProofKey } from "../../oauth/proof-key.ts";
import { register } from "../../oauth/registration.ts";
import type { Trace } from "../../oauth/trace.ts";
import { mcpFailure } from "../failures.ts";

/** The OAuth client as the user named it. */
export interface ClientOptions {
  readonly clientId: string | undefined;
  readonly clientSecret: Secret | undefined;
  readonly clientKey: Secret | undefined;
  readonly metadataUrl: string | undefined;
  /** the key that the server wants tokens bound to (RFC 9449) */
  readonly proofKey?: ProofKey | undefined;
  /** our name in a registration */
  readonly clientName: string;
}

/**
 * Chooses the OAuth client: the one the user named; else the URL of a client ID metadata document, if the server
 * supports those; else our earlier registration for the same redirect, if its secret has not ended; else a new
 * registration (RFC 7591).
 *
 * @param nowMs now, ms since the epoch
 * @throws as {@link register}
 */
export async function chooseClient(
  server: ServerMetadata,
  options: ClientOptions,
  request: { readonly redirectUri: string; readonly scope: string | undefined; readonly known: Client | undefined },
  http: OAuthHttp,
  trace: Trace,
  nowMs: number,
): Promise<Client> {
  const given = givenClient(server, options);
  if (given) {
    trace({ name: "client", ok: true, detail: `${given.id} (${given.method})` });
    return given;
  }
  const { known } = request;
  const valid = known?.registered?.expiresAt === undefined || known.registered.expiresAt > nowMs;
  const isSame = known?.registered?.redirectUri === request.redirectUri && valid;
  const { redirectUri, scope } = request;
  const { clientName, proofKey } = options;
  const client = isSame ? known : await register(server, { clientName, redirectUri, scope }, http, trace);
  return withProofKey(client, proofKey);
}

/** @returns the client that needs no registration, or undefined */
export function givenClient(server: ServerMetadata, options: ClientOptions): Client | undefined {
  const { clientId, clientSecret, clientKey, metadataUrl, proofKey } = options;
  if (clientId !== undefined) {
    const secret = clientSecret ? { secret: clientSecret } : {};
    const key = clientKey ? { key: clientKey } : {};
    const method = authMethodFor(server, clientSecret, clientKey, clientId);
    return withProofKey({ id: clientId, ...secret, ...key, method }, proofKey);
  }
  if (metadataUrl !== undefined && server.client_id_metadata_document_supported) {
    const proof = clientKey ? ({ key: clientKey, method: "private_key_jwt" } as const) : ({ method: "none" } as const);
    return withProofKey({ id: metadataUrl, ...proof }, proofKey);
  }
  return undefined;
}

/**
 * A client's secret or signed assertion goes to the MCP server's own host, or wherever the issuer leads that the user named;
 * not wherever the server says.
 *
 * @param url the MCP server's address
 * @param issuer as the user named it
 * @param hasAssertion true: an identity token of this job is sent there
 * @throws `auth_refused` when the client would prove itself to another host
 */
export function judgeHostsOfProof(
  server: ServerMetadata,
  { clientSecret, clientKey }: ClientOptions,
  { hostname }: URL,
  issuer: string | undefined,
  hasAssertion: boolean,
): void {
  if (issuer !== undefined || !(clientSecret || clientKey || hasAssertion)) return;
  const addresses = [server.issuer, ...proofEndpoints.map((endpoint) => server[endpoint])];
  const hosts = addresses.flatMap((address) => URL.parse(address ?? "")?.hostname ?? []);
  const elsewhere = hosts.find((host) => host !== hostname);
  if (elsewhere === undefined) return;
  throw mcpFailure.nameIssuer(server.issuer, elsewhere, clientSecret ? "secret" : "signed assertion");
}
