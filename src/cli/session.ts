import type { Api } from "../api/client.ts";
import { modelsOfProvider } from "../api/provider.ts";
import type { Model } from "../api/schemas.ts";
import { givenKey, readApiKey } from "../auth/api-key.ts";
import { Broker, type Credentials } from "../auth/broker.ts";
import { callWith } from "../auth/call.ts";
import { givenToken, type TokenSource } from "../auth/given-token.ts";
import { type CodemieError, failure } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { Env } from "../platform/runtime.ts";
import type { Config } from "../profiles/config.ts";
import { providerOf } from "../profiles/providers.ts";
import { methodOf, type Resolved, tokenVariable, usableHostOf } from "../profiles/resolve.ts";
import { clearKeyOf } from "../profiles/secrets.ts";
import type { Vault } from "../vault/vault.ts";
import { record } from "./auditing.ts";
import type { Cli } from "./command.ts";
import { recallModels } from "./recall-models.ts";
import { version } from "./version.ts";

/** The parts of a resolved profile that its credentials depend on. */
export type Whose = Pick<Resolved, "name" | "profile" | "host">;

/** A credential that is given for this run and stored nowhere. It stands before a stored login. */
export type Given = TokenSource | { readonly kind: "key"; readonly key: Secret; readonly from: "run" | "file" };

/**
 * What the environment gives for this run: a key for a profile of a model provider, a bearer token for a CodeMie host.
 *
 * @returns where it comes from, or undefined when there is none
 * @throws usage error for a key that is none
 */
export function givenIn(env: Env, whose: Whose): Given | undefined {
  const host = whose.host.value;
  if (host.kind === "provider") {
    // A file of the existing CLI may hold the key in clear until it is first written anew.
    const key = env.CODEMIE_API_KEY || clearKeyOf(whose.profile);
    return key ? { kind: "key", key: readApiKey(key), from: env.CODEMIE_API_KEY ? "run" : "file" } : undefined;
  }
  // The variable chosen at set-up holds a token for the profile's own host, and for no other that was asked for now.
  const chosen = usableHostOf(whose.profile)?.origin === host.origin ? whose.profile.jwtConfig?.tokenEnvVar : undefined;
  const text = (chosen && env[chosen]) || env[tokenVariable];
  if (text) return { kind: "text", text };
  return env.CODEMIE_JWT_TOKEN_FILE ? { kind: "file", path: env.CODEMIE_JWT_TOKEN_FILE } : undefined;
}

/**
 * @param vault where the login lies
 * @param whose profile and host
 * @param loginAgain renews by a login where a person is there to do it
 * @returns the broker of a profile's login
 */
export function brokerFor(cli: Cli, vault: Vault, whose: Whose, loginAgain?: () => Promise<void>): Broker {
  const host = whose.host.value;
  const renewed = () => record(cli, vault, { event: "refresh", profile: whose.name, host: host.origin, outcome: "ok" });
  const options = {
    vault,
    profile: whose.name,
    host,
    runtime: cli.runtime,
    renewed,
    missing: () => missing(whose),
    method: methodOf(whose.profile),
  };
  return new Broker(loginAgain ? { ...options, loginAgain } : options);
}

/** What to say when a profile has no credential: how its own method gets one. */
function missing({ name, profile, host }: Whose): CodemieError {
  const { origin } = host.value;
  switch (methodOf(profile)) {
    case "api-key":
      return failure.keyMissing(origin, name);
    case "jwt":
      return failure.tokenMissing(origin, profile.jwtConfig?.tokenEnvVar ?? tokenVariable);
    default:
      return failure.loginNeeded(origin);
  }
}

/** @returns the credentials of a call: what is given for this run, else the profile's login */
export function credentialsFor(
  cli: Cli,
  vault: Vault,
  whose: Whose,
  given: Given | undefined = givenIn(cli.runtime.env, whose),
): Credentials {
  if (!given) return brokerFor(cli, vault, whose);
  const host = whose.host.value;
  if (given.kind !== "key") return givenToken(given, host, cli.runtime.now);
  const provider = providerOf(whose.profile.provider);
  if (!provider || host.kind !== "provider") throw failure.keyWithoutProvider(whose.name, host.origin);
  return givenKey(provider, given.key, host);
}

/**
 * Runs a call of the REST API with the credential that works now.
 *
 * @throws as {@link callWith}
 */
export async function callApi<T>(cli: Cli, credentials: Credentials, call: (api: Api) => Promise<T>): Promise<T> {
  return await callWith(credentials, cli.runtime, version, call);
}

/**
 * The models the credential may use, at a CodeMie host or at a model provider; asking proves the credential too.
 *
 * @throws as {@link Api.models} and {@link modelsOfProvider}, and as {@link callWith}
 */
export async function listModels(cli: Cli, credentials: Credentials, whose: Whose): Promise<Model[]> {
  const models = await askForModels(cli, credentials, whose);
  await recallModels(cli.runtime.home, whose, models);
  return models;
}

async function askForModels(cli: Cli, credentials: Credentials, whose: Whose): Promise<Model[]> {
  const host = whose.host.value;
  const provider = providerOf(whose.profile.provider);
  if (host.kind === "codemie" || !provider) return await callApi(cli, credentials, (api) => api.models());
  const { authorize } = await credentials.current();
  return await modelsOfProvider({ host, provider, authorize, fetch: cli.runtime.fetch });
}

/** @returns the environment without the variables that profiles find bearer tokens in: for anything of the agent's */
export function withoutTokens(env: Env, config: Config): Env {
  const names = new Set(Object.values(config.profiles).map((profile) => profile.jwtConfig?.tokenEnvVar));
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.has(name)));
}
