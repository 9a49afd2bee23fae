import { randomBytes } from "node:crypto";
import { chmodSync, type FSWatcher, mkdirSync, statSync, watch } from "node:fs";
import { chmod, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";

/** Mode of every folder and file of ours: the owner and nobody else. */
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
 * Reads a file of somebody's own choice, which may be a pipe or have no end.
 *
 * @param limit most that is read, bytes
 * @returns the content, or undefined when there is more; and whether it is a file that others may read
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
 * Makes a folder (and those above it) that only the owner may enter, and closes it where it stood open.
 *
 * @throws `disk` when it cannot be made
 */
export async function ensureFolder(folder: string): Promise<void> {
  try {
    // Asked synchronously: it is nearly always there, and a trip to the thread pool costs ten times as much.
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
 * Replaces a file so that a reader, or a crash at any moment, finds the old content or the new one and nothing else:
 * temporary file in the same folder, fsync, rename, fsync of the folder.
 *
 * @param file path; its folder must exist
 * @param data the whole new content
 * @throws `disk` when it cannot be written; the old content is then still there
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
 * Tries whether files can be written in a folder. Takes no lock: each try has a file of its own name.
 *
 * @throws `disk` when they cannot
 */
export async function tryToWrite(folder: string): Promise<void> {
  const file = join(folder, "probe");
  const own = temporaryFile(file);
  // Another process's try may lose its file to this. It is removed in the end anyway, and nobody misses it.
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
 * Removes what replacements of this file left behind when their process was killed. Call it under the file's lock: then
 * no living process has such a temporary file.
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
 * @throws `vault_unreadable`
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
 * @returns a text that is another one once the file was replaced, and empty when there is none. It is asked for on every
 *   request of the gateway, and asked synchronously that is a fifth of the cost.
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
 * How often a folder is looked at although nothing was told of it, ms: the runtime's watch begins a moment after it is
 * asked for, and loses changes now and then (Bun 1.4).
 */
const lookMs = 250;

/**
 * Waits until something in a folder makes a condition true.
 *
 * @param folder the folder to watch
 * @param patienceMs how long to wait, ms
 * @param condition asked once at the start and after every change in the folder
 * @returns false when it did not become true in time
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
 * Moves a file that cannot be used out of the way, keeping it.
 *
 * @returns where it is now
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

/** Leaves a file to its owner alone. */
export async function closeToOthers(file: string): Promise<void> {
  try {
    await chmod(file, fileMode);
  } catch (error) {
    throw platformFailure.disk(file, error);
  }
}

/**
 * Returns once everything written to a file is on the disk.
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

/** A new or renamed file lasts through a power cut only once its folder is synced (Windows has no such call). */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
