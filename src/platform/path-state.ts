import { constants } from "node:fs";
import { access, lstat, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";

/** @returns bytes that we may still use in the file system of a path */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return Number(bavail) * Number(bsize);
}

/**
 * Looks before a person does work for a file that could not be written.
 *
 * @throws `exists` when there is such a file; `disk` when its folder is missing, or takes no file
 */
export async function requireNewFile(file: string): Promise<void> {
  if (await stateOf(file, false).catch(() => undefined)) throw platformFailure.exists(file);
  try {
    await access(dirname(file), constants.W_OK);
  } catch (error) {
    throw platformFailure.newFile(file, error);
  }
}

/** The state of one of our paths in the file system. */
export interface PathState {
  readonly kind: "folder" | "file" | "other";
  /** permission bits, 0 on systems without them */
  readonly mode: number;
  /** it belongs to the user who runs this; true on systems without owners */
  readonly ours: boolean;
  readonly writable: boolean;
}

/**
 * @param followed false: the state of a link itself, of kind `other`
 * @returns the state of a path, or undefined when nothing is there
 * @throws the system's error
 */
export async function stateOf(path: string, followed = true): Promise<PathState | undefined> {
  try {
    const found = await (followed ? stat : lstat)(path);
    const kind = found.isDirectory() ? "folder" : found.isFile() ? "file" : "other";
    const own = process.getuid?.();
    const writable = await access(path, constants.W_OK).then(
      () => true,
      () => false,
    );
    const mode = process.platform === "win32" ? 0 : found.mode & 0o777;
    return { kind, mode, ours: own === undefined || found.uid === own, writable };
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
