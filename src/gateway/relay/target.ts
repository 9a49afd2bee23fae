import { printable } from "../../core/text.ts";
import { isAddress, isPublicAddress } from "./public-address.ts";
import { RelayRefusal } from "./refusal.ts";

/** Longest address of a target, characters. */
const longestTarget = 8_192;

/** How long a search for a name's addresses may take, and how long its result counts, ms. */
const [searchMs, keptMs] = [10_000, 60_000];
/** How many names' addresses are kept. */
const mostNames = 256;

/** The way to a target: the addresses that were checked, or the company's proxy. */
export type Way = { readonly addresses: readonly string[] } | { readonly proxied: true };

export interface TargetOptions {
  /** hosts, or hosts with a port, that the profile names: they may be private, and plain `http:` */
  readonly privateHosts: readonly string[];
  /** all addresses of a name; throws when it has none */
  readonly addressesOf: (name: string) => Promise<readonly string[]>;
  /** true when a request to this address goes through a proxy */
  readonly isProxied: (url: URL) => boolean;
  /** ms since the epoch */
  readonly now: () => number;
}

/**
 * Judges where the relay may send a request, and finds the addresses to connect to. A name is looked up once: whoever answers
 * for it cannot show one address to the check and another to the connection.
 */
export class Targets {
  readonly #options: TargetOptions;
  readonly #named: readonly { readonly hostname: string; readonly port: string }[];
  readonly #ways = new Map<string, { readonly way: Promise<Way>; readonly until: number }>();

  constructor(options: TargetOptions) {
    this.#options = options;
    this.#named = options.privateHosts.flatMap((entry) => {
      const url = URL.parse(`https://${entry}`);
      return url ? [{ hostname: url.hostname, port: /:(\d+)$/.exec(entry)?.[1] ?? "" }] : [];
    });
  }

  /**
   * Judges the form of an address: what the URL parser makes of it counts, never the text.
   *
   * @param server the MCP server that the request belongs to: only one that the profile names leads to others that it names
   * @returns the parsed address, without its fragment
   * @throws RelayRefusal
   */
  allowed(address: string, server: string): URL {
    const url = URL.parse(address);
    if (!url || address.length > longestTarget) throw new RelayRefusal(400, "address", "that is not a web address");
    url.hash = "";
    const host = printable(url.host, 200);
    if (url.protocol !== "https:" && url.protocol !== "http:")
      throw new RelayRefusal(403, "address", `only https: addresses are allowed, not ${printable(url.protocol, 20)}`);
    if (url.username || url.password)
      throw new RelayRefusal(403, "address", "a user name or password in an address is not allowed", host);
    if (this.#isNamed(url, server)) return url;
    if (url.protocol === "http:")
      throw new RelayRefusal(
        403,
        "address",
        `plain http: is for hosts in the profile's relayPrivateHosts: ${host}`,
        host,
      );
    const name = url.hostname.replace(/^\[|\]$/g, "");
    if (isAddress(name) ? !isPublicAddress(name) : isLocalName(name)) throw isPrivate(host);
    return url;
  }

  /**
   * Finds the way to a target, after {@link allowed}.
   *
   * @param server as there
   * @throws RelayRefusal when its name has no address, or any that is not public and the profile does not name it
   */
  async wayTo(url: URL, server: string): Promise<Way> {
    const isNamed = this.#isNamed(url, server);
    if (this.#options.isProxied(url)) {
      if (isNamed) return { proxied: true };
      const host = printable(url.host, 200);
      throw new RelayRefusal(
        403,
        "proxy",
        `a proxy would look up ${host}, so its address cannot be checked; the profile's relayPrivateHosts can allow it`,
        host,
      );
    }
    const name = url.hostname.replace(/^\[|\]$/g, "");
    if (isAddress(name)) return { addresses: [name] };
    const key = `${isNamed ? "named" : "public"} ${name}`;
    const now = this.#options.now();
    const kept = this.#ways.get(key);
    if (kept && kept.until > now) return await kept.way;
    if (this.#ways.size >= mostNames) this.#ways.clear();
    const way = this.#search(url, name, isNamed);
    this.#ways.set(key, { way, until: now + keptMs });
    way.catch(() => this.#ways.delete(key));
    return await way;
  }

  /** Forgets the addresses of a host that could not be reached at them. */
  forget({ hostname }: URL): void {
    for (const kind of ["named", "public"]) this.#ways.delete(`${kind} ${hostname}`);
  }

  async #search(url: URL, name: string, isNamed: boolean): Promise<Way> {
    const host = printable(url.host, 200);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("no answer in time")), searchMs);
    let found: readonly string[];
    try {
      found = await Promise.race([this.#options.addressesOf(name), late.promise]);
    } catch {
      found = [];
    } finally {
      clearTimeout(timer);
    }
    if (found.length === 0) throw new RelayRefusal(403, "unresolved", `${host} does not resolve`, host);
    if (!isNamed && !found.every(isPublicAddress)) throw isPrivate(host);
    // IPv4 first: where IPv6 leads nowhere, a try takes a minute.
    return { addresses: found.toSorted((a, b) => Number(a.includes(":")) - Number(b.includes(":"))) };
  }

  #isNamed(url: URL, server: string): boolean {
    const own = URL.parse(server);
    return own !== null && this.#isEntry(own) && this.#isEntry(url);
  }

  #isEntry({ hostname, port, protocol }: URL): boolean {
    const at = port || (protocol === "https:" ? "443" : "80");
    return this.#named.some((one) => one.hostname === hostname && (one.port === "" || Number(one.port) === Number(at)));
  }
}

/** Names of this machine and of the network it is in (RFC 6761 section 6.3, RFC 6762 section 3): nobody is asked about them. */
const isLocalName = (name: string) => /(?:^|\.)(?:localhost|localdomain|local|internal)\.?$/.test(name);

const isPrivate = (host: string) =>
  new RelayRefusal(
    403,
    "private-network",
    `${host} is not on the public Internet; the profile's relayPrivateHosts can allow it`,
    host,
  );
