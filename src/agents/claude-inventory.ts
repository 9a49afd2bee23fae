import { isAbsolute, join } from "node:path";
import * as z from "zod/mini";
import type { Env } from "../core/env.ts";
import { parseJson } from "../core/json.ts";
import { foreignNames, readNamedText, readUntrusted } from "../platform/foreign-files.ts";
import { systemHome } from "../platform/places.ts";
import { claudeStateOf } from "./trust.ts";

/** Most names in one list, and the form of those that are named: others are counted only. */
const mostNames = 100;
const plainName = /^[A-Za-z0-9][\w.:@ -]{0,99}$/;

/** How the names end that Claude Code keeps in a folder of each kind; folders have no end. */
const kinds = { agent: ".md", command: ".md", skill: "", rule: ".md" } as const;

const longestSettings = 1024 * 1024;
const longestState = 64 * 1024 * 1024;
const withHooks = z.object({ hooks: z.optional(z.record(z.string(), z.unknown())) });
const withServers = z.object({ mcpServers: z.optional(z.record(z.string(), z.unknown())) });

/**
 * Counts what Claude Code is set up with, by the person and by the folder, for the start of a session (CodeMie fact 6.1).
 *
 * @param cwd the folder it works in
 * @returns counts and names, by the names of the metric's attributes
 */
export async function claudeInventory(cwd: string, env: Env): Promise<Record<string, number | readonly string[]>> {
  const base = env.CLAUDE_CONFIG_DIR || join(systemHome(), ".claude");
  // A relative one would be the folder's own.
  const global = isAbsolute(base) ? base : undefined;
  const project = join(cwd, ".claude");
  const found: Record<string, number | readonly string[]> = {};
  const add = (kind: string, globals: readonly string[], projects: readonly string[]) => {
    found[`${kind}s_global`] = globals.length;
    found[`${kind}s_project`] = projects.length;
    found[`${kind}_names`] = plain([...globals, ...projects]);
    found[`${kind}_global_names`] = plain(globals);
    found[`${kind}_project_names`] = plain(projects);
  };
  for (const [kind, end] of Object.entries(kinds)) {
    const inFolder = (folder: string | undefined) =>
      folder === undefined
        ? []
        : foreignNames(join(folder, `${kind}s`))
            .filter((name) => name.endsWith(end))
            .map((name) => name.slice(0, name.length - end.length));
    add(kind, inFolder(global), inFolder(project));
  }
  const hooksOf = (text: string | undefined) => Object.keys(parseJson(text ?? "", withHooks)?.hooks ?? {});
  const ownSettings =
    global && (await readNamedText(join(global, "settings.json"), longestSettings, 0).catch(() => undefined));
  add("hook", hooksOf(ownSettings), hooksOf(readUntrusted(join(project, "settings.json"))));

  const state = join(env.CLAUDE_CONFIG_DIR || systemHome(), ".claude.json");
  const text = isAbsolute(state) ? await readNamedText(state, longestState, 0).catch(() => undefined) : undefined;
  const serversOf = (json: string | undefined) => Object.keys(parseJson(json ?? "", withServers)?.mcpServers ?? {});
  const servers = {
    local: Object.keys((await claudeStateOf(cwd, env)).servers),
    project: serversOf(readUntrusted(join(cwd, ".mcp.json"))),
    user: serversOf(text),
  };
  const all = Object.values(servers).flat();
  found.mcp_total_servers = all.length;
  found.mcp_server_names = plain(all);
  for (const [scope, names] of Object.entries(servers)) {
    found[`mcp_${scope}_servers`] = names.length;
    found[`mcp_${scope}_server_names`] = plain(names);
  }
  return found;
}

const plain = (names: readonly string[]) =>
  [...new Set(names)].filter((name) => plainName.test(name)).slice(0, mostNames);
