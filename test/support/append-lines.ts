/**
 * Appends lines to the audit trail under a base folder; for the tests of the trail. Arguments: base folder, then words,
 * done one after the other:
 *   N        appends N lines at once and prints the code of each that fails
 *   each=N   appends N lines one after the other
 *   held=N   appends N lines at once while the disk may not be synced, and lets it be synced once all are written
 */
import { join } from "node:path";
import { auditHead } from "../../src/audit/events.ts";
import { AuditTrail } from "../../src/audit/trail.ts";
import { asCodemieError } from "../../src/core/errors.ts";
import { waitForChange } from "../../src/platform/files.ts";
import { withLock } from "../../src/platform/lock.ts";
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";

const [home = "", ...words] = process.argv.slice(2);
const vault = new Vault(vaultFiles(home, {}), Date.now);
const head = {
  file: vault.fileOf("audit head"),
  read: () => vault.read("audit head", auditHead),
  write: (value: unknown) => vault.write("audit head", value),
};
const trail = () => new AuditTrail(home, head, Date.now);
const fact = { event: "token-printed", profile: "p", host: "", outcome: "ok" } as const;
const appended = (count: number) =>
  Promise.all(
    Array.from({ length: count }, () =>
      trail()
        .append(fact)
        .catch((error: unknown) => console.log(asCodemieError(error).code)),
    ),
  );

if (!(await vault.exists())) await vault.prepare();
for (const word of words) {
  const count = Number(word.replace(/^\w+=/, ""));
  if (word.startsWith("held=")) {
    const before = (await trail().entries()).length;
    let lines: Promise<unknown> | undefined;
    await withLock(join(home, "run/audit-sync.lock"), "it", async () => {
      lines = appended(count);
      const all = async () => (await trail().entries()).length === before + count;
      if (!(await waitForChange(join(home, "audit"), 60_000, all))) console.log("they are not all written");
    });
    await lines;
  } else if (word.startsWith("each=")) for (let i = 0; i < count; i++) await appended(1);
  else await appended(count);
  console.log(`${word} done`);
}
