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

// What is read and checked here is small and local, and asked at once: four trips to the thread pool for each file cost
// eight times as much, and a vault is opened on every start.

/** Told what was put right. */
export type Note = (text: string) => void;

const readOnly = constants.O_RDONLY;
/** Neither a link is followed nor a pipe waited for. Windows has neither flag. */
const asItIs = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * Reads a file that only we may read: not through a symbolic link, and not another user's. One that stands open to
 * others is closed. Both are asked of the opened file, so that it cannot be exchanged in between.
 *
 * @param file path
 * @param note told when the file stood open
 * @returns the file's text, or undefined when there is no such file
 * @throws `vault_unreadable` when it is no plain file of ours, or cannot be read
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
 * Checks a folder of ours, where there is one: it must be a folder and not a link to one, and ours. It is closed where
 * it stands open to others.
 *
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
 * Checks a file of ours that is not read, such as a lock's.
 *
 * @returns false when there is none
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
 * Checks the folder everything of ours lies in, where there is one. People put it elsewhere with a link, so it may be
 * one; but it must be ours, since whoever may write in it can take away what lies there or lay something else in its
 * place.
 *
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
 * @throws `exists`; `disk` when it cannot be written, and then nothing is left of it
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

/** Root may own it too: it can read and write everything anyway. Windows has no such numbers. */
function requireOwner(path: string, owner: number): void {
  const own = process.getuid?.();
  if (own !== undefined && owner !== own && owner !== 0) throw platformFailure.foreignOwner(path, owner);
}

const isOpen = (mode: number) => process.platform !== "win32" && (mode & 0o077) !== 0;

/** What cannot be closed (a read-only disk, a file system without modes) is said, and used: it is sealed. */
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
