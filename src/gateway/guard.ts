import { timingSafeEqual } from "node:crypto";
import { aheadHeaders } from "../core/fetched-ahead.ts";
import type { HeaderRecord } from "../http1/message.ts";
import { Denied, GatewayError } from "./errors.ts";
import type { IncomingRequest } from "./paths.ts";

/** Headers an agent may present the gateway's key in. */
export const keyHeaders = ["authorization", "x-api-key", "x-goog-api-key"] as const;

/** Judges a request: returns when it may pass, throws a GatewayError when it may not. */
export type Guard = (incoming: IncomingRequest) => void;

/**
 * Refuses a forged `Host` (DNS rebinding) and anything a web page sent. Every request passes here first, `/health`
 * included: under an odd `Host` the request's URL need not even parse.
 *
 * @param port the port we listen on
 * @returns judges a request by its headers, and throws Denied
 */
export function originGuard(port: number): (headers: HeaderRecord) => void {
  const [address, name] = [`127.0.0.1:${port}`, `localhost:${port}`];
  return (headers) => {
    const { host, origin } = headers;
    if (host !== address && host !== name) throw new Denied(403, "codemie gateway: wrong Host header");
    // Browsers add these to what a page sends and no page can remove them; coding agents send neither. The first request
    // of a page that a person opens has "none", and it is answered with an error that tells nothing.
    const site = headers["sec-fetch-site"];
    const isAhead = aheadHeaders.some((name) => headers[name] !== undefined);
    if (origin !== undefined || (site !== undefined && site !== "none") || isAhead) {
      throw new Denied(403, "codemie gateway: requests from web pages are refused");
    }
  };
}

/**
 * @param key the gateway's key
 * @returns true for headers that present it: constant time, and every key presented must be ours (a repeated header
 *   arrives joined with a comma and so fails as well)
 */
export function keyCheck(key: string): (headers: HeaderRecord) => boolean {
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
      if (!isKey(name === "authorization" ? value.replace(/^Bearer +/i, "") : value)) return false;
    }
    return keys > 0;
  };
}

/** Guards as most routes have them, in the order they judge. */
export interface UsualGuards {
  /** for anybody on this machine */
  readonly open: readonly Guard[];
  /** for who presents the key */
  readonly keyed: readonly Guard[];
}

/**
 * @param hasKey as {@link keyCheck} makes it
 * @param isDraining true once no new request is taken
 */
export function usualGuards(hasKey: (headers: HeaderRecord) => boolean, isDraining: () => boolean): UsualGuards {
  const guardKey: Guard = ({ headers }) => {
    if (hasKey(headers)) return;
    throw new Denied(
      401,
      "codemie gateway: this key is not the gateway's; start the agent through codemie, for example codemie-claude",
    );
  };
  const guardDraining: Guard = () => {
    if (isDraining()) throw new GatewayError(503, "codemie gateway: it is stopping");
  };
  return { open: [guardDraining, guardForm], keyed: [guardKey, guardDraining, guardForm] };
}

/**
 * Refuses a request this gateway does not carry: another protocol, a body whose length is told more than once, a body
 * where the runtime's client allows none.
 *
 * @throws GatewayError
 */
function guardForm({ call: { method }, headers }: IncomingRequest): void {
  if (headers.upgrade?.toLowerCase() === "websocket") {
    throw new GatewayError(501, "codemie gateway: WebSocket is not carried, use plain HTTP requests");
  }
  // Equal lengths given twice pass the runtime's parser, joined with a comma (RFC 9110 section 8.6 lets us refuse them).
  if (headers["content-length"]?.includes(",")) {
    throw new GatewayError(400, "codemie gateway: repeated Content-Length");
  }
  // The runtime keeps such a body from us, so a header that announces one is all there is to judge.
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
  if ((method === "GET" || method === "HEAD") && hasBody) {
    throw new GatewayError(400, `codemie gateway: a ${method} request with a body is not carried`);
  }
}
