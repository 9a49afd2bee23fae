import { rmSync, writeFileSync } from "node:fs";
import { Secret } from "../../src/core/secret.ts";
import { deriveKey, freshKdf } from "../../src/vault/kdf.ts";
import { keyFileOnly, openDataKey, type VaultAccess, vaultFiles } from "../../src/vault/key.ts";
import { seal } from "../../src/vault/seal.ts";
import type { Person } from "./codemie.ts";

/** Access to a vault that is sealed with a passphrase; `notes` collects what it says on the way. */
export function passphraseAccess(passphrase: string, notes: string[] = []): VaultAccess {
  return {
    passphrase: { variable: "CODEMIE_VAULT_PASSPHRASE", read: async () => new Secret(passphrase) },
    note: (text) => notes.push(text),
  };
}

/**
 * Seals with a passphrase whose derivation is as cheap as the format allows, a tenth of the program's own: for files that tests
 * of other things open again and again.
 *
 * @param name what the text is bound to
 */
export async function sealCheaply(
  plain: Uint8Array,
  passphrase: string,
  name: "codemie vault 1 data key" | "codemie vault 1 export",
): Promise<string> {
  const kdf = { ...freshKdf(), memoryKiB: 19_456, passes: 1 };
  return await seal(plain, await deriveKey(new Secret(passphrase), kdf), name, kdf);
}

/** Gives a vault that has a key file a passphrase instead, as `codemie vault rekey` would, but see {@link sealCheaply}. */
export async function rekeyCheaply(person: Person, passphrase: string): Promise<void> {
  const files = vaultFiles(person.codemieHome, {});
  const dataKey = await openDataKey(files, keyFileOnly);
  if (!dataKey) throw new Error("there is no vault to seal anew");
  writeFileSync(files.dataKey, await sealCheaply(dataKey, passphrase, "codemie vault 1 data key"));
  rmSync(files.masterKey);
}
