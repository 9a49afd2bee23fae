/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Our own secrets: no program that we start needs them. */
const ownSecrets =
  /^CODEMIE_(JWT_TOKEN|JWT_TOKEN_FILE|API_KEY|VAULT_PASSPHRASE|VAULT_PASSPHRASE_FILE|VAULT_PASSPHRASE_COMMAND|VAULT_KEY_FILE)$/;

/** @returns the environment without our own secrets: for programs that we start */
export function withoutOwnSecrets(env: Env): Record<string, string> {
  const kept = Object.entries(env).filter(([name, value]) => value !== undefined && !ownSecrets.test(name));
  return Object.fromEntries(kept) as Record<string, string>;
}
