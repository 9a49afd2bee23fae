import type { Secret } from "../core/secret.ts";
import type { Challenge } from "./challenge.ts";

/** An access token in use. */
export interface AccessToken {
  readonly accessToken: Secret;
}

/** Who waits for an authorization, and until when. */
export interface Waiting {
  readonly signal: AbortSignal;
  /** false: no browser is opened for it */
  readonly attended: boolean;
}

/** Where access tokens come from. */
export interface Authorization {
  /** @returns the token to send now, or undefined while the server has demanded none; waits for one that is under way */
  current(signal: AbortSignal): Promise<AccessToken | undefined>;
  /** Told that the server took a token. */
  accepted(token: AccessToken | undefined): void;
  /**
   * Gets a token that meets a demand.
   *
   * @param refused what was sent
   * @throws when there is none to be had
   */
  renew(challenge: Challenge, refused: AccessToken | undefined, waiting: Waiting): Promise<void>;
  /** Gives up what must not outlive the process. */
  close(patienceMs: number): Promise<void>;
}

/** @returns an authorization that is loaded once the server demands one: most of its parts no other run needs */
export function whenDemanded(load: () => Promise<Authorization>): Authorization {
  let loading: Promise<Authorization> | undefined;
  let loaded: Authorization | undefined;
  return {
    current: async (signal) => await loaded?.current(signal),
    accepted: (token) => loaded?.accepted(token),
    async renew(challenge, refused, waiting) {
      loading ??= load();
      loaded = await loading;
      await loaded.renew(challenge, refused, waiting);
    },
    close: async (patienceMs) => await loaded?.close(patienceMs),
  };
}
