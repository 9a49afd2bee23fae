import { CodemieError } from "../../core/errors.ts";
import type { Challenge } from "../challenge.ts";
import { mcpFailure } from "../failures.ts";
import { loggable } from "../log.ts";
import { judgeHostsOfProof } from "./client.ts";
import { type Deployment, discover } from "./discovery.ts";
import type { SessionOptions } from "./options.ts";

/** How the MCP server is protected, as it last said: it may name another authorization server in mid-run. */
export class CurrentDeployment {
  readonly #options: SessionOptions;
  #known: Deployment | undefined;
  #named: string | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** what was last discovered; undefined before the first challenge */
  get known(): Deployment | undefined {
    return this.#known;
  }

  /**
   * Discovers the authorization server for a challenge; after the first one, as far as it may have changed. Where it cannot be
   * discovered again for now, the known one stays.
   *
   * @param challenge a 401 says that the tokens in use are no longer taken, so the server is asked who issues them
   * @throws `auth_refused` when another one is named than the user's client is registered at (MCP 2026-07-28, authorization
   *   server binding); as {@link discover}
   */
  async for({ status, resourceMetadata: named }: Challenge): Promise<Deployment> {
    const known = this.#known;
    if (known && status !== 401 && (named === undefined || named === this.#named)) return known;
    const { url, resource, issuer, http, trace, client, workload, log } = this.#options;
    let found: Deployment;
    try {
      found = await discover({ url, named, resource, issuer, http, trace, known });
    } catch (error) {
      if (!known || (error instanceof CodemieError && error.code === "auth_refused")) throw error;
      log.info(`could not find out whether the authorization server changed: ${loggable(error)}`);
      return known;
    }
    if (known && known.server.issuer !== found.server.issuer && client.clientId !== undefined)
      throw mcpFailure.otherIssuer(known.server.issuer, found.server.issuer);
    judgeHostsOfProof(found.server, client, url, issuer, workload !== undefined);
    this.#named = named;
    this.#known = found;
    return found;
  }
}
