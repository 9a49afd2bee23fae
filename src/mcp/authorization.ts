import { failure } from "../core/errors.ts";
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

/** For a server whose demands are met by the user's own headers, or not at all. */
export const noAuthorization = (origin: string): Authorization => ({
  current: async () => undefined,
  accepted: () => undefined,
  renew: async () => {
    throw failure.mcpTokenRefused(origin);
  },
  close: async () => undefined,
});
