import { readdir, readlink, symlink, unlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * Links everything in a folder into another one, which afterwards has the same, but for the exceptions and what it had itself.
 * Links to what is gone are removed. A link that cannot be made is left out (Windows wants a right for that).
 *
 * @param from absolute path; nothing happens when it is not there
 * @param to a folder of ours that is there
 * @param except names that are not linked
 */
export async function linkEntries(from: string, to: string, except: readonly string[]): Promise<void> {
  const names = (await readdir(from).catch(() => [])).filter((name) => !except.includes(name));
  for (const name of await readdir(to)) {
    const target = await readlink(join(to, name)).catch(() => undefined);
    if (target !== undefined && !(target === join(from, name) && names.includes(name))) await unlink(join(to, name));
  }
  for (const name of names) await symlink(join(from, name), join(to, name), "junction").catch(() => undefined);
}
