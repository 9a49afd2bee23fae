import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { randomBytes } from "../core/crypto.ts";
import { systemCode } from "../core/errors.ts";

const prefix = (file: string) => `.${basename(file)}.`;
const suffix = ".tmp";

/** @returns a new name, in the folder of `file`, for what shall replace it */
export function temporaryFile(file: string): string {
  return join(dirname(file), `${prefix(file)}${process.pid}.${randomBytes(6).toString("hex")}${suffix}`);
}

/** @returns true for a name that {@link temporaryFile} made for `file` */
export const isTemporary = (name: string, file: string) => name.startsWith(prefix(file)) && name.endsWith(suffix);

/** A file as it was when it was opened: which one it is. */
export interface FileNumber {
  readonly dev: number;
  readonly ino: number;
}

/**
 * Replaces a file by a copy of its content, in one piece. A handle that somebody opened before still leads to the old
 * file, which has no name any more.
 *
 * It takes no lock, since its caller may hold the file's own. Right before the rename it checks that the file is still
 * the same one.
 *
 * @param old the file whose content this is
 * @param mode the copy's permission bits
 * @returns `replaced`; `changed` when another file has taken its place meanwhile, which then stays; `impossible` when
 *   the folder cannot be changed, the file is mounted, or its file system has no modes
 * @throws the system's error otherwise, such as for a full disk
 */
export function putFreshCopy(
  file: string,
  old: FileNumber,
  content: Uint8Array,
  mode: number,
): "replaced" | "changed" | "impossible" {
  const copy = temporaryFile(file);
  try {
    if (!writeCopy(copy, content, mode)) return "impossible";
    const now = lstatSync(file, { throwIfNoEntry: false });
    if (now?.ino !== old.ino || now.dev !== old.dev) return "changed";
    renameSync(copy, file);
    syncFolder(dirname(file));
    return "replaced";
  } catch (error) {
    const code = systemCode(error);
    // A writer of the same file may have taken the copy for a leftover of a killed process.
    if (code === "ENOENT") return "changed";
    // A file that is mounted has no other in its place.
    if (["EACCES", "EPERM", "EROFS", "EBUSY", "EXDEV"].includes(code)) return "impossible";
    throw error;
  } finally {
    removeIfThere(copy);
  }
}

/** A read-only disk refuses to remove even what is not there. */
function removeIfThere(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {}
}

/** @returns false when the file system gives it other permissions */
function writeCopy(copy: string, content: Uint8Array, mode: number): boolean {
  const handle = openSync(copy, "wx", 0o600);
  try {
    for (let done = 0; done < content.length; ) done += writeSync(handle, content, done);
    fchmodSync(handle, mode);
    fsyncSync(handle);
    return (fstatSync(handle).mode & 0o777) === mode;
  } finally {
    closeSync(handle);
  }
}

/** A power cut must not bring the old file back: what was appended since would be lost. */
function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
