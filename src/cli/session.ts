import { resolve } from "node:path";
import { Api } from "../api/client.ts";
import type { Model } from "../api/schemas.ts";
import { endsSoon } from "../auth/bearer-token.ts";
import { Broker, type Credentials, withCredential } from "../auth/broker.ts";
import { givenToken, type TokenSource } from "../auth/given-token.ts";
import { CodemieError } from "../core/errors.ts";
import { hostAt } from "../core/host.ts";
import { trustingFetch } from "../platform/network.ts";
import type { Runtime } from "../platform/runtime.ts";
import { hostOf, type Resolved } from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";
import { record } from "./auditing.ts";
import type { Cli } from "./command.ts";
import { when } from "./output.ts";
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

/**
 * The bearer token of this run: flag over environment. It is stored nowhere.
 *
 * @param asked `jwtToken` is the token itself or `-` for standard input
 */
export async function tokenGiven(
  { runtime }: Cli,
  asked: { readonly jwtToken: string | undefined; readonly jwtTokenFile: string | undefined },
): Promise<TokenSource | undefined> {
  if (asked.jwtToken === "-") return { kind: "text", text: await runtime.terminal.readAll() };
  if (asked.jwtToken !== undefined) return { kind: "text", text: asked.jwtToken };
  if (asked.jwtTokenFile !== undefined) return { kind: "file", path: resolve(runtime.cwd, asked.jwtTokenFile) };
  return tokenSource(runtime);
}

/** Says so when a token stood on the command line. */
export function warnOfShownToken({ output }: Cli, jwtToken: string | undefined): void {
  if (jwtToken === undefined || jwtToken === "-") return;
  output.say.warn(
    "other users of this machine can see a token on the command line; use CODEMIE_JWT_TOKEN, --jwt-token-file FILE or --jwt-token -",
  );
}

/** Says so when a token ends soon. */
export async function warnOfTokensEnd({ runtime, output }: Cli, credentials: Credentials): Promise<void> {
  const { bearer } = await credentials.current();
  if (bearer?.expiresAt !== undefined && endsSoon(bearer, runtime.now())) {
    output.say.warn(`the bearer token ends ${when(bearer.expiresAt, runtime.now())}`);
  }
}

/**
 * Asks for the models, which proves the login too. A host that cannot list them just now does not keep anything from
 * running.
 */
export async function availableModels(cli: Cli, credentials: Credentials): Promise<Model[]> {
  try {
    return await callApi(cli, credentials, (api) => api.models());
  } catch (error) {
    if (!(error instanceof CodemieError) || error.code !== "server_error") throw error;
    cli.output.say.warn(`the list of models could not be had: ${error.message}`);
    return [];
  }
}

/**
 * What a profile is worked with. Where it says `insecureSkipTlsVerify`, its host's certificate is not looked at, which is
 * said on every run.
 */
export function forProfile(cli: Cli, { name, profile }: Pick<Resolved, "name" | "profile">): Cli {
  const host = profile.insecureSkipTlsVerify ? hostOf(profile) : undefined;
  if (!host) return cli;
  cli.output.say.warn(
    `profile ${name} has insecureSkipTlsVerify: anybody in between can read and change what goes to ${host.origin}`,
  );
  return { ...cli, runtime: { ...cli.runtime, fetch: trustingFetch(cli.runtime.fetch, host.origin) } };
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
