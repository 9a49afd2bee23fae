import type { Env } from "../core/env.ts";
import type { Secret } from "../core/secret.ts";
import type { Note } from "../platform/private.ts";
import type { Runtime } from "../platform/runtime.ts";
import { printNote } from "../platform/terminal.ts";
import { ProfileStore } from "../profiles/store.ts";
import { type VaultAccess, vaultFiles } from "../vault/key.ts";
import { Vault } from "../vault/vault.ts";
import { mostTries } from "./context.ts";

/** @returns the vault and the configuration under the base folder */
export function stores(runtime: Runtime): { vault: Vault; profiles: ProfileStore } {
  const note = noteOnce(runtime);
  const files = vaultFiles(runtime.home, runtime.env);
  // Only what writes a record pays for loading the trail.
  const memory = async () => (await import("./audit.ts")).memoryOf(runtime, vault);
  const vault: Vault = new Vault(files, runtime.now, vaultAccess(runtime, note), {
    sealing: async (...record) => await (await memory()).sealing(...record),
    removing: async (...record) => await (await memory()).removing(...record),
  });
  return { vault, profiles: new ProfileStore(runtime.home, note) };
}

/** @returns the function that prints notes about files whose permissions we corrected, each note once */
function noteOnce({ terminal }: Runtime): Note {
  const noted = notedOn.get(terminal) ?? new Set();
  notedOn.set(terminal, noted);
  return (text) => {
    if (!noted.has(text)) printNote(terminal, text);
    noted.add(text);
  };
}

/** Printed notes, by terminal: a command may make its stores more than once. */
const notedOn = new WeakMap<object, Set<string>>();

/**
 * Returns the stores for commands that change something. Before all else it moves secrets that the existing CLI left in
 * the configuration file to the vault, so that no later write, rename or removal has to deal with them.
 *
 * @throws as {@link ProfileStore.moveSecrets}; what the vault throws when there are secrets to move
 */
export async function storesToChange(runtime: Runtime): Promise<ReturnType<typeof stores>> {
  const { vault, profiles } = stores(runtime);
  await profiles.moveSecrets(async (secrets) => {
    const { keepSecrets } = await import("./legacy-secrets.ts");
    await keepSecrets(runtime, vault, secrets);
  });
  return { vault, profiles };
}

/** The variables that give the vault's passphrase; the first that is set counts. */
const passphraseVariables = [
  "CODEMIE_VAULT_PASSPHRASE",
  "CODEMIE_VAULT_PASSPHRASE_FILE",
  "CODEMIE_VAULT_PASSPHRASE_COMMAND",
] as const;

/** @returns the variable that gives the vault's passphrase, if one is set */
export function passphraseVariable(env: Env): string | undefined {
  return passphraseVariables.find((name) => env[name]);
}

/**
 * Gives the vault its passphrase, read at most once (a failure is kept too) but for a person's slips, and the function for
 * notes.
 */
function vaultAccess(runtime: Runtime, note: Note): VaultAccess {
  const variable = passphraseVariable(runtime.env);
  let passphrase: Promise<Secret> | undefined;
  let refused: Secret | undefined;
  let tries = 1;
  let hushed: (() => void) | undefined;
  const read = async () => {
    if (!variable && runtime.terminal.interactive) hushed ??= runtime.terminal.hush();
    return await (await import("./passphrase.ts")).vaultPassphrase(runtime, variable);
  };
  return {
    passphrase: {
      variable,
      read: () => {
        passphrase ??= read();
        return passphrase;
      },
      refuse: (wrong) => {
        if (variable) return false;
        if (wrong === refused) return tries <= mostTries; // two records were opened at a time
        refused = wrong;
        if (++tries > mostTries) return false;
        passphrase = undefined;
        runtime.terminal.err("that passphrase does not open the vault; once more:\n");
        return true;
      },
      over() {
        hushed?.();
        hushed = undefined;
      },
    },
    note,
  };
}
