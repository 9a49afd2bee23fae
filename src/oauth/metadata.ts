import { z } from "zod";

const strings = z.array(z.string()).max(1_000);

/** Protected resource metadata (RFC 9728 section 2), as far as it is used. */
export const resourceMetadata = z.object({
  resource: z.string(),
  authorization_servers: z.array(z.string()).optional(),
  scopes_supported: strings.optional(),
});
export type ResourceMetadata = z.infer<typeof resourceMetadata>;

/** Authorization server metadata (RFC 8414 section 2, OpenID Connect Discovery 1.0), as far as it is used. */
export const serverMetadata = z.object({
  // RFC 8414 section 2: an address. Without blanks it is one word wherever it is shown.
  issuer: z.string().regex(/^https?:\/\/[\x21-\x7e]+$/),
  authorization_endpoint: z.string().optional(),
  token_endpoint: z.string(),
  registration_endpoint: z.string().optional(),
  revocation_endpoint: z.string().optional(),
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

/** What is known of how a server is protected. */
export interface Deployment {
  /** the resource indicator to send (RFC 8707), exactly as it was given */
  readonly resource: string | undefined;
  /** scopes the resource says it uses */
  readonly scopes: readonly string[] | undefined;
  readonly server: ServerMetadata;
  /** there is no metadata at all: the server's endpoints are those an older one would have */
  readonly guessed: boolean;
}

/** A step on the way to a token, for whoever wants to see how it went. */
export interface Step {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** the specification that asks for it */
  readonly reference?: string;
}
export type Trace = (step: Step) => void;
