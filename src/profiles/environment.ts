import { type Env, type ForeignEnv, withoutOwnSecrets } from "../core/env.ts";
import type { Config } from "./config.ts";

/** @returns the environment without the variables that profiles find bearer tokens in: for anything of the agent's */
export function withoutTokens(env: Env, config: Config): Env {
  const names = new Set(Object.values(config.profiles).map((profile) => profile.jwtConfig?.tokenEnvVar));
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.has(name)));
}

/**
 * @param config the configuration, where it can be read
 * @returns the environment of a program that we start and that is no agent: without anything that holds a credential
 */
export function environmentForOthers(env: Env, config: Config | undefined): ForeignEnv {
  return withoutOwnSecrets(config ? withoutTokens(env, config) : env);
}
