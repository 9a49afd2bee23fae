import { type Env, type ForeignEnv, withoutNamed, withoutOwnSecrets } from "../core/env.ts";
import type { Runtime } from "../platform/runtime.ts";
import type { Config } from "./config.ts";
import type { ProfileStore } from "./store.ts";

/** The beginning of a JSON Web Token: of `{"` in base64url (RFC 7519). */
const tokenStart = "eyJ";

/** @returns the environment without the variables in which profiles find bearer tokens and clients' secrets: to start an
 *   agent with */
export function withoutTokens(env: Env, config: Config): Env {
  const profiles = Object.values(config.profiles);
  return withoutNamed(
    env,
    profiles.flatMap(({ jwtConfig, oidc }) => [jwtConfig?.tokenEnvVar, oidc?.clientSecretEnv]),
  );
}

/**
 * @param profiles the configuration, which may be damaged: where it is not JSON, no variable that may hold a JSON Web
 *   Token passes
 * @returns the environment for a program that is not an agent at work: without our secrets, the variables that the command
 *   line names as secrets, and the profiles' bearer tokens
 */
export function environmentForOthers(runtime: Runtime, profiles: ProfileStore): ForeignEnv {
  const { names, areAll } = profiles.tokenVariables();
  const others = withoutNamed(runtime.env, [...names, ...(runtime.secretVariables ?? [])]);
  const kept = Object.entries(others).filter(([, value]) => areAll || !value?.includes(tokenStart));
  return withoutOwnSecrets(Object.fromEntries(kept));
}
