import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { CodemieError, systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";
import { putFreshCopy } from "./fresh-copy.ts";

// The door to all our files: who may have made them, and that they are plain files and folders. Reading is synchronous,
// since the files are small and local: four trips to the thread pool for each file cost eight times as much, and every
// start opens a vault.

/** Tells the person about something that we put right. */
export type Note = (text: string) => void;

/** For files whose modes nobody needs to hear of. */
export const silently: Note = () => undefined;

/** Do not follow a link, and do not wait for a pipe. Windows has neither flag. */
const asItIs = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Modes of every folder and file of ours: for the owner alone. */
export const folderMode = 0o700;
export const fileMode = 0o600;
/** Permission bits of others, and of those the bits that let them write. */
const anyAccess = 0o077;
const writeAccess = 0o022;

/** No file of ours that we read as a whole is longer, bytes, unless a reader says so. */
export const longest = 16 * 1024 * 1024;

/** How {@link readPrivate} reads a file. */
export interface Reading {
  /** false: others may go on reading it, but not write */
  readonly isSecret?: boolean;
  /**
   * true: another process of ours may be appending to it, and its lines must not get lost. So the file stays as it is until
   * {@link openToWrite} replaces it
   */
  readonly isAppended?: boolean;
  /** longest file to read, bytes; {@link longest} otherwise */
  readonly most?: number;
  /** makes the failure for a longer file; `vault_unreadable` otherwise */
  readonly tooLong?: () => CodemieError;
}

/**
 * Reads a file of ours, wherever it lies. It follows no symbolic link, waits for nothing, refuses another user's file,
 * and takes away others' access to the file. It checks the opened file, so that nobody can exchange the file between
 * check and reading. For a file in one of our folders, check the folder too, or use {@link readOwn}.
 *
 * A file that others had access to is replaced by a copy, since a handle that they opened before stays open. The copy
 * is what this returns.
 *
 * @param file path
 * @param note called when others had access
 * @returns the file's text, or undefined when there is no such file
 * @throws `vault_unreadable` when it is not a plain file, not ours, too long, or cannot be read; `disk` when others had
 *   access and there is no room for a copy
 */
export function readPrivate(file: string, note: Note, reading: Reading = {}): string | undefined {
  const { isSecret = true, isAppended = false, most = longest, tooLong = () => overlong(file, most) } = reading;
  const others = isAppended ? 0 : isSecret ? anyAccess : writeAccess;
  try {
    const handle = openSync(file, constants.O_RDONLY | asItIs);
    try {
      const found = checkOpened(file, handle);
      const content = readWhole(handle, found.size, most);
      if (content === undefined) throw tooLong();
      const mode = found.mode & 0o777 & ~others;
      const isSame = !isOpen(found.mode, others) || closeFile(file, { handle, found, content, mode }, note);
      if (isSame) return content.toString("utf8");
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw refused(file, error) ?? unreadable(file, error);
  }
  return readPrivate(file, note, reading);
}

/**
 * Reads a file in one of our folders, after a check of the folder; otherwise as {@link readPrivate}.
 *
 * @returns the file's text, or undefined when there is no such file
 * @throws as {@link readPrivate} and {@link checkFolder}
 */
export function readOwn(file: string, reading?: Reading): string | undefined {
  checkFolder(dirname(file), silently);
  return readPrivate(file, silently, reading);
}

/**
 * Opens a file of ours to write, and makes it when it is missing; otherwise as {@link readPrivate}. If others had access
 * to it, what another process of ours writes to it in this moment may get lost.
 *
 * @param isAppended true: everything is written at its end
 * @throws as {@link readPrivate}; the system's error when it cannot be opened
 */
export async function openToWrite(file: string, isAppended: boolean): Promise<FileHandle> {
  const flags = constants.O_WRONLY | constants.O_CREAT | (isAppended ? constants.O_APPEND : 0);
  const { handle, found } = await openChecked(file, flags);
  if (!isOpen(found.mode, anyAccess)) return handle;
  await handle.close();
  readPrivate(file, silently);
  return (await openChecked(file, flags)).handle;
}

async function openChecked(file: string, flags: number): Promise<{ handle: FileHandle; found: Stats }> {
  let handle: FileHandle;
  try {
    handle = await open(file, flags | asItIs, fileMode);
  } catch (error) {
    throw refused(file, error) ?? error;
  }
  try {
    return { handle, found: checkOpened(file, handle.fd) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Takes away others' access to a file. It leaves a link, another user's file and what is no file as they are. */
export function closeToOthers(file: string): void {
  try {
    const handle = openSync(file, constants.O_RDONLY | asItIs);
    try {
      fchmodSync(handle, checkOpened(file, handle).mode & 0o777 & ~anyAccess);
    } finally {
      closeSync(handle);
    }
  } catch {
    // not ours to close
  }
}

/**
 * Checks a folder in our base folder, if it exists: it must be a folder, not a link to one, and ours. It takes away
 * others' access to the folder. Before that it checks the base folder.
 *
 * @param note called when others had access
 * @throws `vault_unreadable` otherwise; as {@link checkBaseFolder}
 */
export function checkFolder(folder: string, note: Note): void {
  checkBaseFolder(dirname(folder), note);
  const found = present(folder, lstatSync);
  if (!found) return;
  if (found.isSymbolicLink()) throw platformFailure.symbolicLink(folder);
  if (!found.isDirectory()) throw platformFailure.unreadable(folder, "it is not a folder");
  requireOwner(folder, found);
  requireClosable(folder, found);
  if (isOpen(found.mode, anyAccess)) close(folder, () => chmodSync(folder, folderMode), note);
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
  if (!found.isFile()) throw noFile(file);
  requireOwner(file, found);
  return true;
}

/**
 * Checks the base folder of all our files, if it exists. It may be a link of ours, since people move it elsewhere that
 * way. But it must be ours: anybody who can write in it can remove our files, or replace them with other ones.
 *
 * @param note called when others could write in the folder; their access is taken away then
 * @throws `vault_unreadable` when it is another user's, one that everybody shares, such as `/tmp`, or root's and open
 */
export function checkBaseFolder(folder: string, note: Note): void {
  const link = present(folder, lstatSync);
  const found = link?.isSymbolicLink() ? present(folder, statSync) : link;
  if (!link || !found?.isDirectory()) return;
  requireOwner(folder, link);
  requireOwner(folder, found);
  requireClosable(folder, found);
  const isWritable = isOpen(found.mode, writeAccess);
  if (isWritable && (found.mode & 0o1000) !== 0) throw platformFailure.sharedFolder(folder);
  if (isWritable) close(folder, () => chmodSync(folder, folderMode), note);
}

/**
 * Writes a file that must not exist yet, readable by its owner only.
 *
 * @throws `exists`; `disk` when it cannot be written, and then no part of it remains
 */
export async function writeNewFile(file: string, data: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(file, "wx", fileMode);
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

/** Checks an opened file of ours. */
function checkOpened(file: string, handle: number): Stats {
  const found = fstatSync(handle);
  if (!found.isFile()) throw noFile(file);
  requireOwner(file, found);
  // Root could close it, and we cannot: anybody may have written in it, and linked it here.
  if (!isOurs(found) && isOpen(found.mode, writeAccess)) throw platformFailure.foreignOwner(file, found.uid);
  return found;
}

/** A file that others have access to: its content, and the permission bits that it shall have. */
interface OpenFile {
  readonly handle: number;
  readonly found: Stats;
  readonly content: Buffer;
  readonly mode: number;
}

/** @returns false when another file has taken its place meanwhile */
function closeFile(file: string, { handle, found, content, mode }: OpenFile, note: Note): boolean {
  let done: ReturnType<typeof putFreshCopy>;
  try {
    done = putFreshCopy(file, found, content, mode);
  } catch (error) {
    throw platformFailure.disk(file, error);
  }
  if (done === "replaced") note(closedNote(file));
  if (done === "impossible")
    close(file, () => fchmodSync(handle, mode), note, ", except to programs that have it open");
  return done !== "changed";
}

/** @returns the content of an opened file, also of one that grows meanwhile; undefined when it is longer than `most` */
function readWhole(handle: number, size: number, most: number): Buffer | undefined {
  const chunks: Buffer[] = [];
  for (let length = 0; Math.max(length, size) <= most; ) {
    const chunk = Buffer.allocUnsafe(Math.max(size + 1 - length, 4_096));
    const count = readSync(handle, chunk, 0, chunk.length, null);
    if (count === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, count));
    length += count;
  }
  return undefined;
}

/** Windows has no user numbers: there, every file counts as ours. */
export const isOurs = ({ uid }: Stats): boolean => process.getuid === undefined || uid === process.getuid();

/** Root may own it too: root can read and write everything anyway. */
function requireOwner(path: string, found: Stats): void {
  if (!isOurs(found) && found.uid !== 0) throw platformFailure.foreignOwner(path, found.uid);
}

/** Root could close it, and we cannot: everything of ours in it could be moved away and replaced. */
function requireClosable(folder: string, found: Stats): void {
  if (!isOurs(found) && isOpen(found.mode, writeAccess)) throw platformFailure.sharedFolder(folder);
}

const isOpen = (mode: number, to: number) => process.platform !== "win32" && (mode & to) !== 0;

const overlong = (file: string, most: number) =>
  platformFailure.unreadable(file, `it is longer than ${most / 1024 / 1024} MiB`);

const noFile = (file: string) => platformFailure.unreadable(file, "it is not a file");

/** @returns why a file of ours was refused: by us, or by the system because it is a link or no file; else undefined */
function refused(file: string, error: unknown): CodemieError | undefined {
  if (error instanceof CodemieError) return error;
  const code = systemCode(error);
  if (code === "ELOOP" || code === "EMLINK") return platformFailure.symbolicLink(file);
  // Opening a socket, a pipe that nobody reads, a folder to write.
  return code === "ENXIO" || code === "EISDIR" ? noFile(file) : undefined;
}

const closedNote = (path: string, except = "") =>
  `${path} was open to other users of this machine; it is closed now${except}`;

/**
 * If the path cannot be closed (read-only disk, file system without modes), it says so and carries on: records are
 * sealed.
 */
function close(path: string, change: () => void, note: Note, except?: string): void {
  try {
    change();
    note(closedNote(path, except));
  } catch (error) {
    note(`${path} is open to other users of this machine and cannot be closed (${systemCode(error)})`);
  }
}

function unreadable(path: string, error: unknown): CodemieError {
  const code = systemCode(error);
  return platformFailure.unreadable(path, code === "EACCES" ? "permission denied" : code || "unknown error");
}
