import { randomBytes } from "node:crypto";
import { chmodSync, type FSWatcher, mkdirSync, statSync, watch } from "node:fs";
import { chmod, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";

/** Modes of every folder and file of ours: for the owner alone. */
const folderMode = 0o700;
const fileMode = 0o600;

/**
 * @param file path
 * @returns the file's text, or undefined when there is no such file
 * @throws `vault_unreadable` when it exists and cannot be read
 */
export async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw platformFailure.unreadable(file, code === "EACCES" ? "permission denied" : code || "unknown error");
  }
}

/**
 * Reads a file that a person named, which may be a pipe or never end.
 *
 * @param limit most bytes to read
 * @returns `content`, undefined when the file is longer than the limit; `isOpen`, true for a file that others may read
 * @throws the system's error
 */
export async function readBounded(file: string, limit: number): Promise<{ content?: Uint8Array; isOpen: boolean }> {
  const handle = await open(file, "r");
  try {
    const found = await handle.stat();
    const isOpen = process.platform !== "win32" && found.isFile() && (found.mode & 0o044) !== 0;
    const buffer = Buffer.alloc(limit + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
      if (bytesRead === 0) return { content: buffer.subarray(0, length), isOpen };
      length += bytesRead;
    }
    return { isOpen };
  } finally {
    await handle.close();
  }
}

/**
 * Makes a folder (and those above it) that only the owner may enter, or takes away others' access to an existing one.
 *
 * @throws `disk` when it can be neither made nor closed
 */
export async function ensureFolder(folder: string): Promise<void> {
  try {
    // Synchronous: the folder nearly always exists, and a trip to the thread pool costs ten times as much.
    mkdirSync(folder, { recursive: true, mode: folderMode });
    if (process.platform !== "win32" && (statSync(folder).mode & 0o077) !== 0) chmodSync(folder, folderMode);
  } catch (error) {
    throw platformFailure.disk(folder, error);
  }
}

const temporaryPrefix = (file: string) => `.${basename(file)}.`;
const temporarySuffix = ".tmp";
const temporaryFile = (file: string) => {
  const name = `${temporaryPrefix(file)}${process.pid}.${randomBytes(6).toString("hex")}${temporarySuffix}`;
  return join(dirname(file), name);
};

/**
 * Replaces a file so that a reader at any moment, or anybody after a crash, finds either the whole old content or the
 * whole new one: temporary file in the same folder, fsync, rename, fsync of the folder.
 *
 * @param file path; its folder must exist
 * @param data the whole new content
 * @throws `disk` when it cannot be written; the old content then remains
 */
export async function replaceFile(file: string, data: string): Promise<void> {
  const temporary = temporaryFile(file);
  try {
    const handle = await open(temporary, "wx", fileMode);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    await syncFolder(dirname(file));
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
  const prefix = temporaryPrefix(file);
  try {
    for (const name of await readdir(dirname(file))) {
      const isOne = name.startsWith(prefix) && name.endsWith(temporarySuffix);
      if (isOne) await rm(join(dirname(file), name), { force: true });
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
 * @returns the names in a folder, sorted; none when there is no such folder
 * @throws `vault_unreadable` when the folder cannot be read
 */
export async function namesIn(folder: string): Promise<string[]> {
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
    await rename(file, kept);
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
    await rename(file, to);
    await syncFolder(dirname(to));
    return true;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw platformFailure.disk(to, error);
  }
}

/**
 * Takes away others' access to a file.
 *
 * @throws `disk`
 */
export async function closeToOthers(file: string): Promise<void> {
  try {
    await chmod(file, fileMode);
  } catch (error) {
    throw platformFailure.disk(file, error);
  }
}

/**
 * Waits until everything written to a file is on the disk. It makes the file when it is missing.
 *
 * @throws `disk`
 */
export async function syncFile(file: string): Promise<void> {
  try {
    const handle = await open(file, "a", fileMode);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw platformFailure.disk(file, error);
  }
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
