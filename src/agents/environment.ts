import { type Env, type ForeignEnv, withoutOwnSecrets } from "../core/env.ts";
import { withoutLoopbackProxy } from "../platform/network.ts";

/**
 * Makes the environment of an agent: the user's, without the variables that compete with the gateway, plus ours.
 *
 * @param env the user's environment
 * @param competing names to remove
 * @param ours values to set; `NO_PROXY` is extended too, so that requests to the gateway never go through a proxy
 * @returns the agent's whole environment, without secrets of ours
 */
export function agentEnvironment(env: Env, competing: RegExp, ours: Readonly<Record<string, string>>): ForeignEnv {
  const kept = Object.entries(env).filter(([name]) => !competing.test(name));
  return withoutOwnSecrets({ ...Object.fromEntries(kept), ...withoutLoopbackProxy(env), ...ours });
}
