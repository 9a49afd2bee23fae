import * as z from "zod/mini";
import { parseJson } from "../core/json.ts";
import { Secret } from "../core/secret.ts";
import { addressOnly } from "../core/text.ts";
import { authMethodFor, authMethods, type Client, changesInHeader } from "./client.ts";
import { documentOf, optionalText } from "./document.ts";
import { oauthFailure } from "./failures.ts";
import { readFault } from "./fault.ts";
import type { OAuthHttp } from "./http.ts";
import type { ServerMetadata } from "./metadata.ts";
import type { Trace } from "./trace.ts";

/** Client information response (RFC 7591 section 3.2.1). */
export const registered = documentOf({
  client_id: z.string(),
  client_secret: z.optional(z.string()),
  // Seconds since the epoch, 0 for never; as far as `Date` reaches. Of another value we know nothing.
  client_secret_expires_at: z.catch(z.optional(z.number().check(z.gte(0), z.lte(8.64e12))), undefined),
  token_endpoint_auth_method: optionalText,
  registration_client_uri: optionalText,
  registration_access_token: optionalText,
});

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code";

/** A new client's description of itself, for the server. */
export interface Registration {
  readonly clientName: string;
  /** empty: the client is for device codes (RFC 8628), and has none */
  readonly redirectUri: string;
  readonly scope: string | undefined;
}

/**
 * Registers a client (dynamic client registration, RFC 7591).
 *
 * @param trace gets the step and how it ended
 * @returns the client, with its registration
 * @throws `auth_refused` when the server has no usable registration endpoint or refuses; `unreachable`, `tls`;
 *   `server_error` for an answer that is too long
 */
export async function register(
  server: ServerMetadata,
  { clientName, redirectUri, scope }: Registration,
  http: OAuthHttp,
  trace: Trace,
): Promise<Client> {
  const reference = "RFC 7591 section 3";
  const endpoint = server.registration_endpoint;
  if (endpoint === undefined) {
    trace({ name: "registration", ok: false, detail: "the server offers none", reference });
    throw oauthFailure.noRegistration(server.issuer, server.client_id_metadata_document_supported === true);
  }
  const supported = server.token_endpoint_auth_methods_supported ?? ["none"];
  const wanted = authMethods.find((method) => method !== "private_key_jwt" && supported.includes(method)) ?? "none";
  const url = http.allowed(endpoint, "the registration endpoint");
  const { status, text, sent } = await http.send(url, {
    method: "POST",
    headers: new Headers({ "content-type": "application/json" }),
    body: JSON.stringify({
      client_name: clientName,
      ...(redirectUri
        ? {
            redirect_uris: [redirectUri],
            grant_types: ["authorization_code", "refresh_token"],
            response_types: ["code"],
          }
        : { redirect_uris: [], grant_types: [deviceGrant, "refresh_token"], response_types: [] }),
      token_endpoint_auth_method: wanted,
      application_type: "native",
      ...(scope === undefined ? {} : { scope }),
    }),
  });
  const made = status === 200 || status === 201 ? parseJson(text, registered) : undefined;
  trace({ name: "registration", ok: made !== undefined, detail: `${status} ${addressOnly(url)}`, reference });
  const { code, description } = readFault(text, sent);
  if (!made) throw oauthFailure.registrationRefused(server.issuer, status, description ?? code);
  const { client_secret, client_secret_expires_at } = made;
  const management = managementOf(made, url, server.issuer);
  const secret = client_secret ? new Secret(client_secret) : undefined;
  const named = authMethods.find((method) => method === made.token_endpoint_auth_method);
  const publicOnly = server.token_endpoint_auth_methods_supported?.every((method) => method === "none");
  const encodes = secret !== undefined && changesInHeader(server, made.client_id, secret);
  const told = encodes && named === "client_secret_basic" ? "client_secret_post" : named;
  const method =
    told && (told === "none" || secret)
      ? told
      : publicOnly
        ? "none"
        : authMethodFor(server, secret, undefined, made.client_id);
  return {
    id: made.client_id,
    ...(secret ? { secret } : {}),
    method,
    registered: {
      redirectUri,
      ...(client_secret_expires_at ? { expiresAt: client_secret_expires_at * 1000 } : {}),
      ...(management ? { management } : {}),
    },
  };
}

/**
 * @param endpoint where the client was registered
 * @returns where the registration can be removed, and by which token (RFC 7592 section 3); undefined for an address of anybody
 *   else, where we would delete what the server likes with a token of its choice, and for a token that fits no header
 */
function managementOf(
  { registration_client_uri: uri, registration_access_token: token }: z.infer<typeof registered>,
  endpoint: URL,
  issuer: string,
): { uri: string; token: Secret } | undefined {
  if (!uri || !token || !/^[\x21-\x7e]+$/.test(token)) return undefined;
  const origin = URL.parse(uri)?.origin;
  const isOwn = origin === endpoint.origin || origin === URL.parse(issuer)?.origin;
  return isOwn ? { uri, token: new Secret(token) } : undefined;
}
