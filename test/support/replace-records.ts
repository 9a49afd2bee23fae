/**
 * Replaces one record over and over until it is killed, and says `stored` after the first time; for the crash tests.
 * Arguments: base folder, name of the record.
 */
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";

const [home = "", name = ""] = process.argv.slice(2);
const vault = new Vault(vaultFiles(home, {}), Date.now);
await vault.prepare();
const first = Date.now() * 1000;
for (let n = first; ; n++) {
  await vault.locked(name, () => vault.write(name, { n, filler: String(n % 10).repeat(20_000) }));
  if (n === first) console.log("stored");
}
