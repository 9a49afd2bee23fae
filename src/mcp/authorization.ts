import type { Secret } from "../core/secret.ts";
import type { ProofKey } from "../oauth/proof-key.ts";
import type { Challenge } from "./challenge.ts";

/** An access token in use. */
export interface AccessToken {
  readonly accessToken: Secret;
  /** the key that the token is bound to (RFC 9449); absent: a bearer token */
  readonly proofKey?: ProofKey;
}

/** The message that waits for an authorization. */
export interface Waiting {
  readonly signal: AbortSignal;
  /**
   * false: nobody waits for it, so no browser opens for it; the server may set the pace of such messages, so their renewals
   * are spaced
   */
  readonly attended: boolean;
}

/** The source of access tokens. */
export interface Authorization {
  /** Waits for an authorization under way. @returns the token to send now; undefined while the server demands none */
  current(waiting: Waiting): Promise<AccessToken | undefined>;
  /** Called when the server accepted a token. */
  accepted(token: AccessToken | undefined): void;
  /**
   * Gets a token that meets a challenge, for the next call of `current`.
   *
   * @param refused the token that the request carried
   * @throws when it gets none; the signal's reason
   */
  renew(challenge: Challenge, refused: AccessToken | undefined, waiting: Waiting): Promise<void>;
  /** Revokes, within `patienceMs`, tokens and registrations that must not outlive the process. */
  close(patienceMs: number): Promise<void>;
}

/** @returns an authorization that loads its code once the server demands a token: most runs never need it */
export function whenDemanded(load: () => Promise<Authorization>): Authorization {
  let loading: Promise<Authorization> | undefined;
  let loaded: Authorization | undefined;
  return {
    current: async (waiting) => await loaded?.current(waiting),
    accepted: (token) => loaded?.accepted(token),
    async renew(challenge, refused, waiting) {
      loading ??= load();
      loaded = await loading;
      await loaded.renew(challenge, refused, waiting);
    },
    close: async (patienceMs) => await loaded?.close(patienceMs),
  };
}
