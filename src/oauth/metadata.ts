import { z } from "zod";
import { listOf } from "../core/json.ts";
import { longestAddress } from "./addresses.ts";
import { documentOf } from "./document.ts";

const strings = listOf(z.string());

/** Protected resource metadata (RFC 9728 section 2), the members we use. */
export const resourceMetadata = documentOf({
  resource: z.string(),
  authorization_servers: strings.optional(),
  scopes_supported: strings.optional(),
});
export type ResourceMetadata = z.infer<typeof resourceMetadata>;

/** Authorization server metadata (RFC 8414 section 2, OpenID Connect Discovery 1.0), the members we use. */
export const serverMetadata = documentOf({
  // RFC 8414 section 2: an address. Without blanks, it stays one word in every message.
  issuer: z
    .string()
    .max(longestAddress)
    .regex(/^https?:\/\/[\x21-\x7e]+$/),
  authorization_endpoint: z.string().optional(),
  token_endpoint: z.string(),
  registration_endpoint: z.string().optional(),
  revocation_endpoint: z.string().optional(),
  device_authorization_endpoint: z.string().optional(),
  jwks_uri: z.string().optional(),
  scopes_supported: strings.optional(),
  response_types_supported: strings.optional(),
  grant_types_supported: strings.optional(),
  token_endpoint_auth_methods_supported: strings.optional(),
  token_endpoint_auth_signing_alg_values_supported: strings.optional(),
  code_challenge_methods_supported: strings.optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
  client_id_metadata_document_supported: z.boolean().optional(),
});
export type ServerMetadata = z.infer<typeof serverMetadata>;

/**
 * @returns true when the server lists its PKCE methods and S256 is not among them (RFC 7636 section 4.2); a server that
 *   lists none is assumed to support it
 */
export function lacksPkce({ code_challenge_methods_supported: methods }: ServerMetadata): boolean {
  return methods !== undefined && !methods.includes("S256");
}
