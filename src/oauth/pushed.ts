import * as z from "zod/mini";
import { type EndpointResult, judgeAnswer } from "./answer.ts";
import type { Client } from "./client.ts";
import { sendAsClient } from "./client-authentication.ts";
import { documentOf } from "./document.ts";
import type { OAuthHttp } from "./http.ts";
import { endpointName, type ServerMetadata } from "./metadata.ts";

/** Answer of the pushed authorization request endpoint (RFC 9126 section 2.2). */
const pushedAnswer = documentOf({ request_uri: z.string() });

/**
 * Hands an authorization request to a server that demands to have it so (RFC 9126), and takes a reference in its place.
 *
 * @param endpoint the authorization endpoint; its own query stays (RFC 6749 section 3.1)
 * @param parameters the request's
 * @returns the address for the browser, with the parameters where the server does not demand it; a refusal; `unusable`
 * @throws `auth_refused` when the rule forbids the endpoint's address; `unreachable`, `tls`; `server_error` for an answer
 *   that is too long; usage error when the client's key cannot sign
 */
export async function pushedWhereDemanded(
  server: ServerMetadata,
  client: Client,
  endpoint: URL,
  parameters: URLSearchParams,
  http: OAuthHttp,
): Promise<EndpointResult<URL>> {
  const url = new URL(endpoint);
  if (server.require_pushed_authorization_requests !== true) {
    for (const [name, value] of parameters) url.searchParams.set(name, value);
    return { kind: "issued", document: url };
  }
  const pushing = "pushed_authorization_request_endpoint";
  if (server[pushing] === undefined)
    return { kind: "unusable", why: `it demands pushed requests and names no endpoint`, passing: false };
  const answer = await sendAsClient(server, client, pushing, Object.fromEntries(parameters), http);
  const result = judgeAnswer(answer, endpointName(pushing), pushedAnswer);
  if (result.kind !== "issued") return result;
  url.searchParams.set("client_id", client.id);
  url.searchParams.set("request_uri", result.document.request_uri);
  return { kind: "issued", document: url };
}
