import { dirname, isAbsolute, join } from "node:path";
import * as z from "zod/mini";
import type { Env } from "../core/env.ts";
import { parseJson } from "../core/json.ts";
import { realPath } from "../platform/files.ts";
import { readNamedText } from "../platform/foreign-files.ts";
import { stateOf } from "../platform/path-state.ts";
import { systemHome } from "../platform/places.ts";

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
 * @param own the agent's folder with the person's own settings, which may have the name of one of these
 * @returns those that are there or in a folder above, up to that of the repository
 */
export async function toldBy(cwd: string, names: readonly string[], own: string): Promise<string[]> {
  const found = new Set<string>();
  const isThere = async (path: string) => (await stateOf(path).catch(() => undefined)) !== undefined;
  // The current folder's path has no link in it; that of the home folder may.
  const theirs = [own, await realPath(own).catch(() => own)];
  for (const folder of upwards(cwd)) {
    for (const name of names) {
      const path = join(folder, name);
      if (!theirs.includes(path) && (await isThere(path))) found.add(name);
    }
    if (await isThere(join(folder, ".git"))) break;
  }
  return [...found];
}

/** @returns the note for a person whose folder takes no part, with the names of what stays out */
export const leftOut = (title: string, names: readonly string[]): string =>
  `${title} runs without ${names.join(", ")}: nobody has said that this folder is trusted; --trust-folder lets them take part`;

/** Longest file of Claude Code's state, bytes: it keeps something of every folder. */
const longestState = 64 * 1024 * 1024;
const project = z.object({
  hasTrustDialogAccepted: z.optional(z.boolean()),
  mcpServers: z.optional(z.record(z.string(), z.unknown())),
});
const stateSchema = z.object({ projects: z.record(z.string(), z.catch(project, {})) });

/** Notes that Claude Code keeps of a folder, in the user's own file. */
export interface ClaudeState {
  /** true: the person has accepted its question about this folder, or one above */
  readonly isTrusted: boolean;
  /** MCP servers that the person has registered for this folder, or for the nearest one above */
  readonly servers: Readonly<Record<string, unknown>>;
}

/** @returns what Claude Code knows of a folder; nothing when its file cannot be read */
export async function claudeStateOf(cwd: string, env: Env): Promise<ClaudeState> {
  const base = env.CLAUDE_CONFIG_DIR || systemHome();
  // A relative one would be the folder's own.
  if (!isAbsolute(base)) return { isTrusted: false, servers: {} };
  const file = join(base, ".claude.json");
  const text = await readNamedText(file, longestState, 0).catch(() => undefined);
  const projects = parseJson(text ?? "", stateSchema)?.projects ?? {};
  const found = upwards(cwd).flatMap((folder) => (Object.hasOwn(projects, folder) ? (projects[folder] ?? []) : []));
  return {
    isTrusted: found.some((one) => one.hasTrustDialogAccepted),
    servers: found.find((one) => Object.keys(one.mcpServers ?? {}).length > 0)?.mcpServers ?? {},
  };
}
