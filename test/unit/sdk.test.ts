import { expect, test } from "bun:test";
import {
  OAuthClientInformationFullSchema,
  OAuthMetadataSchema,
  OAuthProtectedResourceMetadataSchema,
  OAuthTokensSchema,
  OpenIdProviderMetadataSchema,
} from "@modelcontextprotocol/sdk/shared/auth.js";
import { ErrorCode } from "@modelcontextprotocol/sdk/types.js";
import { rpcCodes } from "../../src/mcp/message.ts";
import { resourceMetadata, serverMetadata } from "../../src/oauth/metadata.ts";
import { registered } from "../../src/oauth/registration.ts";
import { tokenAnswer } from "../../src/oauth/token-endpoint.ts";

/*
 * The SDK has schemas of the same documents. Ours are looser where real servers are (an address that is none, `null` for
 * "none") and name only the members we use; the SDK's would refuse such a document whole. The names are compared here, so
 * that a typing mistake in ours is found.
 */

const members = (...schemas: { readonly shape: object }[]) =>
  new Set(schemas.flatMap(({ shape }) => Object.keys(shape)));

for (const [what, ours, known, others] of [
  ["a resource's metadata", resourceMetadata, members(OAuthProtectedResourceMetadataSchema), []],
  [
    "a server's metadata",
    serverMetadata,
    members(OAuthMetadataSchema, OpenIdProviderMetadataSchema),
    // RFC 8628 section 4, RFC 9207 section 3, RFC 9126 section 5, RFC 9449 section 5.1, OpenID Connect Prompt Create 1.0 and
    // draft-ietf-oauth-identity-assertion-authz-grant section 7.2, which the SDK does not use
    [
      "authorization_grant_profiles_supported",
      "dpop_signing_alg_values_supported",
      "device_authorization_endpoint",
      "authorization_response_iss_parameter_supported",
      "prompt_values_supported",
      "pushed_authorization_request_endpoint",
      "require_pushed_authorization_requests",
    ],
  ],
  ["a token endpoint's answer", tokenAnswer, members(OAuthTokensSchema), []],
  [
    "a registration's answer",
    registered,
    members(OAuthClientInformationFullSchema),
    // RFC 7592 section 3
    ["registration_client_uri", "registration_access_token"],
  ],
] as const) {
  test(`the members of ${what} are those of the SDK`, () => {
    const unknown = Object.keys(ours._zod.def.out.shape).filter((name) => !known.has(name));
    expect(unknown.sort()).toEqual([...others].sort());
  });
}

test("our error codes are those of the SDK", () => {
  const { ParseError, InvalidRequest, ConnectionClosed } = ErrorCode;
  expect(rpcCodes).toEqual({ parse: ParseError, invalid: InvalidRequest, failed: ConnectionClosed });
});
