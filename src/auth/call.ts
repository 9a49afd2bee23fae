import { Api } from "../api/client.ts";
import { apiFailure } from "../api/failures.ts";
import { CodemieError } from "../core/errors.ts";
import { hostAt } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import { type Credentials, type Lease, renewals } from "./credentials.ts";
import { authFailure } from "./failures.ts";
import { provingFetch } from "./proofs.ts";

/**
 * Runs a call of the REST API with the current credential. When the host refuses it, tries again with a newer one, up
 * to {@link renewals} times. Stores the session cookies that answers change.
 *
 * @param version our version, `MAJOR.MINOR.PATCH`
 * @returns what `call` returned
 * @throws `auth_expired` when there is no newer credential; what `call` and the credentials throw
 */
export async function callWith<T>(
  credentials: Credentials,
  { fetch }: Runtime,
  version: string,
  call: (api: Api) => Promise<T>,
): Promise<T> {
  let lease = await credentials.current();
  for (let left = renewals; ; left--) {
    const { origin, authorize } = lease;
    const received = (setCookies: string[]) => credentials.capture(lease, setCookies);
    try {
      const proving = provingFetch(fetch, authorize.proofs);
      return await call(new Api({ host: hostAt(origin), authorize, received, fetch: proving, version }));
    } catch (error) {
      if (!(error instanceof CodemieError) || error.code !== "auth_expired" || left === 0) throw error;
      const newer = await credentials.renew(lease);
      if (!newer) throw refusal(lease);
      lease = newer;
    }
  }
}

/** The failure for a credential that the host refuses when there is no newer one. */
function refusal({ origin, bearer, profile, variable, identity }: Lease): CodemieError {
  if (identity) return authFailure.identityRefused(origin, identity);
  if (!bearer) return apiFailure.sessionEnded(origin, profile);
  const refused = authFailure.tokenRefused(origin);
  return variable ? authFailure.ofVariable(variable, refused) : refused;
}
