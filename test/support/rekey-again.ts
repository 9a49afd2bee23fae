/**
 * Seals the vault anew over and over until it is killed, with a key file and with a passphrase in turn; for the crash
 * tests. Arguments: base folder, passphrase, `key-file` to leave the passphrase out.
 */
import { Secret } from "../../src/core/secret.ts";
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";
import { passphraseAccess } from "./vault-access.ts";

const [home = "", passphrase = "", only] = process.argv.slice(2);
const access = passphraseAccess(passphrase);
const vault = new Vault(vaultFiles(home, {}), Date.now, access);
await vault.rekey(async () => ({ with: "key-file" }));
console.log("ready");
for (;;) {
  if (only !== "key-file") {
    await vault.rekey(async () => ({ with: "passphrase", passphrase: new Secret(passphrase) }));
  }
  await vault.rekey(async () => ({ with: "key-file" }));
}
