import { ownProgram } from "../platform/self.ts";

/** A word that no shell takes for anything else (POSIX.1-2017 section 2.2.2). */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * @param word a command of ours
 * @param path its argument
 * @returns a line for a shell that runs it, by our program's absolute path. Windows has Claude Code run hooks in Git's shell, which
 *   takes a backslash in quotes as it is
 */
export const ownCommand = (word: string, path: string): string => `${quoted(ownProgram())} ${word} ${quoted(path)}`;
