import { readdirSync, readFileSync } from "node:fs";

/** Numbers of all processes of this machine but the test's own. */
export const otherProcesses = (): number[] =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid);

/**
 * Reads the command line or the environment of a process, as its own user may.
 *
 * @returns a word, or a variable, a line; empty when the process ended meanwhile or is another user's
 */
export function shownOf(pid: number, what: "cmdline" | "environ"): string {
  return read(`/proc/${pid}/${what}`).replaceAll("\0", "\n");
}

/** @returns true while a process runs; a zombie, which has ended and waits for its parent to ask, does not */
export function goesOn(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`);
  return stat !== "" && !stat.includes(") Z ");
}

/** @returns true while a signal keeps a process stopped, as Ctrl-Z does */
export const isStopped = (pid: number): boolean => read(`/proc/${pid}/stat`).includes(") T ");

function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
