import { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { stampOf } from "../platform/files.ts";
import type { Runtime } from "../platform/runtime.ts";
import { authorizeWithBearer } from "./authorize.ts";
import type { BearerToken } from "./bearer-token.ts";
import type { Credentials, Lease } from "./credentials.ts";
import { type GivenIdentity, identityPlace } from "./identity-source.ts";
import type { IdentityToken } from "./identity-token.ts";
import { confirmations, isAccepted } from "./probe.ts";

/** Get another token when less than this of its life is left: a quarter, and at most a minute, ms. */
const renewAheadMs = (lifeMs: number) => Math.min(60_000, lifeMs / 4);

/** How long to go on with a token that has not ended when a newer one cannot be had, before asking again, ms. */
const askAgainMs = 5_000;

interface IdentityLease extends Lease {
  readonly bearer: BearerToken;
  /** when to get another, ms since the epoch */
  readonly due: number;
  /** state of the file that it came from */
  readonly stamp: string;
  /** true: it replaced one that the host refused */
  readonly isSecond: boolean;
}

/**
 * Makes credentials from the identity of a job. It keeps one in memory, gets another one before that ends, and lets
 * concurrent callers share one request for it.
 *
 * @param host the only host that the credential goes to
 * @returns the credentials; `current` throws `auth_needed` when the job has no identity, `auth_refused` when its token is
 *   for another audience or cannot be used, `auth_expired` when it has ended, `usage`, `server_error`, `unreachable`, `tls`
 */
export function givenIdentity(given: GivenIdentity, host: Host, runtime: Runtime): Credentials {
  const { source, audience, exchange } = given;
  const confirmed = confirmations();
  let lease: IdentityLease | undefined;
  let flight: Promise<IdentityLease> | undefined;
  let byProvider: ((identity: IdentityToken) => Promise<BearerToken>) | undefined;

  const stampNow = async () => (source.kind === "file" ? await stampOf(source.path) : "");

  async function issue(isSecond: boolean): Promise<IdentityLease> {
    const stamp = await stampNow();
    const { readIdentityToken } = await import("./identity-token.ts");
    const identity = await readIdentityToken(source, audience, runtime);
    if (exchange) byProvider ??= (await import("./identity-exchange.ts")).identityExchange(exchange, runtime);
    const bearer = byProvider ? await byProvider(identity) : identity.bearer;
    const { subject, issuer } = identity;
    const now = runtime.now();
    const end = bearer.expiresAt ?? Number.POSITIVE_INFINITY;
    return {
      origin: host.origin,
      authorize: authorizeWithBearer(bearer.token),
      login: undefined,
      bearer,
      identity: { subject, issuer, audience, place: identityPlace(source) },
      due: end - renewAheadMs(end - Math.min(now, bearer.issuedAt ?? now)),
      stamp,
      isSecond,
    };
  }

  /** All callers share the one request that runs. */
  function another(isSecond: boolean): Promise<IdentityLease> {
    flight ??= issue(isSecond)
      .then((newer) => {
        lease = newer;
        return newer;
      })
      .finally(() => {
        flight = undefined;
      });
    return flight;
  }

  async function current(): Promise<IdentityLease> {
    const now = runtime.now();
    if (lease && now < lease.due && (exchange || (await stampNow()) === lease.stamp)) return lease;
    const before = lease;
    try {
      return await another(false);
    } catch (error) {
      if (!(error instanceof CodemieError) || (before?.bearer.expiresAt ?? 0) <= now || !before) throw error;
      lease = { ...before, due: now + askAgainMs };
      return lease;
    }
  }

  return {
    current,
    capture: async () => undefined,
    confirm: ({ authorize, bearer }) =>
      confirmed(bearer?.token.reveal() ?? "", () => isAccepted(host, authorize, runtime.fetch)),
    async renew(refused) {
      const isRefused = (one: Lease | undefined) => one?.bearer?.token.reveal() === refused.bearer?.token.reveal();
      if (lease && !isRefused(lease)) return lease;
      // A host that refuses a second token refuses the identity, not that token.
      if (lease?.isSecond) return undefined;
      const newer = await another(true).catch(() => undefined);
      return isRefused(newer) ? undefined : newer;
    },
  };
}
