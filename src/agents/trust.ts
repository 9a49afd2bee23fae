import { homedir } from "node:os";
import { dirname, join } from "node:path";
import * as z from "zod/mini";
import type { Env } from "../core/env.ts";
import { parseJson } from "../core/json.ts";
import { readNamedText } from "../platform/foreign-files.ts";
import { stateOf } from "../platform/path-state.ts";

// Settings, hooks and servers of the folder that an agent works in can run programs. At a terminal most agents ask first
// whether the person trusts the folder. Without one nobody is asked, and a pipeline that reviews what a stranger wrote would run
// what the stranger wrote. So a run without a person leaves them out until somebody has said that the folder is trusted.

/** @returns the folder, and all above it, the nearest first */
export function upwards(folder: string): string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...upwards(above)];
}

/**
 * @param cwd the folder the agent works in
 * @param names files and folders by which an agent is told something there
 * @returns those that are there or in a folder above, up to that of the repository
 */
export async function toldBy(cwd: string, names: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  const isThere = async (path: string) => (await stateOf(path).catch(() => undefined)) !== undefined;
  for (const folder of upwards(cwd)) {
    for (const name of names) if (await isThere(join(folder, name))) found.add(name);
    if (await isThere(join(folder, ".git"))) break;
  }
  return [...found];
}

/** @returns what is said of a folder whose own settings take no part */
export const leftOut = (title: string, names: readonly string[]): string =>
  `${title} runs without ${names.join(", ")}: nobody has said that this folder is trusted; --trust-folder lets them take part`;

/** Longest file of Claude Code's state, bytes: it keeps something of every folder. */
const longestState = 64 * 1024 * 1024;
const stateSchema = z.object({
  projects: z.record(z.string(), z.catch(z.object({ hasTrustDialogAccepted: z.optional(z.boolean()) }), {})),
});

/** @returns true when the person has accepted Claude Code's question about this folder, or one above */
export async function claudeTrusts(cwd: string, env: Env): Promise<boolean> {
  const file = join(env.CLAUDE_CONFIG_DIR || homedir(), ".claude.json");
  const text = await readNamedText(file, longestState).catch(() => undefined);
  const projects = parseJson(text ?? "", stateSchema)?.projects ?? {};
  return upwards(cwd).some((folder) => Object.hasOwn(projects, folder) && projects[folder]?.hasTrustDialogAccepted);
}
