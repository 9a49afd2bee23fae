import { type Env, type ForeignEnv, withoutOwnSecrets } from "../core/env.ts";
import { withoutLoopbackProxy } from "../platform/network.ts";

/**
 * The environment of an agent: the user's, first emptied of what competes with the gateway, then filled with ours.
 *
 * @param env the user's environment
 * @param competing names to remove
 * @param ours values to set; `NO_PROXY` is added, so that the way to the gateway never leads over a proxy
 */
export function agentEnvironment(env: Env, competing: RegExp, ours: Readonly<Record<string, string>>): ForeignEnv {
  const kept = Object.entries(env).filter(([name]) => !competing.test(name));
  return withoutOwnSecrets({ ...Object.fromEntries(kept), ...withoutLoopbackProxy(env), ...ours });
}
