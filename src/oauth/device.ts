import * as z from "zod/mini";
import { CodemieError } from "../core/errors.ts";
import { pause } from "../core/time.ts";
import { type EndpointResult, judgeAnswer, type Refusal, type Unusable } from "./answer.ts";
import type { Client } from "./client.ts";
import { sendAsClient } from "./client-authentication.ts";
import { documentOf, seconds } from "./document.ts";
import type { OAuthHttp } from "./http.ts";
import { endpointName, type ServerMetadata } from "./metadata.ts";
import { requestToken, type TokenAnswer } from "./token-endpoint.ts";

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
  form: { readonly scope: string | undefined; readonly resource?: string | undefined },
  http: OAuthHttp,
): Promise<EndpointResult<DeviceAnswer>> {
  if (server.device_authorization_endpoint === undefined) {
    return { kind: "unusable", why: "it does not support logging in with a device code", passing: false };
  }
  const endpoint = "device_authorization_endpoint";
  const answer = await sendAsClient(server, client, endpoint, form, http);
  return judgeAnswer(answer, endpointName(endpoint), deviceAnswer);
}

/** The person's wait for a token. */
export interface DeviceWait {
  /** ends the wait, with its reason */
  readonly signal: AbortSignal;
  /** the resource indicator (RFC 8707) */
  readonly resource?: string | undefined;
  /** called once when a poll brought no judgement, and the wait goes on */
  readonly troubled: (result: Refusal | Unusable) => void;
}

/**
 * Asks for the token until the person has entered the code (RFC 8628 section 3.4), at the server's pace (section 3.5). A poll that
 * is not answered, or answered that it may be tried later, is no judgement.
 *
 * @returns the token; a refusal; `unusable`; `expired` when the code ended first
 * @throws the signal's reason; as {@link requestToken}, but not `unreachable`
 */
export async function pollForToken(
  server: ServerMetadata,
  client: Client,
  device: DeviceAnswer,
  http: OAuthHttp,
  { signal, resource, troubled }: DeviceWait,
): Promise<EndpointResult<TokenAnswer> | "expired"> {
  const codeEnds = performance.now() + (device.expires_in ?? Number.POSITIVE_INFINITY) * 1000;
  const form = {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: device.device_code,
    resource,
  };
  let { interval } = device;
  let isTold = false;
  for (;;) {
    await pause(Math.min(interval * 1000, codeEnds - performance.now()), signal);
    signal.throwIfAborted();
    if (performance.now() >= codeEnds) return "expired";
    const result = await polled(requestToken(server, client, form, http));
    const code = result.kind === "refused" ? result.code : undefined;
    if (code === "expired_token") return "expired";
    if (code === "authorization_pending") continue;
    if (result.kind === "issued" || !result.passing) return result;
    interval = pollSeconds(interval + 5);
    if (code !== "slow_down" && !isTold) troubled(result);
    isTold ||= code !== "slow_down";
  }
}

/** @returns the answer to a poll; `unusable`, for now, when none came: the next poll may be answered */
async function polled<T>(poll: Promise<T>): Promise<T | Unusable> {
  try {
    return await poll;
  } catch (error) {
    if (!(error instanceof CodemieError) || error.code !== "unreachable") throw error;
    return { kind: "unusable", why: error.message, passing: true };
  }
}
