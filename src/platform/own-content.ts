import { chmodSync, lstatSync, readdirSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { randomBytes } from "../core/crypto.ts";
import { CodemieError } from "../core/errors.ts";
import { namesIn } from "./files.ts";
import { isOurs, readOwn } from "./private.ts";

// Files of ours that a program of somebody else's takes as code or settings. They may have stood open once, and whoever left
// something there could change it later, so that the right content alone says nothing.

/** @returns true when a file in one of our folders is ours and has this text */
export function isOwnText(file: string, text: string): boolean {
  try {
    return readOwn(file) === text;
  } catch (error) {
    if (error instanceof CodemieError && error.code === "vault_unreadable") return false;
    throw error;
  }
}

/**
 * @param files texts by path, with `/` between names
 * @returns true when a folder in one of our folders has these files and nothing else, and all of it is ours and no link
 */
export async function holdsOnly(folder: string, files: Readonly<Record<string, string>>): Promise<boolean> {
  const byName = Map.groupBy(Object.entries(files), ([path]) => path.split("/", 1)[0] ?? "");
  const names = await namesIn(folder).catch(() => []);
  if (names.length !== byName.size || !names.every((name) => byName.has(name))) return false;
  for (const [name, inside] of byName) {
    const below = inside.map(([path, text]) => [path.slice(name.length + 1), text] as const);
    const [[path = "", text = ""] = []] = below;
    const isSame =
      path === ""
        ? isOwnText(join(folder, name), text)
        : await holdsOnly(join(folder, name), Object.fromEntries(below));
    if (!isSame) return false;
  }
  return true;
}

/** Moves what is at a path out of the way, and removes of it what we may. It does not throw. */
export async function clearAway(path: string): Promise<void> {
  const old = join(dirname(path), `.old-${randomBytes(6).toString("hex")}`);
  await rename(path, old).catch(() => undefined);
  await rm(old, { recursive: true, force: true }).catch(() => undefined);
}

/**
 * Looks through a folder and all in it, and takes away others' right to write in its folders. It follows no link.
 *
 * @returns true when all of it is ours, or root's and closed; also when there is no such folder
 * @throws the system's error
 */
export function isAllOwn(folder: string): boolean {
  const left = [folder];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found) continue;
    const isOpen = process.platform !== "win32" && !found.isSymbolicLink() && (found.mode & 0o022) !== 0;
    if (!isOurs(found) && (found.uid !== 0 || isOpen)) return false;
    if (!found.isDirectory()) continue;
    if (isOpen) chmodSync(path, found.mode & 0o755);
    for (const name of readdirSync(path)) left.push(join(path, name));
  }
  return true;
}
