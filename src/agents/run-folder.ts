import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { CodemieError } from "../core/errors.ts";
import { ensureFolder, makeFolder, namesIn, removeAll } from "../platform/files.ts";
import { isAlive } from "../platform/processes.ts";
import { processId } from "../platform/self.ts";

const prefix = "agent-";

/** A process number is valid on one machine only, and containers may share a home. */
const machine = () => hostname().replace(/[^A-Za-z0-9.]/g, "");

/**
 * Makes the private folder of one agent run, and removes those of runs that were killed. If the home cannot be written
 * (a CI image), the folder is in the system's temporary folder instead; its content opens nothing after the run.
 *
 * @param home base folder of all our files
 * @returns the folder (mode 0700), and a function that removes it, which does not throw
 * @throws `vault_unreadable` when `run` is a link or another user's; the system's error when no folder can be made at all
 */
export async function makeRunFolder(home: string): Promise<{ folder: string; remove(): Promise<void> }> {
  const parent = join(home, "run");
  let folder: string;
  try {
    await ensureFolder(parent);
    await clearDead(parent);
    folder = await makeFolder(join(parent, `${prefix}${processId()}-${machine()}-`));
  } catch (error) {
    if (error instanceof CodemieError && error.code === "vault_unreadable") throw error;
    folder = await makeFolder(join(tmpdir(), `codemie-${prefix}${processId()}-`));
  }
  return { folder, remove: () => removeOrLeave(folder) };
}

/**
 * The run is over, whatever becomes of its folder: Windows keeps one in which a program that the agent left behind has a file
 * open. The next run removes it then.
 */
const removeOrLeave = (folder: string): Promise<void> => removeAll(folder).catch(() => undefined);

async function clearDead(parent: string): Promise<void> {
  for (const name of await namesIn(parent)) {
    const [, pid, where] = /^agent-(\d+)-([^-]*)-/.exec(name) ?? [];
    if (where === machine() && !isAlive(Number(pid))) await removeOrLeave(join(parent, name));
  }
}
