import { withoutLoopbackProxy } from "../platform/network.ts";

/** Ours, and secret: no agent needs them. */
const ownSecrets =
  /^CODEMIE_(JWT_TOKEN|JWT_TOKEN_FILE|API_KEY|VAULT_PASSPHRASE|VAULT_PASSPHRASE_FILE|VAULT_PASSPHRASE_COMMAND|VAULT_KEY_FILE)$/;

/** @returns the environment without our own secrets: for anything of the agent's that we start */
export function withoutOwnSecrets(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && !ownSecrets.test(name));
  return Object.fromEntries(kept) as Record<string, string>;
}

/**
 * The environment of an agent: the user's, first emptied of what competes with the gateway, then filled with ours.
 *
 * @param env the user's environment
 * @param competing names to remove
 * @param ours values to set; `NO_PROXY` is added, so that the way to the gateway never leads over a proxy
 */
export function agentEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  competing: RegExp,
  ours: Readonly<Record<string, string>>,
): Record<string, string> {
  const kept = Object.entries(withoutOwnSecrets(env)).filter(([name]) => !competing.test(name));
  return { ...Object.fromEntries(kept), ...withoutLoopbackProxy(env), ...ours };
}
