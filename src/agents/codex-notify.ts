import { join } from "node:path";
import type { Env } from "../core/env.ts";
import { foreignNames, readUntrusted } from "../platform/foreign-files.ts";
import { systemHome } from "../platform/places.ts";
import { onWindows, ownProgram } from "../platform/self.ts";

/** @returns true for a setting of that name, in a table or at the top. Too many are found rather than too few */
const setsNotify = (toml: string) =>
  toml.split("\n").some((line) => !line.trimStart().startsWith("#") && /\bnotify\b["']?\s*=/.test(line));

/** Where Codex finds settings of the machine and of the person. It takes none of this name from a folder's own. */
const foldersOf = (env: Env): string[] => [
  onWindows ? join(env.ProgramData || "C:\\ProgramData", "OpenAI", "Codex") : "/etc/codex",
  env.CODEX_HOME || join(systemHome(), ".codex"),
];

/**
 * Codex has one program that it tells of the end of each turn, so the person's own stays.
 *
 * @returns the setting that names our hook; undefined where a file of settings has one of that name, or cannot be read
 */
export async function codexNotify(home: string, _cwd: string, env: Env): Promise<string | undefined> {
  for (const folder of foldersOf(env)) {
    const files = foreignNames(folder).filter((name) => name.endsWith(".toml"));
    const texts = files.map((name) => readUntrusted(join(folder, name)));
    if (texts.some((text) => text === undefined || setsNotify(text))) return undefined;
  }
  return `notify=${JSON.stringify([ownProgram(), "hook", home])}`;
}

/** @returns true when the person's own arguments name a program to tell */
export const givesNotify = (args: readonly string[]): boolean =>
  args.some((arg) => /^(?:-c=?|--config=)?\s*["']?notify["']?\s*=/.test(arg));
