import { isIP } from "node:net";
import { isLoopback } from "../core/host.ts";

/** Longest address out of a document that we follow, show or keep, characters beyond the server's own. */
export const longestAddress = 8_192;

/** Judges an address that a document from elsewhere names: the parsed address, or undefined if we must not use it. */
export type AddressRule = (address: string) => URL | undefined;

/**
 * Makes the rule for addresses that a server's metadata names, the server's own included: the same for the server or
 * provider of a login and for the bridge's. A server on the network must not send us to a service on
 * this machine or on its local link (RFC 9728 section 7.7), whatever the protocol. A company's private addresses are
 * allowed. Plain `http:` is allowed between a server on this machine and other addresses on it.
 *
 * @param server the server whose metadata we follow
 * @param allowHttp whether the user allowed plain `http:` to that server; this allows its host name only
 * @returns the rule; it refuses `https:` addresses that hold a user name or password, and all that are too long
 */
export function addressesNamedBy(server: URL, allowHttp: boolean): AddressRule {
  return (address) => {
    const url = URL.parse(address);
    if (!url || url.href.length > longestAddress + server.href.length) return undefined;
    if (isLocalOnly(url.hostname) && !isLocalOnly(server.hostname)) return undefined;
    if (url.protocol === "https:" && !url.username && !url.password) return url;
    const isLocal = isLoopback(server.hostname) && isLoopback(url.hostname);
    const isServer = allowHttp && url.hostname === server.hostname;
    return url.protocol === "http:" && (isLocal || isServer) ? url : undefined;
  };
}

/** Names of this machine in the list of hosts that systems come with (hosts(5)). */
const localNames: ReadonlySet<string> = new Set([
  "localhost",
  "localhost.localdomain",
  "localhost4",
  "localhost6",
  "ip6-localhost",
  "ip6-loopback",
]);

/** Names and addresses that mean something else on each machine: unspecified, loopback, link-local (RFC 6890). */
function isLocalOnly(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$|\.$/g, "").toLowerCase();
  if (localNames.has(host) || host.endsWith(".localhost") || host.endsWith(".")) return true;
  if (isIP(host) === 4) return /^(0|127|169\.254)\./.test(host);
  if (isIP(host) !== 6) return false;
  // The URL parser writes the last 32 bits of `::ffff:a.b.c.d`, and of translated addresses (RFC 6052), in hexadecimal.
  const [, high, low] = /^(?:::(?:ffff:(?:0:)?)?|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host) ?? [];
  if (high !== undefined && low !== undefined) {
    const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
    return isLocalOnly([a >> 8, a & 255, b >> 8, b & 255].join("."));
  }
  return host === "::" || host === "::1" || /^fe[89ab]/.test(host);
}
