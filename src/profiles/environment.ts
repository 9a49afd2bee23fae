import { type Env, type ForeignEnv, withoutOwnSecrets } from "../core/env.ts";
import type { Config } from "./config.ts";

/** @returns the environment without the variables in which profiles find bearer tokens: to start an agent with */
export function withoutTokens(env: Env, config: Config): Env {
  const names = new Set(Object.values(config.profiles).map((profile) => profile.jwtConfig?.tokenEnvVar));
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.has(name)));
}

/**
 * @param config the configuration; undefined when it cannot be read
 * @returns the environment for a program that is not an agent at work: without our secrets and the profiles' bearer
 *   tokens
 */
export function environmentForOthers(env: Env, config: Config | undefined): ForeignEnv {
  return withoutOwnSecrets(config ? withoutTokens(env, config) : env);
}
