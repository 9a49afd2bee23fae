import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
} from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { CodemieError, systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";

// Everything here is synchronous, since the files are small and local: four trips to the thread pool for each file cost
// eight times as much, and every start opens a vault.

/** Tells the person about something that we put right. */
export type Note = (text: string) => void;

const readOnly = constants.O_RDONLY;
/** Do not follow a link, and do not wait for a pipe. Windows has neither flag. */
const asItIs = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * Reads a file that only we may read. It follows no symbolic link, refuses another user's file, and takes away others'
 * access to the file. It checks the opened file, so that nobody can exchange the file between check and reading.
 *
 * @param file path
 * @param note called when others had access
 * @returns the file's text, or undefined when there is no such file
 * @throws `vault_unreadable` when it is not a plain file, not ours, or cannot be read
 */
export function readPrivate(file: string, note: Note): string | undefined {
  let handle: number;
  try {
    handle = openSync(file, readOnly | asItIs);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "ELOOP" || code === "EMLINK") throw platformFailure.symbolicLink(file);
    throw unreadable(file, error);
  }
  try {
    const found = fstatSync(handle);
    if (!found.isFile()) throw platformFailure.unreadable(file, "it is not a file");
    requireOwner(file, found.uid);
    if (isOpen(found.mode)) close(file, () => fchmodSync(handle, 0o600), note);
    return readFileSync(handle, "utf8");
  } catch (error) {
    throw error instanceof CodemieError ? error : unreadable(file, error);
  } finally {
    closeSync(handle);
  }
}

/**
 * Checks a folder of ours, if it exists: it must be a folder, not a link to one, and ours. It takes away others'
 * access to the folder.
 *
 * @param note called when others had access
 * @throws `vault_unreadable` otherwise
 */
export function checkFolder(folder: string, note: Note): void {
  const found = present(folder, lstatSync);
  if (!found) return;
  if (found.isSymbolicLink()) throw platformFailure.symbolicLink(folder);
  if (!found.isDirectory()) throw platformFailure.unreadable(folder, "it is not a folder");
  requireOwner(folder, found.uid);
  if (isOpen(found.mode)) close(folder, () => chmodSync(folder, 0o700), note);
}

/**
 * Checks a file of ours without reading it, such as a lock's.
 *
 * @returns false when it does not exist
 * @throws `vault_unreadable` when it is a link, not a file, or another user's
 */
export function isOwnFile(file: string): boolean {
  const found = present(file, lstatSync);
  if (!found) return false;
  if (found.isSymbolicLink()) throw platformFailure.symbolicLink(file);
  if (!found.isFile()) throw platformFailure.unreadable(file, "it is not a file");
  requireOwner(file, found.uid);
  return true;
}

/**
 * Checks the base folder of all our files, if it exists. It may be a link, since people move it elsewhere that way. But
 * it must be ours: anybody who can write in it can remove our files, or replace them with other ones.
 *
 * @param note called when others could write in the folder; their access is taken away then
 * @throws `vault_unreadable` when it is another user's or one that everybody shares, such as `/tmp`
 */
export function checkBaseFolder(folder: string, note: Note): void {
  const found = present(folder, statSync);
  if (!found?.isDirectory()) return;
  requireOwner(folder, found.uid);
  const writable = process.platform !== "win32" && (found.mode & 0o022) !== 0;
  if (writable && (found.mode & 0o1000) !== 0) throw platformFailure.sharedFolder(folder);
  if (writable) close(folder, () => chmodSync(folder, 0o700), note);
}

/**
 * Writes a file that must not exist yet, readable by its owner only.
 *
 * @throws `exists`; `disk` when it cannot be written, and then no part of it remains
 */
export async function writeNewFile(file: string, data: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(file, "wx", 0o600);
  } catch (error) {
    throw systemCode(error) === "EEXIST" ? platformFailure.exists(file) : platformFailure.disk(file, error);
  }
  try {
    await handle.writeFile(data);
    await handle.sync();
  } catch (error) {
    await rm(file, { force: true });
    throw platformFailure.disk(file, error);
  } finally {
    await handle.close();
  }
}

function present(path: string, look: (path: string) => Stats): Stats | undefined {
  try {
    return look(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw unreadable(path, error);
  }
}

/** Root may own it too: root can read and write everything anyway. Windows has no user numbers. */
function requireOwner(path: string, owner: number): void {
  const own = process.getuid?.();
  if (own !== undefined && owner !== own && owner !== 0) throw platformFailure.foreignOwner(path, owner);
}

const isOpen = (mode: number) => process.platform !== "win32" && (mode & 0o077) !== 0;

/**
 * If the path cannot be closed (read-only disk, file system without modes), it says so and carries on: records are
 * sealed.
 */
function close(path: string, change: () => void, note: Note): void {
  try {
    change();
    note(`${path} was open to other users of this machine; it is closed now`);
  } catch (error) {
    note(`${path} is open to other users of this machine and cannot be closed (${systemCode(error)})`);
  }
}

function unreadable(path: string, error: unknown): CodemieError {
  const code = systemCode(error);
  return platformFailure.unreadable(path, code === "EACCES" ? "permission denied" : code || "unknown error");
}
