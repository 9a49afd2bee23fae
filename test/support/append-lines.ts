/**
 * Appends lines to the audit trail under a base folder; for the tests of the trail. Arguments: base folder, then words,
 * done one after the other:
 *   N        appends N lines at once and prints the code of each that fails
 *   each=N   appends N lines one after the other
 *   sealed=N seals a record N times that remembers the trail
 *   held=N   appends N lines at once while the disk may not be synced, and lets it be synced once all are written
 */
import { join } from "node:path";
import { asCodemieError } from "../../src/core/errors.ts";
import { waitForChange } from "../../src/platform/files.ts";
import { withLock } from "../../src/platform/lock.ts";
import { remembering } from "./remembering.ts";

const [home = "", ...words] = process.argv.slice(2);
const { vault } = remembering(home);
const trail = () => remembering(home).trail;
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
  } else if (word.startsWith("sealed=")) {
    for (let i = 0; i < count; i++) await vault.locked("r", () => vault.write("r", { i }));
  } else if (word.startsWith("each=")) for (let i = 0; i < count; i++) await appended(1);
  else await appended(count);
  console.log(`${word} done`);
}
