import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";
import { isDescriptor } from "./places.ts";

// Files that are not ours. Nobody vouches for what lies there: a repository's link may lead to a device without end, or to
// a pipe that nobody writes to. So all of them are opened without waiting and read up to a bound.

/** Windows has no such flag. */
const withoutWaiting = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
const withoutLink = constants.O_NOFOLLOW ?? 0;
/** Longest file of a repository that we look at, bytes. */
const longestUntrusted = 256 * 1024;
/** How long a pipe that a person named may take to give everything, ms: somebody may have to unlock a key first. */
const pipePatienceMs = 60_000;
/** How often we look whether a pipe has more, ms. */
const pipeLookMs = 10;

/**
 * Reads a plain file, or what a link to one leads to.
 *
 * @param limit most bytes to read
 * @param isOurs true: no link may lead to it, and it must be ours or root's
 * @throws the system's error; one of code `ENXIO` when it is no plain file, `EFBIG` when it is longer, `EPERM` when it is not ours
 */
export function readPlain(file: string, limit: number, isOurs = false): string {
  const handle = openSync(file, withoutWaiting | (isOurs ? withoutLink : 0));
  try {
    const found = fstatSync(handle);
    if (!found.isFile()) throw coded(found.isDirectory() ? "EISDIR" : "ENXIO");
    if (isOurs) requireOurs(found.uid);
    if (found.size > limit) throw coded("EFBIG");
    // Not as long as it says: the files of /proc have no size.
    const buffer = Buffer.alloc(limit + 1);
    let length = 0;
    for (let count = 1; count > 0 && length < buffer.length; length += count) {
      count = readSync(handle, buffer, length, buffer.length - length, null);
    }
    if (length > limit) throw coded("EFBIG");
    return buffer.toString("utf8", 0, length);
  } finally {
    closeSync(handle);
  }
}

/**
 * Adds a text to the end of a plain file that is there, that no link leads to, and that is ours or root's.
 *
 * @param limit bytes that the file may have then
 * @throws the system's error; one of code `ENXIO` when it is no plain file, `EFBIG` when it would be longer, `EPERM` when it is not ours
 */
export function appendPlain(file: string, text: string, limit: number): void {
  const { O_WRONLY, O_APPEND, O_NONBLOCK = 0 } = constants;
  const handle = openSync(file, O_WRONLY | O_APPEND | O_NONBLOCK | withoutLink);
  try {
    const found = fstatSync(handle);
    if (!found.isFile()) throw coded("ENXIO");
    requireOurs(found.uid);
    const bytes = Buffer.from(text);
    if (found.size + bytes.length > limit) throw coded("EFBIG");
    writeSync(handle, bytes);
  } finally {
    closeSync(handle);
  }
}

/**
 * Reads a file of the current folder or of its repository.
 *
 * @returns its text; undefined when there is none, when it is no plain file, too long, or cannot be read
 */
export function readUntrusted(file: string): string | undefined {
  try {
    return readPlain(file, longestUntrusted);
  } catch {
    return undefined;
  }
}

/** Most names of a folder that we look at. */
const mostNames = 1_000;

/** @returns the names in a folder that is not ours, sorted; none when there is no such folder */
export function foreignNames(folder: string): string[] {
  try {
    return readdirSync(folder).slice(0, mostNames).sort();
  } catch {
    return [];
  }
}

/**
 * Reads a file that a person named. It may be a pipe, such as bash's `<(…)`, which then has {@link pipePatienceMs}. But
 * what only a link calls a pipe or a device was not named by that person.
 *
 * @param limit most bytes to read
 * @param patienceMs time limit for a pipe, ms; where the system cannot open it without waiting (macOS), it waits longer
 * @returns `content`, undefined when the file is longer than the limit; `isOpen`, true for a file that others may read
 * @throws the system's error; one of code `ENXIO` for a link to a pipe or device, `ETIMEDOUT` for a pipe that is late
 */
export async function readNamed(
  file: string,
  limit: number,
  patienceMs = pipePatienceMs,
): Promise<{ content?: Uint8Array; isOpen: boolean }> {
  const handle = await open(file, withoutWaiting);
  try {
    const found = await handle.stat();
    if (found.isDirectory()) throw coded("EISDIR");
    const isPlain = found.isFile();
    if (!isPlain && !isDescriptor(file) && lstatSync(file).isSymbolicLink()) throw coded("ENXIO");
    const isOpen = process.platform !== "win32" && isPlain && (found.mode & 0o044) !== 0;
    if (isPlain && found.size > limit) return { isOpen };
    const end = performance.now() + patienceMs;
    const chunks: Uint8Array[] = [];
    for (let length = 0; length <= limit; ) {
      const chunk = await readNow(handle, Math.min(64 * 1024, limit + 1 - length));
      // A pipe with a name is empty until somebody opens it to write.
      const isLate = chunk === "later" || (chunk.length === 0 && length === 0 && found.isFIFO() && !isDescriptor(file));
      if (!isPlain && performance.now() >= end) throw coded("ETIMEDOUT");
      if (isLate && isPlain) throw coded("EAGAIN");
      if (isLate) await Bun.sleep(pipeLookMs);
      else if (chunk.length === 0) return { content: Buffer.concat(chunks), isOpen };
      else {
        chunks.push(chunk);
        length += chunk.length;
      }
    }
    return { isOpen };
  } finally {
    await handle.close();
  }
}

/**
 * As {@link readNamed}; at a place that the person did not name, a pipe gets no time.
 *
 * @returns the file's text, or undefined when there is no such file
 * @throws `vault_unreadable` when it cannot be read, or is longer than the limit
 */
export async function readNamedText(file: string, limit: number, patienceMs?: number): Promise<string | undefined> {
  try {
    const { content } = await readNamed(file, limit, patienceMs);
    if (!content) throw coded("EFBIG");
    return new TextDecoder().decode(content);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw platformFailure.unreadable(file, whyUnreadable(error));
  }
}

/** @returns in words why a file could not be read, for an error of this file's functions */
export function whyUnreadable(error: unknown): string {
  const code = systemCode(error);
  const words: Record<string, string> = {
    ENOENT: "there is no such file",
    EACCES: "permission denied",
    EISDIR: "it is a folder",
    ENXIO: "it is not a file",
    ELOOP: "it is a link",
    EAGAIN: "it is not a file",
    EFBIG: "it is too long",
    ETIMEDOUT: "nothing came out of it in time",
  };
  return words[code] ?? (code || "unknown error");
}

async function readNow(handle: FileHandle, most: number): Promise<Uint8Array | "later"> {
  const buffer = Buffer.alloc(most);
  try {
    const { bytesRead } = await handle.read(buffer, 0, most, null);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (systemCode(error) === "EAGAIN") return "later";
    throw error;
  }
}

/** Windows has no user numbers. */
function requireOurs(uid: number): void {
  if (process.getuid && uid !== 0 && uid !== process.getuid()) throw coded("EPERM");
}

const coded = (code: string) => Object.assign(new Error(code), { code });
