import * as z from "zod/mini";
import { type EndpointResult, judgeAnswer } from "./answer.ts";
import type { Client } from "./client.ts";
import { sendAsClient } from "./client-authentication.ts";
import { documentOf, seconds } from "./document.ts";
import type { OAuthHttp } from "./http.ts";
import { endpointName, type ServerMetadata } from "./metadata.ts";

/** Bounds of the pause between two requests, seconds, whatever a provider says. */
const [shortest, longest, usual] = [1, 60, 5];

/** @returns a pause between two requests for the token, within bounds */
export const pollSeconds = (wanted: number): number => Math.min(longest, Math.max(shortest, wanted));

/**
 * Device authorization answer (RFC 8628 section 3.2); `expires_in` and `interval` in seconds. Drafts of that RFC, and
 * Google to this day, say `verification_url`. Without a usable `expires_in`, the provider tells when the code ends.
 */
const deviceAnswer = z.pipe(
  documentOf({
    device_code: z.string(),
    user_code: z.string(),
    verification_uri: z.optional(z.string()),
    verification_url: z.optional(z.string()),
    verification_uri_complete: z.optional(z.string()),
    expires_in: z.catch(z.optional(z.pipe(seconds, z.number().check(z.positive()))), undefined),
    interval: z.pipe(z.catch(seconds, usual), z.transform(pollSeconds)),
  }),
  z.transform(({ verification_url, verification_uri = verification_url, ...answer }, { issues }) => {
    if (verification_uri !== undefined) return { ...answer, verification_uri };
    issues.push({ code: "custom", input: answer, message: "it names no address to enter the code at" });
    return z.NEVER;
  }),
);
export type DeviceAnswer = z.infer<typeof deviceAnswer>;

/**
 * Asks for a device code (RFC 8628 section 3.1).
 *
 * @returns the codes and the addresses to type them at; a refusal; `unusable`, also for a server without that endpoint
 * @throws `auth_refused` when the rule forbids the endpoint's address; `unreachable`, `tls`; `server_error` for an
 *   answer that is too long
 */
export async function requestDeviceCode(
  server: ServerMetadata,
  client: Client,
  scope: string,
  http: OAuthHttp,
): Promise<EndpointResult<DeviceAnswer>> {
  if (server.device_authorization_endpoint === undefined) {
    return { kind: "unusable", why: "it does not support logging in with a device code", passing: false };
  }
  const endpoint = "device_authorization_endpoint";
  const answer = await sendAsClient(server, client, endpoint, { scope }, http);
  return judgeAnswer(answer, endpointName(endpoint), deviceAnswer);
}
