import { timingSafeEqual } from "node:crypto";
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
 * Refuses what this gateway does not carry: another protocol, a body whose length is told more than once, a body where
 * the runtime's client allows none.
 *
 * @param request the request, from somebody who may enter
 */
export function guardForm(request: Request): GatewayError | undefined {
  const { method, headers } = request;
  if (headers.get("upgrade")?.toLowerCase() === "websocket") {
    return { status: 501, message: "codemie gateway: WebSocket is not carried, use plain HTTP requests" };
  }
  // Equal lengths given twice pass the runtime's parser, joined with a comma (RFC 9110 section 8.6 lets us refuse them).
  if (headers.get("content-length")?.includes(",")) {
    return { status: 400, message: "codemie gateway: repeated Content-Length" };
  }
  if ((method === "GET" || method === "HEAD") && request.body) {
    return { status: 400, message: `codemie gateway: a ${method} request with a body is not carried` };
  }
  return undefined;
}

/** Judges the key of a request. */
export type KeyGuard = (headers: Headers) => GatewayError | undefined;

/**
 * @param key the gateway's key
 * @returns refuses whoever does not present it: constant time, and every key presented must be ours (a repeated header
 *   arrives joined with a comma and so fails as well)
 */
export function keyGuard(key: string): KeyGuard {
  const expected = Buffer.from(key);
  // The key's length is no secret; where the first wrong character stands would be one.
  const isKey = (candidate: string) =>
    candidate.length === key.length && timingSafeEqual(Buffer.from(candidate, "latin1"), expected);
  return (headers) => {
    let presented = 0;
    for (const name of keyHeaders) {
      const value = headers.get(name);
      if (value === null) continue;
      presented++;
      if (!isKey(name === "authorization" ? value.replace(/^Bearer +/i, "") : value)) presented = Number.NaN;
    }
    return presented > 0 ? undefined : notOurs;
  };
}

const notOurs: GatewayError = {
  status: 401,
  message:
    "codemie gateway: this key is not the gateway's; start the agent through codemie, for example codemie-claude",
};
