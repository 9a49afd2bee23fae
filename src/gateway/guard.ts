import { timingSafeEqual } from "node:crypto";
import { aheadHeaders } from "../core/fetched-ahead.ts";
import type { HeaderRecord } from "../http1/message.ts";
import { Denied, GatewayError } from "./errors.ts";
import type { IncomingRequest } from "./paths.ts";

/** Headers an agent may present the gateway's key in. */
export const keyHeaders = ["authorization", "x-api-key", "x-goog-api-key"] as const;

/** Returns when a request may pass; throws a GatewayError when it may not. */
export type Guard = (incoming: IncomingRequest) => void;

/**
 * Refuses a forged `Host` (DNS rebinding) and every request of a web page. It runs first for every request, `/health`
 * included: with an odd `Host`, the request's URL may not even parse.
 *
 * @param port the port we listen on
 * @returns a function that checks a request's headers, and throws Denied. `mayBeLed`: a page may send the browser here
 */
export function originGuard(port: number): (headers: HeaderRecord, mayBeLed?: boolean) => void {
  const [address, name] = [`127.0.0.1:${port}`, `localhost:${port}`];
  return (headers, mayBeLed = false) => {
    const { host, origin } = headers;
    if (host !== address && host?.toLowerCase() !== name)
      throw new Denied(403, "codemie gateway: the Host header is not the gateway's");
    // Browsers add these headers to a page's requests, and no page can remove them; coding agents send none of them. A person
    // who opens an address sends "none" as site, and gets an error that reveals nothing.
    const site = headers["sec-fetch-site"];
    const isAhead = aheadHeaders.some((name) => headers[name] !== undefined);
    const isLed = mayBeLed && headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
    if (origin !== undefined || (site !== undefined && site !== "none" && !isLed) || isAhead) {
      throw new Denied(403, "codemie gateway: requests from web pages are refused");
    }
  };
}

/**
 * @param key the gateway's key
 * @returns a function that returns true for headers with this key, in constant time; every key in them must be ours (a
 *   repeated header arrives joined with a comma, and so fails too)
 */
export function keyCheck(key: string): (headers: HeaderRecord) => boolean {
  const expected = Buffer.from(key);
  const presented = Buffer.alloc(expected.length);
  // The key's length is no secret; the position of the first wrong character would be one.
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

/** The guards of most routes, in their order. */
export interface UsualGuards {
  /** for every program on this machine */
  readonly open: readonly Guard[];
  /** for programs that have the key */
  readonly keyed: readonly Guard[];
}

/**
 * @param hasKey as {@link keyCheck} makes it
 * @param isDraining returns true once the gateway takes no new requests
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
    if (isDraining()) throw new GatewayError(503, "codemie gateway: the gateway is stopping");
  };
  return { open: [guardDraining, guardForm], keyed: [guardKey, guardDraining, guardForm] };
}

/**
 * Refuses requests that the gateway cannot carry: another protocol, a body with more than one length, a body where the
 * runtime's client allows none.
 *
 * @throws GatewayError
 */
function guardForm({ call: { method }, headers }: IncomingRequest): void {
  if (headers.upgrade?.toLowerCase() === "websocket") {
    throw new GatewayError(501, "codemie gateway: WebSocket is not supported; use plain HTTP requests");
  }
  // The runtime's parser accepts two equal lengths and joins them with a comma; RFC 9110 section 8.6 lets us refuse them.
  if (headers["content-length"]?.includes(",")) {
    throw new GatewayError(400, "codemie gateway: the request has more than one Content-Length");
  }
  // The runtime hides such a body from us, so the header that announces it has to do.
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
  if ((method === "GET" || method === "HEAD") && hasBody) {
    throw new GatewayError(400, `codemie gateway: a ${method} request must not have a body`);
  }
}
