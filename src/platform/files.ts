import { closeSync, type FSWatcher, mkdirSync, openSync, statSync, watch } from "node:fs";
import { type FileHandle, mkdtemp, open, readdir, realpath, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CodemieError, systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";
import { isTemporary, temporaryFile } from "./fresh-copy.ts";
import { checkFolder, fileMode, folderMode, longest, openToWrite, silently } from "./private.ts";
import { takePlace } from "./rename.ts";

/**
 * Makes a folder in our base folder (and those above it) that only the owner may enter, or checks an existing one.
 *
 * @throws `vault_unreadable` as {@link checkFolder}; `disk` when it cannot be made
 */
export async function ensureFolder(folder: string): Promise<void> {
  checkFolder(folder, silently);
  try {
    // Synchronous: the folder nearly always exists, and a trip to the thread pool costs ten times as much.
    mkdirSync(folder, { recursive: true, mode: folderMode });
  } catch (error) {
    throw platformFailure.disk(folder, error);
  }
}

/**
 * Replaces a file so that a reader at any moment, or anybody after a crash, finds either the whole old content or the
 * whole new one: temporary file in the same folder, fsync, rename, fsync of the folder.
 *
 * @param file path; its folder must exist
 * @param data the whole new content
 * @param isLasting false: it need not survive the machine's crash, so nobody waits for the disk
 * @throws `disk` when it cannot be written, or is longer than we read; the old content then remains
 */
export async function replaceFile(file: string, data: string, isLasting = true): Promise<void> {
  if (Buffer.byteLength(data) > longest) throw platformFailure.tooLong(file, longest);
  const temporary = temporaryFile(file);
  try {
    const handle = await open(temporary, "wx", fileMode);
    try {
      await handle.writeFile(data);
      if (isLasting) await handle.sync();
    } finally {
      await handle.close();
    }
    await takePlace(temporary, file);
    if (isLasting) await syncFolder(dirname(file));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw platformFailure.disk(file, error);
  }
}

/**
 * Checks that files can be written in a folder. It needs no lock: each check uses a file name of its own.
 *
 * @throws `disk` when they cannot
 */
export async function tryToWrite(folder: string): Promise<void> {
  const file = join(folder, "probe");
  const own = temporaryFile(file);
  // This may remove the file of another process's check, which removes it anyway.
  await removeLeftovers(file);
  try {
    await writeFile(own, "x", { flag: "wx", mode: fileMode });
    await rm(own, { force: true });
  } catch (error) {
    await rm(own, { force: true }).catch(() => undefined);
    throw platformFailure.disk(file, error);
  }
}

/**
 * Removes the temporary files that killed processes left while they replaced this file. Call it under the file's lock:
 * then no living process has such a temporary file.
 *
 * @throws `disk` when the folder is missing or cannot be changed
 */
export async function removeLeftovers(file: string): Promise<void> {
  try {
    for (const name of await readdir(dirname(file))) {
      if (isTemporary(name, file)) await rm(join(dirname(file), name), { force: true });
    }
  } catch (error) {
    throw platformFailure.disk(file, error);
  }
}

/**
 * Removes a file for good: a crash afterwards does not bring it back.
 *
 * @throws `disk` when it exists and cannot be removed
 */
export async function removeFile(file: string): Promise<void> {
  try {
    await rm(file, { force: true });
    await syncFolder(dirname(file));
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw platformFailure.disk(file, error);
  }
}

/**
 * @returns the names in a folder of ours, sorted; none when there is no such folder
 * @throws `vault_unreadable` as {@link checkFolder}, and when the folder cannot be read
 */
export async function namesIn(folder: string): Promise<string[]> {
  checkFolder(folder, silently);
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw platformFailure.unreadable(folder, systemCode(error) || "unknown error");
  }
}

/**
 * The gateway asks for it on every request, so it asks the system synchronously, at a fifth of the cost.
 *
 * @returns a text that changes whenever the file is replaced; empty when there is no file
 */
export async function stampOf(file: string): Promise<string> {
  try {
    const { ino, mtimeNs, size } = statSync(file, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch {
    return "";
  }
}

/**
 * How often we check a folder even without a notification, ms: the runtime's watch starts a moment late and misses some
 * changes (Bun 1.4).
 */
const lookMs = 250;

/**
 * Waits until a change in a folder makes a condition true.
 *
 * @param folder the folder to watch
 * @param patienceMs how long to wait, ms
 * @param condition called at the start, after every change in the folder, and every {@link lookMs}
 * @returns false when it did not become true in time
 * @throws `vault_unreadable` when the folder cannot be watched; whatever `condition` throws
 */
export async function waitForChange(
  folder: string,
  patienceMs: number,
  condition: () => Promise<boolean>,
): Promise<boolean> {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined); // it may fail while nobody waits for it
  const end = performance.now() + patienceMs;
  let isStale = false;
  let wake = () => {};
  const look = () => {
    isStale = true;
    wake();
  };
  const watcher = openWatch(folder, look);
  watcher.on("error", (error) => reject(cannotWatch(folder, error)));
  const timer = setInterval(look, Math.min(lookMs, patienceMs));
  try {
    for (;;) {
      isStale = false;
      if (await condition()) return true;
      if (performance.now() >= end) return false;
      if (!isStale) await Promise.race([new Promise<void>((resolve) => (wake = resolve)), failed]);
    }
  } finally {
    clearInterval(timer);
    watcher.close();
  }
}

function openWatch(folder: string, onChange: () => void): FSWatcher {
  try {
    return watch(folder, onChange);
  } catch (error) {
    throw cannotWatch(folder, error);
  }
}

const cannotWatch = (folder: string, error: unknown) =>
  platformFailure.unreadable(folder, systemCode(error) || "it cannot be watched");

/**
 * Renames a file that cannot be used, so that it is kept but out of the way.
 *
 * @param nowMs ms since the epoch, for its new name
 * @returns its new path
 * @throws `disk` when it cannot be renamed
 */
export async function keepAside(file: string, nowMs: number): Promise<string> {
  const kept = `${file}.damaged-${nowMs}`;
  try {
    await takePlace(file, kept);
    return kept;
  } catch (error) {
    throw platformFailure.disk(kept, error);
  }
}

/**
 * Moves a file for good: a crash afterwards does not undo it.
 *
 * @param to its new path
 * @returns false when there is no such file
 * @throws `disk` when it cannot be moved
 */
export async function moveIfPresent(file: string, to: string): Promise<boolean> {
  try {
    await takePlace(file, to);
    await syncFolder(dirname(to));
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw platformFailure.disk(to, error);
  }
}

/**
 * Renames a file; a power cut may undo it.
 *
 * @throws the system's error
 */
export async function renameFile(file: string, to: string): Promise<void> {
  await rename(file, to);
}

/**
 * Makes an empty file that must not exist yet. Synchronous, for the last moment of a process.
 *
 * @throws the system's error
 */
export function makeEmptyFile(file: string): void {
  closeSync(openSync(file, "wx", fileMode));
}

/**
 * Appends to a file of ours, in one write, and makes the file when it is missing.
 *
 * @throws `vault_unreadable` when it is a link, no file, or another user's; `disk`
 */
export async function appendToFile(file: string, text: string): Promise<void> {
  await writing(file, (handle) => handle.appendFile(text));
}

/**
 * Cuts a file of ours.
 *
 * @param bytes its new length
 * @throws as {@link appendToFile}
 */
export async function truncateFile(file: string, bytes: number): Promise<void> {
  await writing(file, (handle) => handle.truncate(bytes));
}

/**
 * Waits until everything written to a file of ours is on the disk. It makes the file when it is missing.
 *
 * @throws as {@link appendToFile}
 */
export async function syncFile(file: string): Promise<void> {
  await writing(file, (handle) => handle.sync());
}

async function writing(file: string, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  try {
    const handle = await openToWrite(file, true);
    try {
      await work(handle);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof CodemieError ? error : platformFailure.disk(file, error);
  }
}

/**
 * Removes a file, or a folder with all in it, if it is there. It follows no link.
 *
 * @throws the system's error
 */
export async function removeAll(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

/** Removes a folder if it is there and empty. It follows no link, and does not throw. */
export async function removeEmptyFolder(folder: string): Promise<void> {
  await rmdir(folder).catch(() => undefined);
}

/**
 * Makes a new folder that only we may enter; its name begins with `prefix` and ends at random.
 *
 * @returns its path
 * @throws the system's error
 */
export async function makeFolder(prefix: string): Promise<string> {
  return await mkdtemp(prefix);
}

/**
 * @returns the path without any link in it
 * @throws the system's error
 */
export async function realPath(path: string): Promise<string> {
  return await realpath(path);
}

/**
 * Syncs a folder: only then does a new or renamed file in it survive a power cut. Windows has no such call.
 *
 * @throws the system's error
 */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
