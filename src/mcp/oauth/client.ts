import { z } from "zod";
import { parseJson } from "../../core/json.ts";
import { Secret } from "../../core/secret.ts";
import type { OAuthHttp } from "../../oauth/http.ts";
import type { ServerMetadata, Trace } from "../../oauth/metadata.ts";
import { mcpFailure } from "../failures.ts";
import { addressOnly } from "../log.ts";
import { faultOf } from "../message.ts";

/** How a client proves who it is at the token endpoint (RFC 7591 section 2). */
export const authMethods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"] as const;
export type AuthMethod = (typeof authMethods)[number];

/** Who we are to an authorization server. */
export interface Client {
  readonly id: string;
  readonly secret?: Secret;
  /** PKCS#8 PEM or JWK */
  readonly key?: Secret;
  readonly method: AuthMethod;
  /** registered by us, and for which redirect */
  readonly registered?: {
    readonly redirectUri: string;
    /** ms since the epoch; absent: for ever */
    readonly expiresAt?: number;
    /** where the registration can be removed again, and the token for it (RFC 7592) */
    readonly management?: { readonly uri: string; readonly token: Secret };
  };
}

/** What the user said about who we are. */
export interface ClientOptions {
  readonly clientId: string | undefined;
  readonly clientSecret: Secret | undefined;
  readonly clientKey: Secret | undefined;
  readonly metadataUrl: string | undefined;
  /** our name at a registration */
  readonly clientName: string;
}

/**
 * Chooses who we are: the client the user named; else the address of a client ID metadata document, where the server
 * takes those; else what we registered before for the same redirect; else a new registration (RFC 7591).
 *
 * @throws `auth_refused` when there is no way to be a client of this server
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
  if (known?.registered?.redirectUri === request.redirectUri && valid) return known;
  return await register(server, options, request.redirectUri, request.scope, http, trace);
}

/** @returns the client that needs no registration, if there is one */
export function givenClient(server: ServerMetadata, options: ClientOptions): Client | undefined {
  const { clientId, clientSecret, clientKey, metadataUrl } = options;
  if (clientId !== undefined) {
    const secret = clientSecret ? { secret: clientSecret } : {};
    const key = clientKey ? { key: clientKey } : {};
    return { id: clientId, ...secret, ...key, method: methodOf(server, clientSecret, clientKey) };
  }
  if (metadataUrl !== undefined && server.client_id_metadata_document_supported) {
    return { id: metadataUrl, method: "none" };
  }
  return undefined;
}

/** A key over a secret over nothing; a secret in the header unless the server only takes it in the body. */
function methodOf(server: ServerMetadata, secret: Secret | undefined, key: Secret | undefined): AuthMethod {
  if (key) return "private_key_jwt";
  if (!secret) return "none";
  const supported = server.token_endpoint_auth_methods_supported;
  const basic = supported === undefined || supported.includes("client_secret_basic");
  return basic || !supported.includes("client_secret_post") ? "client_secret_basic" : "client_secret_post";
}

/** RFC 7591 section 3.2.1. */
const registration = z.object({
  client_id: z.string().min(1),
  client_secret: z.string().min(1).nullish(),
  client_secret_expires_at: z.number().nullish(),
  token_endpoint_auth_method: z.string().nullish(),
  registration_client_uri: z.string().nullish(),
  registration_access_token: z.string().nullish(),
});

async function register(
  server: ServerMetadata,
  options: ClientOptions,
  redirectUri: string,
  scope: string | undefined,
  http: OAuthHttp,
  trace: Trace,
): Promise<Client> {
  const reference = "RFC 7591 section 3";
  const endpoint = server.registration_endpoint;
  if (endpoint === undefined) {
    trace({ name: "registration", ok: false, detail: "the server offers none", reference });
    throw mcpFailure.noRegistration(server.issuer, server.client_id_metadata_document_supported === true);
  }
  const supported = server.token_endpoint_auth_methods_supported ?? ["none"];
  const wanted = authMethods.find((method) => method !== "private_key_jwt" && supported.includes(method)) ?? "none";
  const url = http.allowed(endpoint, "the registration endpoint");
  const { status, text } = await http.send(url, {
    method: "POST",
    headers: new Headers({ "content-type": "application/json" }),
    body: JSON.stringify({
      client_name: options.clientName,
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: wanted,
      application_type: "native",
      ...(scope === undefined ? {} : { scope }),
    }),
  });
  const made = status === 200 || status === 201 ? parseJson(text, registration) : undefined;
  trace({ name: "registration", ok: made !== undefined, detail: `${status} ${addressOnly(url)}`, reference });
  if (!made) throw mcpFailure.registration(server.issuer, status, faultOf(text) ?? codeOf(text));
  const { client_secret, client_secret_expires_at, registration_client_uri, registration_access_token } = made;
  const secret = client_secret ? new Secret(client_secret) : undefined;
  const told = authMethods.find((method) => method === made.token_endpoint_auth_method);
  const publicOnly = server.token_endpoint_auth_methods_supported?.every((method) => method === "none");
  const method = told && (told === "none" || secret) ? told : publicOnly ? "none" : methodOf(server, secret, undefined);
  return {
    id: made.client_id,
    ...(secret ? { secret } : {}),
    method,
    registered: {
      redirectUri,
      ...(client_secret_expires_at ? { expiresAt: client_secret_expires_at * 1000 } : {}),
      ...(registration_client_uri && registration_access_token
        ? { management: { uri: registration_client_uri, token: new Secret(registration_access_token) } }
        : {}),
    },
  };
}

const oauthError = z.object({ error: z.string() });

/** @returns the error code of an OAuth answer (RFC 6749 section 5.2) */
export function codeOf(text: string): string | undefined {
  return parseJson(text, oauthError)?.error;
}
