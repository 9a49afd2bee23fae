import { Api } from "../api/client.ts";
import { apiFailure } from "../api/failures.ts";
import { CodemieError } from "../core/errors.ts";
import { hostAt } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import { type Credentials, type Lease, renewals } from "./broker.ts";
import { authFailure } from "./failures.ts";

/**
 * Runs a call of the REST API with the credential that works now; when the host says the session is over, tries again
 * with a newer one. What an answer does to the session is kept.
 *
 * @param version our version, `MAJOR.MINOR.PATCH`
 * @throws `auth_expired` when there is no newer credential; whatever `call` throws
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
      return await call(new Api({ host: hostAt(origin), authorize, received, fetch, version }));
    } catch (error) {
      if (!(error instanceof CodemieError) || error.code !== "auth_expired" || left === 0) throw error;
      const newer = await credentials.renew(lease);
      if (!newer) throw refusal(lease);
      lease = newer;
    }
  }
}

/** What to say when the host does not take a credential and there is no newer one. */
function refusal({ origin, bearer, profile }: Lease): CodemieError {
  return bearer ? authFailure.tokenRefused(origin) : apiFailure.sessionEnded(origin, profile);
}
