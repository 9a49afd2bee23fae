import { timingSafeEqual } from "node:crypto";
import { aheadHeaders } from "../core/fetched-ahead.ts";
import type { HeaderRecord } from "../http1/message.ts";
import type { GatewayError } from "./errors.ts";

/** Headers an agent may present the gateway's key in. */
export const keyHeaders = ["authorization", "x-api-key", "x-goog-api-key"] as const;

/** Judges something of a request by its headers. */
export type Guard = (headers: HeaderRecord) => GatewayError | undefined;

/**
 * Refuses a forged `Host` (DNS rebinding) and anything a web page sent. Every request passes here first, `/health`
 * included: under an odd `Host` the request's URL need not even parse.
 *
 * @param port the port we listen on
 * @returns the refusal, or undefined when the request may pass
 */
export function originGuard(port: number): Guard {
  const [address, name] = [`127.0.0.1:${port}`, `localhost:${port}`];
  return (headers) => {
    const { host, origin } = headers;
    if (host !== address && host !== name) return wrongHost;
    // Browsers add these to what a page sends and no page can remove them; coding agents send neither. The first request
    // of a page that a person opens has "none", and it is answered with an error that tells nothing.
    const site = headers["sec-fetch-site"];
    if (origin !== undefined || (site !== undefined && site !== "none")) return fromPage;
    return aheadHeaders.some((name) => headers[name] !== undefined) ? fromPage : undefined;
  };
}

const wrongHost: GatewayError = { status: 403, message: "codemie gateway: wrong Host header" };
const fromPage: GatewayError = { status: 403, message: "codemie gateway: requests from web pages are refused" };

/**
 * Refuses what this gateway does not carry: another protocol, a body whose length is told more than once, a body where
 * the runtime's client allows none.
 *
 * @param method of a request from somebody who may enter
 * @param headers its headers
 */
export function guardForm(method: string, headers: HeaderRecord): GatewayError | undefined {
  if (headers.upgrade?.toLowerCase() === "websocket") {
    return { status: 501, message: "codemie gateway: WebSocket is not carried, use plain HTTP requests" };
  }
  // Equal lengths given twice pass the runtime's parser, joined with a comma (RFC 9110 section 8.6 lets us refuse them).
  if (headers["content-length"]?.includes(",")) {
    return { status: 400, message: "codemie gateway: repeated Content-Length" };
  }
  // The runtime keeps such a body from us, so what announces one is what is judged.
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
  if ((method === "GET" || method === "HEAD") && hasBody) {
    return { status: 400, message: `codemie gateway: a ${method} request with a body is not carried` };
  }
  return undefined;
}

/**
 * @param key the gateway's key
 * @returns refuses whoever does not present it: constant time, and every key presented must be ours (a repeated header
 *   arrives joined with a comma and so fails as well)
 */
export function keyGuard(key: string): Guard {
  const expected = Buffer.from(key);
  const presented = Buffer.alloc(expected.length);
  // The key's length is no secret; where the first wrong character stands would be one.
  const isKey = (candidate: string) => {
    if (candidate.length !== key.length) return false;
    presented.write(candidate, "latin1");
    return timingSafeEqual(presented, expected);
  };
  return (headers) => {
    let keys = 0;
    for (const name of keyHeaders) {
      const value = headers[name];
      if (value === undefined) continue;
      keys++;
      if (!isKey(name === "authorization" ? value.replace(/^Bearer +/i, "") : value)) return notOurs;
    }
    return keys > 0 ? undefined : notOurs;
  };
}

const notOurs: GatewayError = {
  status: 401,
  message:
    "codemie gateway: this key is not the gateway's; start the agent through codemie, for example codemie-claude",
};
