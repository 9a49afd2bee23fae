import { createHash, timingSafeEqual } from "node:crypto";
import type { GatewayError } from "./errors.ts";

/** Headers an agent may present the gateway's key in. */
export const keyHeaders = ["authorization", "x-api-key", "x-goog-api-key"] as const;

/**
 * Refuses a forged `Host` (DNS rebinding) and anything a web page sent. Every request passes here first, `/health`
 * included: under an odd `Host` the request's URL need not even parse.
 *
 * @param headers the request's headers
 * @param port the port we listen on
 * @returns the refusal, or undefined when the request may pass
 */
export function guardOrigin(headers: Headers, port: number): GatewayError | undefined {
  const host = headers.get("host");
  if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`) {
    return { status: 403, message: "codemie gateway: wrong Host header" };
  }
  // Browsers add these to what a page sends and no page can remove them; coding agents send neither. The first request
  // of a page that a person opens has "none", and it is answered with an error that tells nothing.
  const site = headers.get("sec-fetch-site");
  if (headers.has("origin") || (site !== null && site !== "none")) {
    return { status: 403, message: "codemie gateway: requests from web pages are refused" };
  }
  return undefined;
}

/**
 * Refuses whoever does not present the gateway's key.
 *
 * @param headers the request's headers
 * @param key the gateway's key
 * @returns the refusal, or undefined when the request may pass
 */
export function guardKey(headers: Headers, key: string): GatewayError | undefined {
  const presented: string[] = [];
  for (const name of keyHeaders) {
    const value = headers.get(name);
    if (value !== null) presented.push(name === "authorization" ? value.replace(/^Bearer +/i, "") : value);
  }
  // Every key presented must be ours: a repeated header arrives joined with a comma and so fails as well.
  if (presented.length > 0 && presented.every((candidate) => sameSecret(candidate, key))) return undefined;
  return {
    status: 401,
    message:
      "codemie gateway: this key is not the gateway's; start the agent through codemie, for example codemie-claude",
  };
}

/** Compares in a time that tells neither where they differ nor how long the secret is. */
function sameSecret(candidate: string, secret: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(candidate), digest(secret));
}
