import * as z from "zod/mini";
import { listOf } from "../core/json.ts";
import { longestAddress } from "./addresses.ts";
import { documentOf } from "./document.ts";

const strings = listOf(z.string());

/** Protected resource metadata (RFC 9728 section 2), the members we use. */
export const resourceMetadata = documentOf({
  resource: z.string(),
  authorization_servers: z.optional(strings),
  scopes_supported: z.optional(strings),
  dpop_signing_alg_values_supported: z.optional(strings),
  dpop_bound_access_tokens_required: z.optional(z.boolean()),
});
export type ResourceMetadata = z.infer<typeof resourceMetadata>;

/** Authorization server metadata (RFC 8414 section 2, OpenID Connect Discovery 1.0), the members we use. */
export const serverMetadata = documentOf({
  // RFC 8414 section 2: an address. Without blanks, it stays one word in every message.
  issuer: z.string().check(z.maxLength(longestAddress), z.regex(/^https?:\/\/[\x21-\x7e]+$/)),
  authorization_endpoint: z.optional(z.string()),
  token_endpoint: z.string(),
  registration_endpoint: z.optional(z.string()),
  revocation_endpoint: z.optional(z.string()),
  device_authorization_endpoint: z.optional(z.string()),
  pushed_authorization_request_endpoint: z.optional(z.string()),
  require_pushed_authorization_requests: z.optional(z.boolean()),
  jwks_uri: z.optional(z.string()),
  scopes_supported: z.optional(strings),
  prompt_values_supported: z.optional(strings),
  response_types_supported: z.optional(strings),
  grant_types_supported: z.optional(strings),
  token_endpoint_auth_methods_supported: z.optional(strings),
  token_endpoint_auth_signing_alg_values_supported: z.optional(strings),
  code_challenge_methods_supported: z.optional(strings),
  authorization_response_iss_parameter_supported: z.optional(z.boolean()),
  client_id_metadata_document_supported: z.optional(z.boolean()),
  dpop_signing_alg_values_supported: z.optional(strings),
  authorization_grant_profiles_supported: z.optional(strings),
});
export type ServerMetadata = z.infer<typeof serverMetadata>;

/**
 * Every endpoint where a client proves itself, with its secret or a signed assertion: RFC 6749 section 3.2.1, RFC 7009
 * section 2.1, RFC 9126 section 2.1, RFC 8628 section 3.1.
 */
export const proofEndpoints = [
  "token_endpoint",
  "revocation_endpoint",
  "pushed_authorization_request_endpoint",
  "device_authorization_endpoint",
] as const satisfies readonly (keyof ServerMetadata)[];
export type ProofEndpoint = (typeof proofEndpoints)[number];

/** @returns an endpoint's name for people, for example `the token endpoint` */
export const endpointName = (endpoint: `${string}_endpoint`): string => `the ${endpoint.replaceAll("_", " ")}`;

/**
 * @returns true when the server lists its PKCE methods and S256 is not among them (RFC 7636 section 4.2); a server that
 *   lists none is assumed to support it
 */
export function lacksPkce({ code_challenge_methods_supported: methods }: ServerMetadata): boolean {
  return methods !== undefined && !methods.includes("S256");
}
