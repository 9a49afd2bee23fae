import type { HttpClient } from "../../http1/message.ts";
import { type ConnectionPool, connectionPool } from "../../http1/pool.ts";
import type { TlsSettings } from "../../platform/network.ts";
import type { Way } from "./target.ts";

/** How many servers' connections are kept: those that were used last. */
const mostPools = 64;

/** Connections to the relay's targets, each only to the addresses that were checked. */
export class Upstreams {
  readonly #tls: () => TlsSettings;
  readonly #proxied: HttpClient;
  /** by origin and addresses, the one used last at the end */
  readonly #pools = new Map<string, ConnectionPool>();

  /**
   * @param tls yields the certificates to accept
   * @param proxied the way through the company's proxy
   */
  constructor(tls: () => TlsSettings, proxied: HttpClient) {
    this.#tls = tls;
    this.#proxied = proxied;
  }

  /** @returns the client for requests to an origin */
  to(origin: string, way: Way): HttpClient {
    if ("proxied" in way) return this.#proxied;
    const key = `${origin} ${way.addresses.join(" ")}`;
    const known = this.#pools.get(key);
    const [first = "", ...others] = way.addresses;
    const pool = known ?? connectionPool(origin, this.#tls, [first, ...others]);
    this.#pools.delete(key);
    this.#pools.set(key, pool);
    if (this.#pools.size > mostPools) {
      const [[oldest, retired] = []] = this.#pools;
      if (oldest !== undefined) this.#pools.delete(oldest);
      retired?.retire();
    }
    return pool;
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close();
    this.#proxied.close();
  }
}
