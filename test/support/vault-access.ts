import { Secret } from "../../src/core/secret.ts";
import type { VaultAccess } from "../../src/vault/key.ts";

/** Access to a vault that is sealed with a passphrase; `notes` collects what it says on the way. */
export function passphraseAccess(passphrase: string, notes: string[] = []): VaultAccess {
  return {
    passphrase: { variable: "CODEMIE_VAULT_PASSPHRASE", read: async () => new Secret(passphrase) },
    note: (text) => notes.push(text),
  };
}
