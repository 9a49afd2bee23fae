import { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { StoredLogin } from "./credential.ts";
import type { renewLogin } from "./renew-login.ts";
import type { Renewal } from "./renewal.ts";

/** After a renewal that got no usable answer, the next one waits this long, ms. */
const restMs = 5_000;

/**
 * A provider may take a refused refresh token that comes again for a stolen one, and each request to one that does not
 * answer takes the whole time limit.
 *
 * @param renew renews a login without a person
 * @returns the same, but for a provider's tokens it repeats an outcome instead of asking again: `ended` always, `unknown`
 *   for {@link restMs}
 */
export function restingRenewal(renew: typeof renewLogin, host: Host, runtime: Runtime) {
  let last: { readonly of: string; readonly at: number; readonly outcome: Renewal<StoredLogin> } | undefined;
  return async (login: StoredLogin): Promise<Renewal<StoredLogin>> => {
    if (login.method !== "oidc") return await renew(login, host, runtime);
    const of = `${login.accessToken} ${login.refreshToken}`;
    const age = runtime.now() - (last?.at ?? 0);
    const isResting = last?.outcome.kind === "ended" || (age >= 0 && age < restMs);
    if (last?.of === of && isResting) return last.outcome;
    const outcome = await renew(login, host, runtime);
    const failed = outcome.kind === "ended" || outcome.kind === "unknown";
    last = failed ? { of, at: runtime.now(), outcome } : undefined;
    return outcome;
  };
}

/** If the host refuses a login younger than this, ms, another new login would not help. */
const uselessLoginMs = 60_000;

/**
 * Does not open a browser for each request: if even a new login does not help, a further one would not either.
 *
 * @param loginAgain has a person log in again, and stores the new login; undefined when nobody is there
 * @param now ms since the epoch
 * @returns a function that returns true when there is a new login, false when there is none. It throws failures with exit
 *   code 1, and errors that are not ours
 */
export function restingLogin(loginAgain: (() => Promise<void>) | undefined, now: () => number): () => Promise<boolean> {
  let loggedInAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (!loginAgain || now() - loggedInAt < uselessLoginMs) return false;
    try {
      await loginAgain();
    } catch (error) {
      if (error instanceof CodemieError && error.exitCode !== 1) return false;
      throw error;
    }
    loggedInAt = now();
    return true;
  };
}
