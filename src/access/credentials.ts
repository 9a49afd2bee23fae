import type { Api } from "../api/client.ts";
import { apiFailure } from "../api/failures.ts";
import { modelsOfProvider } from "../api/provider.ts";
import type { Model } from "../api/schemas.ts";
import { givenKey } from "../auth/api-key.ts";
import { Broker } from "../auth/broker.ts";
import { callWith } from "../auth/call.ts";
import type { Credentials } from "../auth/credentials.ts";
import { authFailure } from "../auth/failures.ts";
import { givenIdentity } from "../auth/given-identity.ts";
import { givenToken } from "../auth/given-token.ts";
import { type Env, isCi } from "../core/env.ts";
import { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { version } from "../core/version.ts";
import { trustingFetch } from "../platform/network.ts";
import { providerOf } from "../profiles/providers.ts";
import {
  identityVariable,
  methodOf,
  type Resolved,
  tokenFileVariable,
  tokenVariable,
  usableHostOf,
} from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";
import { record } from "./audit.ts";
import { awaiting, type Context } from "./context.ts";
import { accessFailure } from "./failures.ts";
import { type Given, givenIn, type Whose } from "./given.ts";
import { recallModels } from "./models.ts";

/**
 * Returns the context for commands that work with this profile. If the profile sets `insecureSkipTlsVerify`, it warns
 * on every run, and the context's `fetch` does not verify the certificate of the profile's own host.
 */
export function forProfile<C extends Context>(context: C, { name, profile }: Pick<Resolved, "name" | "profile">): C {
  const origin = blindlyTrusted(profile);
  if (!origin) return context;
  context.output.say.warn(
    `profile ${name} has insecureSkipTlsVerify: anybody in between can read and change what goes to ${origin}`,
  );
  return { ...context, runtime: { ...context.runtime, fetch: trustingFetch(context.runtime.fetch, origin) } };
}

/** @returns the origin of the profile's own host if the profile sets `insecureSkipTlsVerify`, else undefined */
export function blindlyTrusted(profile: Resolved["profile"]): string | undefined {
  return profile.insecureSkipTlsVerify ? usableHostOf(profile)?.origin : undefined;
}

/**
 * @param whose profile and host
 * @param loginAgain has a person log in again, if one is there
 * @returns the broker of the profile's login
 */
export function brokerFor(context: Context, vault: Vault, whose: Whose, loginAgain?: () => Promise<void>): Broker {
  const { name, profile } = whose;
  const host = whose.host.value;
  const renewed = () => record(context, vault, { event: "refresh", profile: name, host: host.origin, outcome: "ok" });
  const { runtime } = context;
  const method = methodOf(profile);
  const options = { vault, profile: name, host, runtime, renewed, missing: () => missing(whose, runtime.env), method };
  return new Broker(loginAgain ? { ...options, loginAgain } : options);
}

/** The failure for a profile without a credential: its hint says how to get one by the profile's own method. */
function missing({ name, profile, host }: Whose, env: Env): CodemieError {
  const { origin } = host.value;
  // In CI, a secret that the job may not read arrives as an empty variable.
  const isKey = host.value.kind === "provider";
  const variables = isKey
    ? ["CODEMIE_API_KEY"]
    : [profile.jwtConfig?.tokenEnvVar, tokenVariable, tokenFileVariable, identityVariable];
  const empty = variables.find((variable) => variable && env[variable] === "");
  if (empty) return accessFailure.tokenEmpty(empty);
  switch (methodOf(profile)) {
    case "api-key":
      return accessFailure.keyMissing(origin, name);
    case "jwt":
      return accessFailure.tokenMissing(origin, profile.jwtConfig?.tokenEnvVar ?? tokenVariable);
    default:
      if (isCi(env)) return accessFailure.noLoginInCi(origin);
      return authFailure.loginNeeded(origin, host.source === "profile" ? name : undefined);
  }
}

/**
 * @param given the credential given for this run; default: what the environment gives
 * @returns the credentials to use: the given one, else the profile's stored login
 * @throws usage error when a key is given and the profile's host is no model provider; as {@link givenIn}
 */
export function credentialsFor(
  context: Context,
  vault: Vault,
  whose: Whose,
  given: Given | undefined = givenIn(context.runtime.env, whose),
): Credentials {
  if (!given) return brokerFor(context, vault, whose);
  const host = whose.host.value;
  if (given.kind === "identity") return givenIdentity(given, host, context.runtime);
  if (given.kind !== "key") return givenToken(given, host, context.runtime);
  const provider = providerOf(whose.profile.provider);
  if (!provider || host.kind !== "provider") throw accessFailure.keyWithoutProvider(whose.name, host.origin);
  return givenKey(provider, given.key, host);
}

/**
 * Runs a call of the REST API with the current credential, and tells the person whom it waits for.
 *
 * @param host the host that it calls
 * @returns what `call` returned
 * @throws as {@link callWith}
 */
export async function callApi<T>(
  context: Context,
  credentials: Credentials,
  host: Host,
  call: (api: Api) => Promise<T>,
): Promise<T> {
  return await awaiting(context, host.origin, () => callWith(credentials, context.runtime, version, call));
}

/**
 * Lists the models that the credential may use, at a CodeMie host or a model provider, and keeps the list for
 * completion. This proves the credential too.
 *
 * @throws as {@link Api.models} and {@link modelsOfProvider}, and as {@link callWith}
 */
export async function listModels(context: Context, credentials: Credentials, whose: Whose): Promise<Model[]> {
  const models = await askForModels(context, credentials, whose);
  await recallModels(context.runtime.home, whose, models);
  return models;
}

async function askForModels(context: Context, credentials: Credentials, whose: Whose): Promise<Model[]> {
  const host = whose.host.value;
  const provider = providerOf(whose.profile.provider);
  if (host.kind === "codemie" || !provider) return await callApi(context, credentials, host, (api) => api.models());
  return await awaiting(context, host.origin, async () => {
    const { authorize } = await credentials.current();
    return await modelsOfProvider({ host, provider, authorize, fetch: context.runtime.fetch });
  });
}

/** A profile, and the model that it or the user names. */
type WithModel = Whose & Pick<Resolved, "model">;

/** True for a failure of the list alone: the models themselves may answer, above all one that is named. */
function isListsOwn(error: unknown, { host, model }: WithModel): error is CodemieError {
  if (!(error instanceof CodemieError)) return false;
  if (error.code === "server_error") return true;
  const isOfHost = error.code === "auth_refused" && host.value.kind === "codemie";
  return model !== undefined && (error.code === "wrong_base_url" || isOfHost);
}

/**
 * Lists the models as {@link listModels}. A list that cannot be had must not stop the run of a model that is named, nor a
 * `server_error` any run: it becomes a warning and an empty list. The host then proves the credential in another way.
 *
 * @throws as {@link listModels}, except for these failures
 */
export async function availableModels(context: Context, credentials: Credentials, whose: WithModel): Promise<Model[]> {
  try {
    return await listModels(context, credentials, whose);
  } catch (error) {
    if (!isListsOwn(error, whose)) throw error;
    if (whose.host.value.kind === "codemie") await prove(context, credentials, whose.host.value);
    context.output.say.warn(`cannot get the list of models: ${error.message}`);
    return [];
  }
}

/** @throws the host's refusal of the credential, why it cannot be reached, or that it is down; no other failure of the host */
async function prove(context: Context, credentials: Credentials, host: Host): Promise<void> {
  try {
    await callApi(context, credentials, host, (api) => api.user());
  } catch (error) {
    if (!(error instanceof CodemieError) || error.exitCode !== 1) throw error;
    if (error.status !== undefined && error.status >= 502 && error.status <= 504)
      throw apiFailure.unavailable(host.origin, error.status);
  }
}

/**
 * Lists the models as {@link listModels}; where the list cannot be had, the one that is named.
 *
 * @throws as {@link listModels}, except for such failures when a model is named
 */
export async function listedOrNamed(context: Context, credentials: Credentials, whose: WithModel): Promise<Model[]> {
  try {
    return await listModels(context, credentials, whose);
  } catch (error) {
    const id = whose.model?.value;
    if (id === undefined || !isListsOwn(error, whose)) throw error;
    return [{ id, label: id, provider: null, default: true, cost: null }];
  }
}
