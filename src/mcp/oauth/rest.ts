import type { CodemieError } from "../../core/errors.ts";
import { mcpFailure } from "../failures.ts";
import type { GrantStore, StoreKey } from "./store.ts";

/** How long nobody is asked again after a failed authorization, ms. */
export const restMs = 60_000;
/** Most authorizations by browser within {@link tabsMs}: each opens a tab, and a server can demand one with every answer. */
const mostTabs = 5;
/** ms */
const tabsMs = 10 * 60_000;

/** Keeps a server, or a person who declines, from having tab after tab opened: a pause after a failure, and a bound. */
export class Rest {
  readonly #now: () => number;
  readonly #store: GrantStore | undefined;
  #until = 0;
  #why: CodemieError | undefined;
  /** set when all processes know of the pause, so that logging out ends it here too */
  #shared: StoreKey | undefined;
  /** when the last authorizations by browser began, ms since the epoch */
  #tabs: readonly number[] = [];

  /** @param now clock, ms since the epoch */
  constructor(now: () => number, store: GrantStore | undefined) {
    this.#now = now;
    this.#store = store;
  }

  /** @throws the failure that began the pause, while it lasts */
  async check(): Promise<void> {
    if (!this.#why || this.#now() >= this.#until) return;
    const isLifted = this.#shared && (await this.#store?.restsUntil(this.#shared)) === 0;
    if (!isLifted && this.#why) throw this.#why;
    this.end();
  }

  /** @throws `auth_needed` when another process asked a short time ago, in vain */
  async checkShared(key: StoreKey, origin: string): Promise<void> {
    const left = ((await this.#store?.restsUntil(key)) ?? 0) - this.#now();
    if (left > 0 && left <= restMs) throw mcpFailure.justAsked(origin);
  }

  begin(why: CodemieError): void {
    this.#until = this.#now() + restMs;
    this.#why = why;
    this.#shared = undefined;
  }

  /** Begins the pause for all processes. Never throws. */
  async share(why: CodemieError, key: StoreKey): Promise<void> {
    this.begin(why);
    try {
      await this.#store?.rest(key, this.#until);
      if (this.#store) this.#shared = key;
    } catch {
      // Then each process asks on its own.
    }
  }

  /**
   * Notes that an authorization by browser begins.
   *
   * @param origin the server that demands it
   * @throws `auth_needed` when there were too many of late
   */
  countTab(origin: string): void {
    const recent = this.#tabs.filter((at) => this.#now() - at < tabsMs);
    if (recent.length >= mostTabs) throw mcpFailure.askedTooOften(origin, mostTabs, tabsMs / 60_000);
    this.#tabs = [...recent, this.#now()];
  }

  end(): void {
    this.#why = undefined;
  }
}
