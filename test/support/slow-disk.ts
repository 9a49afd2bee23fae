import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * A disk on which each sync takes a while, and is counted.
 *
 * @param folder a folder of the test's
 * @param ms what a sync takes, ms
 * @returns what a program's environment needs, and how often it synced so far
 */
export function slowDisk(folder: string, ms: number): { env: Record<string, string>; syncs: () => number } {
  const library = join(folder, "slow-sync.so");
  const log = join(folder, "syncs");
  const built = Bun.spawnSync(["cc", "-shared", "-fPIC", "-o", library, join(import.meta.dir, "slow-sync.c")]);
  if (built.exitCode !== 0) throw new Error(built.stderr.toString());
  return {
    env: { LD_PRELOAD: library, SYNC_MS: String(ms), SYNC_LOG: log },
    syncs: () => (existsSync(log) ? statSync(log).size : 0),
  };
}
