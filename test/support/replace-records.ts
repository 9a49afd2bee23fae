/**
 * Replaces one record over and over until it is killed; for the crash tests.
 * Arguments: base folder, name of the record.
 */
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";

const [home = "", name = ""] = process.argv.slice(2);
const vault = new Vault(vaultFiles(home, {}), Date.now);
await vault.prepare();
console.log("ready");
for (let n = Date.now() * 1000; ; n++) {
  await vault.locked(name, () => vault.write(name, { n, filler: String(n % 10).repeat(20_000) }));
}
