import type { CodemieError } from "../../core/errors.ts";
import type { GrantStore, StoreKey } from "./store.ts";

/** How long nobody is asked again after a failed authorization, ms. */
export const restMs = 60_000;

/** The pause after a failed authorization: no second tab, no storm on the server. */
export class Rest {
  readonly #now: () => number;
  readonly #store: GrantStore | undefined;
  #until = 0;
  #why: CodemieError | undefined;
  /** set when all processes know of the pause, so that logging out ends it here too */
  #shared: StoreKey | undefined;

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

  end(): void {
    this.#why = undefined;
  }
}
