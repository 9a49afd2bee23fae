import { copyFile, readdir, readlink, stat, symlink, unlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * Links everything in a folder into another one, which afterwards has the same, but for the exceptions and what it had itself.
 * Links to what is gone are removed. A link that cannot be made is left out. In Windows, where a link to a file needs a right, a
 * file is copied, unless the one that is there is as new: then it may have been changed since.
 *
 * @param from absolute path; nothing happens when it is not there
 * @param to a folder of ours that is there
 * @param except names that are not linked
 */
export async function linkEntries(from: string, to: string, except: readonly string[]): Promise<void> {
  const names = (await readdir(from).catch(() => [])).filter((name) => !except.includes(name));
  for (const name of await readdir(to)) {
    const target = await readlink(join(to, name)).catch(() => undefined);
    // Windows ends the place that a junction leads to with a backslash.
    const isThere = target?.replace(/\\$/, "") === join(from, name) && names.includes(name);
    if (target !== undefined && !isThere) await unlink(join(to, name));
  }
  for (const name of names) await linkOrCopy(join(from, name), join(to, name)).catch(() => undefined);
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  if (process.platform !== "win32") return await symlink(from, to);
  const theirs = await stat(from);
  // A junction needs no right, and leads to a folder only.
  if (theirs.isDirectory()) return await symlink(from, to, "junction");
  const ours = await stat(to).catch(() => undefined);
  if (!ours || ours.mtimeMs < theirs.mtimeMs) await copyFile(from, to);
}
