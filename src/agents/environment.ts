import { type Env, type ForeignEnv, withoutOwnSecrets } from "../core/env.ts";
import { withoutLoopbackProxy } from "../platform/network.ts";
import { requireAbsolute } from "../platform/places.ts";

/** Where agents keep what counts as the user's own. A relative place would be the current folder's, and so a stranger's. */
const places = [
  "CLAUDE_CONFIG_DIR",
  "CODEX_HOME",
  "GEMINI_CLI_HOME",
  "GEMINI_CLI_SYSTEM_SETTINGS_PATH",
  "GEMINI_CLI_TRUSTED_FOLDERS_PATH",
  "OPENCODE_CONFIG",
  "OPENCODE_CONFIG_DIR",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
];

/**
 * Makes the environment of an agent: the user's, without the variables that compete with the gateway, plus ours.
 *
 * @param env the user's environment
 * @param competing names to remove
 * @param ours values to set; `NO_PROXY` is extended too, so that requests to the gateway never go through a proxy
 * @returns the agent's whole environment, without secrets of ours
 * @throws usage error when it names a relative place for the agent's own files
 */
export function agentEnvironment(env: Env, competing: RegExp, ours: Readonly<Record<string, string>>): ForeignEnv {
  for (const name of places) if (env[name]) requireAbsolute(name, env[name]);
  const kept = Object.entries(env).filter(([name]) => !competing.test(name));
  return withoutOwnSecrets({ ...Object.fromEntries(kept), ...withoutLoopbackProxy(env), ...ours });
}
