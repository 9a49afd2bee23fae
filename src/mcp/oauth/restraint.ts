import type { CodemieError } from "../../core/errors.ts";
import { mcpFailure } from "../failures.ts";

/** After a failed authorization, no browser opens for this long, ms. */
export const restMs = 60_000;
/** Most authorizations by browser within {@link tabsMs}: each opens a tab, and a server can demand one with every answer. */
const mostTabs = 5;
/** ms */
const tabsMs = 10 * 60_000;

/** Keeps a server, or a person who declines, from having tab after tab opened. */
export class Restraint {
  readonly #origin: string;
  readonly #now: () => number;
  /** why no authorization begins, and until when */
  #rest: { readonly until: number; readonly error: CodemieError } | undefined;
  /** when the last authorizations by browser began, ms since the epoch */
  #tabs: readonly number[] = [];

  /**
   * @param origin the MCP server's, for the failure
   * @param now the time, ms since the epoch
   */
  constructor(origin: string, now: () => number) {
    this.#origin = origin;
    this.#now = now;
  }

  /** @throws the failure of the last authorization, if that is a short time ago */
  check(): void {
    if (this.#rest && this.#now() < this.#rest.until) throw this.#rest.error;
  }

  /** Notes that an authorization by browser begins. @throws `auth_needed` when there were too many of late */
  count(): void {
    const now = this.#now();
    const recent = this.#tabs.filter((at) => now - at < tabsMs);
    if (recent.length >= mostTabs) throw mcpFailure.askedTooOften(this.#origin, mostTabs, tabsMs / 60_000);
    this.#tabs = [...recent, now];
  }

  /** Blocks new authorizations for a while after a failed one. @returns its failure */
  pause(error: CodemieError): CodemieError {
    this.#rest = { until: this.#now() + restMs, error };
    return error;
  }

  /** Ends the pause, since there is a new token. */
  lift(): void {
    this.#rest = undefined;
  }
}
