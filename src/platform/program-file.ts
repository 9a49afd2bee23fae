import { constants } from "node:fs";
import {
  chmod,
  copyFile,
  link,
  lstat,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { CodemieError, systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";
import { syncFolder } from "./files.ts";
import { temporaryFile } from "./fresh-copy.ts";
import { isAlive, type Program } from "./processes.ts";

// The file of this program, and its other names. Windows lets nobody remove or overwrite a program that runs, but lets it be
// renamed.

const isWindows = process.platform === "win32";

/** @returns where the version that an update replaced is kept: beside the program, since both must be in one file system */
export const programBefore = (program: string): string => join(dirname(program), `.${basename(program)}.before`);

/** What replaces a program: the content, and whoever tries it before it is put in place. */
export interface Replacement {
  /** @returns the new program's bytes; it is called once the place for them is known to be writable */
  readonly content: () => Promise<Uint8Array>;
  /** Throws for a program that must not take the place. */
  readonly prove: (candidate: Program) => Promise<void>;
  /** @returns the failure for a program that somebody else has replaced meanwhile */
  readonly changed: () => CodemieError;
}

/**
 * Replaces a program in one piece, also while it runs, and keeps it as {@link programBefore}. Whatever fails, and whenever
 * the machine stops, the old one or the new one is there as a whole; on Windows there may be none for a moment.
 *
 * @param program its path, without a link in it
 * @throws `disk`; whatever the replacement throws. Then nothing is changed
 */
export async function replaceProgram(program: string, { content, prove, changed }: Replacement): Promise<void> {
  const candidate = temporaryFile(program);
  await changing(program, [candidate], async () => {
    await removeAbandoned(program);
    const found = await stat(program);
    const handle = await open(candidate, "wx", 0o700);
    try {
      await handle.writeFile(await content());
      await handle.chmod(found.mode & 0o777);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await prove(candidate as Program);
    const now = await stat(program);
    if (now.ino !== found.ino || now.dev !== found.dev) throw changed();
    await keepBefore(program);
    await rename(candidate, program);
    await syncFolder(dirname(program));
  });
}

/**
 * Exchanges a program and the one that {@link replaceProgram} kept.
 *
 * @param prove throws for a program that must not take the place
 * @throws `disk`; whatever `prove` throws
 */
export async function exchangePrograms(program: string, prove: Replacement["prove"]): Promise<void> {
  const before = programBefore(program);
  const kept = temporaryFile(program);
  await changing(program, [kept], async () => {
    await prove(before as Program);
    if (isWindows) await rename(program, kept);
    else await sameFile(program, kept);
    await rename(before, program);
    await rename(kept, before);
    await syncFolder(dirname(program));
  });
}

/** @returns whether a version is kept; `foreign` when others own it, or may write it while they may not write the program */
export async function stateOfBefore(program: string): Promise<"none" | "ours" | "foreign"> {
  try {
    const own = await stat(program);
    const found = await lstat(programBefore(program));
    const isLoose = (found.mode & 0o022 & ~own.mode) !== 0;
    return found.isFile() && found.uid === own.uid && !isLoose ? "ours" : "foreign";
  } catch (error) {
    if (systemCode(error) === "ENOENT") return "none";
    throw platformFailure.programFile(programBefore(program), error);
  }
}

/** @returns what a name of a program's folder is to it: `none` when nothing has it, `ours` for a link to a program called so */
export async function stateOfName(program: string, name: string): Promise<"none" | "ours" | "foreign"> {
  const path = join(dirname(program), name);
  try {
    const found = await lstat(path);
    if (found.isSymbolicLink()) return basename(await readlink(path)) === basename(program) ? "ours" : "foreign";
    // On Windows links need a right, so the names are the same file, or the one before it.
    return isWindows && found.isFile() ? "ours" : "foreign";
  } catch (error) {
    if (systemCode(error) === "ENOENT") return "none";
    throw platformFailure.programFile(path, error);
  }
}

/**
 * Makes names beside a program lead to it, in place of what has them now.
 *
 * @throws `disk`
 */
export async function nameProgram(program: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(dirname(program), name);
    const made = temporaryFile(path);
    await changing(path, [made], async () => {
      if (isWindows) await sameFile(program, made);
      else await symlink(basename(program), made);
      await rename(made, path);
    });
  }
}

/** @returns true when a path is a link, and leads to this program */
export async function isLinkTo(program: string, path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink() && (await realpath(path)) === program;
  } catch {
    return false;
  }
}

/**
 * Removes files of a program, it itself the last. On Windows it goes to the folder for temporary files, since it runs.
 *
 * @throws `disk`
 */
export async function removeProgram(program: string, others: readonly string[]): Promise<void> {
  for (const path of [...others, program]) {
    await changing(path, [], async () => {
      if (isWindows && path === program) await rename(path, join(tmpdir(), basename(temporaryFile(path))));
      else await rm(path, { force: true });
    });
  }
}

/** The program stays under its own name until the new one takes it. */
async function keepBefore(program: string): Promise<void> {
  const before = programBefore(program);
  if (isWindows) {
    await rm(before, { force: true });
    await rename(program, before);
    return;
  }
  const kept = temporaryFile(program);
  try {
    await sameFile(program, kept);
    await rename(kept, before);
  } finally {
    // Two names of one file stay two when one is renamed to the other (POSIX, rename).
    await rm(kept, { force: true });
  }
}

/** Gives a file a second name, or a copy where the file system has no such names. */
async function sameFile(file: string, name: string): Promise<void> {
  try {
    await link(file, name);
  } catch {
    await copyFile(file, name, constants.COPYFILE_EXCL);
    await chmod(name, (await stat(file)).mode & 0o777);
  }
}

/** An update that was killed leaves a file of a hundred megabytes; its name has the number of its process. */
async function removeAbandoned(program: string): Promise<void> {
  const start = `.${basename(program)}.`;
  for (const name of await readdir(dirname(program))) {
    const pid = name.startsWith(start) ? /^(\d+)\.[0-9a-f]{12}\.tmp$/.exec(name.slice(start.length))?.[1] : undefined;
    if (pid && !isAlive(Number(pid))) await rm(join(dirname(program), name), { force: true });
  }
}

async function changing(file: string, leftovers: readonly string[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    for (const path of leftovers) await rm(path, { force: true }).catch(() => undefined);
    throw error instanceof CodemieError ? error : platformFailure.programFile(file, error);
  }
}
