import { Api } from "../api/client.ts";
import { Broker, type Lease, withCredential } from "../auth/broker.ts";
import { hostAt } from "../core/host.ts";
import type { Resolved } from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";
import type { Cli } from "./command.ts";
import { version } from "./version.ts";

/**
 * @param vault where the login lies
 * @param resolved profile and host
 * @param loginAgain renews by a login where a person is there to do it
 * @returns the broker of a profile's login
 */
export function brokerFor(
  { runtime }: Cli,
  vault: Vault,
  resolved: Pick<Resolved, "name" | "host">,
  loginAgain?: () => Promise<void>,
): Broker {
  const options = { vault, profile: resolved.name, host: resolved.host.value, runtime };
  return new Broker(loginAgain ? { ...options, loginAgain } : options);
}

/**
 * Runs a call of the REST API with the login that works now; what its answer does to the session is kept.
 *
 * @throws as the call, and as {@link withCredential}
 */
export async function callApi<T>({ runtime }: Cli, broker: Broker, call: (api: Api) => Promise<T>): Promise<T> {
  return await withCredential(broker, async (lease: Lease) => {
    const host = hostAt(lease.login.origin);
    const received = (setCookies: string[]) => broker.capture(lease, setCookies);
    return await call(new Api({ host, authorize: lease.authorize, received, fetch: runtime.fetch, version }));
  });
}
