import type { Env } from "../core/env.ts";
import type { Secret } from "../core/secret.ts";
import type { Note } from "../platform/private.ts";
import type { Runtime } from "../platform/runtime.ts";
import { ProfileStore } from "../profiles/store.ts";
import { type VaultAccess, vaultFiles } from "../vault/key.ts";
import { Vault } from "../vault/vault.ts";

/** @returns the vault and the configuration under the base folder */
export function stores(runtime: Runtime): { vault: Vault; profiles: ProfileStore } {
  const note = noteOnce(runtime);
  return {
    vault: new Vault(vaultFiles(runtime.home, runtime.env), runtime.now, vaultAccess(runtime, note)),
    profiles: new ProfileStore(runtime.home, note),
  };
}

/** @returns the function that says what was put right with our files, each thing once */
function noteOnce({ terminal }: Runtime): Note {
  const noted = notedOn.get(terminal) ?? new Set();
  notedOn.set(terminal, noted);
  return (text) => {
    if (!noted.has(text)) terminal.err(`note: ${text}\n`);
    noted.add(text);
  };
}

/** A command makes its stores more than once; what it said is the terminal's. */
const notedOn = new WeakMap<object, Set<string>>();

/**
 * For commands that change anything: secrets that the existing CLI left in the configuration file move to the vault
 * before all else, so that nothing that is stored, renamed or removed afterwards meets them again.
 *
 * @throws `config_damaged`, and what the vault throws when there are secrets to move
 */
export async function storesToChange(runtime: Runtime): Promise<ReturnType<typeof stores>> {
  const { vault, profiles } = stores(runtime);
  await profiles.moveSecrets(async (secrets) => {
    const { keepSecrets } = await import("./legacy-secrets.ts");
    await keepSecrets(runtime, vault, secrets);
  });
  return { vault, profiles };
}

/** Where the environment may say that the vault's passphrase is, the first one set being taken. */
const passphraseVariables = [
  "CODEMIE_VAULT_PASSPHRASE",
  "CODEMIE_VAULT_PASSPHRASE_FILE",
  "CODEMIE_VAULT_PASSPHRASE_COMMAND",
] as const;

/** @returns the variable that says where the vault's passphrase is, if one does */
export function passphraseVariable(env: Env): string | undefined {
  return passphraseVariables.find((name) => env[name]);
}

/** What the vault is given: a passphrase when it needs one, got once however it turns out, and a place for its notes. */
function vaultAccess(runtime: Runtime, note: Note): VaultAccess {
  const variable = passphraseVariable(runtime.env);
  let passphrase: Promise<Secret> | undefined;
  const read = async () => (await import("./passphrase.ts")).vaultPassphrase(runtime, variable);
  return {
    passphrase: {
      variable,
      read: () => {
        passphrase ??= read();
        return passphrase;
      },
    },
    note,
  };
}
