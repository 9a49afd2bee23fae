import { mkdtemp, readdir, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { ensureFolder } from "../platform/files.ts";
import { isAlive } from "../platform/processes.ts";
import { processId } from "../platform/self.ts";

const prefix = "agent-";

/** Process numbers mean something on one machine only, and containers may share a home. */
const machine = () => hostname().replace(/[^A-Za-z0-9.]/g, "");

/**
 * Makes the private folder of one agent run and clears those of runs that were killed. A home that cannot be written
 * (a CI image) gets it in the system's temporary folder instead; what lies in it opens nothing after the run.
 *
 * @param home base folder of all our files
 * @returns the folder (mode 0700) and how to remove it
 */
export async function makeRunFolder(home: string): Promise<{ folder: string; remove(): Promise<void> }> {
  const parent = join(home, "run");
  let folder: string;
  try {
    await ensureFolder(parent);
    await clearDead(parent);
    folder = await mkdtemp(join(parent, `${prefix}${processId()}-${machine()}-`));
  } catch {
    folder = await mkdtemp(join(tmpdir(), `codemie-${prefix}${processId()}-`));
  }
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

async function clearDead(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const [, pid, where] = /^agent-(\d+)-([^-]*)-/.exec(name) ?? [];
    if (where === machine() && !isAlive(Number(pid))) await rm(join(parent, name), { recursive: true, force: true });
  }
}
