import { rename } from "node:fs/promises";
import { systemCode } from "../core/errors.ts";

/** How long another program may have the file open, ms: longer than a reader of ours or a scanner for viruses takes. */
const patienceMs = 10_000;
const pauseMs = 5;
/** What Windows says of a file that is open. */
const inUse = new Set(["EPERM", "EACCES", "EBUSY"]);

/**
 * Renames a file, to a name that another file may have. Windows refuses that while any program has one of the two open, so there
 * it waits.
 *
 * @throws the system's error
 */
export async function takePlace(file: string, to: string): Promise<void> {
  const end = performance.now() + patienceMs;
  for (;;) {
    try {
      return await rename(file, to);
    } catch (error) {
      const isBusy = process.platform === "win32" && inUse.has(systemCode(error));
      if (!isBusy || performance.now() >= end) throw error;
      await Bun.sleep(pauseMs);
    }
  }
}
