import { Api } from "../api/client.ts";
import { Broker, type Credentials, withCredential } from "../auth/broker.ts";
import { givenToken, type TokenSource } from "../auth/given-token.ts";
import { hostAt } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { Resolved } from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";
import { record } from "./auditing.ts";
import type { Cli } from "./command.ts";
import { version } from "./version.ts";

/**
 * @param vault where the login lies
 * @param resolved profile and host
 * @param loginAgain renews by a login where a person is there to do it
 * @returns the broker of a profile's login
 */
export function brokerFor(
  cli: Cli,
  vault: Vault,
  resolved: Pick<Resolved, "name" | "host">,
  loginAgain?: () => Promise<void>,
): Broker {
  const host = resolved.host.value;
  const renewed = () =>
    record(cli, vault, { event: "refresh", profile: resolved.name, host: host.origin, outcome: "ok" });
  const options = { vault, profile: resolved.name, host, runtime: cli.runtime, renewed };
  return new Broker(loginAgain ? { ...options, loginAgain } : options);
}

/**
 * A bearer token that the environment gives for this run. It stands before a stored login.
 *
 * @returns where it comes from, or undefined when there is none
 */
export function tokenSource({ env }: Runtime): TokenSource | undefined {
  if (env.CODEMIE_JWT_TOKEN) return { kind: "text", text: env.CODEMIE_JWT_TOKEN };
  return env.CODEMIE_JWT_TOKEN_FILE ? { kind: "file", path: env.CODEMIE_JWT_TOKEN_FILE } : undefined;
}

/** @returns the credentials of a call: a token given for this run, else the profile's login */
export function credentialsFor(
  cli: Cli,
  vault: Vault,
  resolved: Pick<Resolved, "name" | "host">,
  source: TokenSource | undefined = tokenSource(cli.runtime),
): Credentials {
  return source ? givenToken(source, resolved.host.value, cli.runtime.now) : brokerFor(cli, vault, resolved);
}

/**
 * Runs a call of the REST API with the credential that works now; what its answer does to the session is kept.
 *
 * @throws as the call, and as {@link withCredential}
 */
export async function callApi<T>(
  { runtime }: Cli,
  credentials: Credentials,
  call: (api: Api) => Promise<T>,
): Promise<T> {
  return await withCredential(credentials, async (lease) => {
    const received = (setCookies: string[]) => credentials.capture(lease, setCookies);
    const host = hostAt(lease.origin);
    return await call(new Api({ host, authorize: lease.authorize, received, fetch: runtime.fetch, version }));
  });
}
