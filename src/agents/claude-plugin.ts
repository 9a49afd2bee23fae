import { join } from "node:path";
import * as z from "zod/mini";
import { parseJson } from "../core/json.ts";
import { version } from "../core/version.ts";
import { ensureFolder, makeFolder, namesIn, removeAll, renameFile, replaceFile } from "../platform/files.ts";
import { readUntrusted } from "../platform/foreign-files.ts";
import { withLock } from "../platform/lock.ts";
import { clearAway, holdsOnly } from "../platform/own-content.ts";
import { ownCommand } from "./own-command.ts";

/** The plugin's name, which Claude Code shows. */
const pluginName = "codemie";

/** The events that call our hook, and how long Claude Code waits for it, s. It ends after some 10 ms. */
const events: Readonly<Record<string, number>> = {
  SessionStart: 5,
  UserPromptSubmit: 2,
  Stop: 2,
  StopFailure: 2,
  SubagentStart: 2,
  SubagentStop: 3,
  PostToolUseFailure: 2,
  PreCompact: 2,
  PermissionRequest: 2,
  SessionEnd: 10,
};

/** The files of the plugin, by path. The program and the base folder stand in it, so that no variable of a repository's can change them. */
function filesFor(home: string): Readonly<Record<string, string>> {
  const command = ownCommand("hook", home);
  const hooks = Object.fromEntries(
    Object.entries(events).map(([event, timeout]) => [event, [{ hooks: [{ type: "command", command, timeout }] }]]),
  );
  const about = {
    name: pluginName,
    version,
    description: "Counts sessions for your company's CodeMie host: codemie sessions",
  };
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`;
  return {
    ".claude-plugin/plugin.json": json(about),
    "hooks/hooks.json": json({ hooks }),
  };
}

/**
 * Lays out the plugin for Claude Code under the base folder, whole or not at all, unless it is there, with nothing else in it and
 * nothing of others.
 *
 * @returns its folder
 * @throws `disk` or the system's error when it cannot be written; `vault_unreadable` when the folder is not ours
 */
export async function layOutPlugin(home: string): Promise<string> {
  const parent = join(home, "claude-plugin");
  const folder = join(parent, version);
  const files = filesFor(home);
  await ensureFolder(parent);
  if (await holdsOnly(folder, files)) return folder;
  // Runs that start together would move away what another one has laid out, and its agent reads.
  await withLock(join(home, "run", "plugin.lock"), "the plugin for Claude Code", async () => {
    if (!(await holdsOnly(folder, files))) await replaceFolder(folder, files);
  });
  return folder;
}

/** A folder cannot take the place of another one in one step, so what is there moves away first. */
async function replaceFolder(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  const made = await makeFolder(join(folder, "../.new-"));
  try {
    for (const [name, text] of Object.entries(files)) {
      await ensureFolder(join(made, name, ".."));
      await replaceFile(join(made, name), text, false);
    }
    await clearAway(folder);
    await renameFile(made, folder);
  } finally {
    await removeAll(made);
  }
}

/**
 * Removes plugins of other versions. An agent that was started with one has read it already.
 *
 * @throws `vault_unreadable` when the folder is not ours; the system's error
 */
export async function removeOldPlugins(home: string): Promise<void> {
  const parent = join(home, "claude-plugin");
  for (const name of await namesIn(parent))
    if (/^\d+\.\d+\.\d+$/.test(name) && name !== version) await clearAway(join(parent, name));
}

const manifest = z.object({ name: z.string() });

/** @returns true when the user's own arguments bring a plugin of our plugin's name */
export function bringsPlugin(args: readonly string[]): boolean {
  return args.some((arg, at) => {
    const joined = /^--plugin-dir(?:-no-mcp)?=(.*)$/.exec(arg)?.[1];
    const before = args[at - 1];
    const folder = joined ?? (before === "--plugin-dir" || before === "--plugin-dir-no-mcp" ? arg : undefined);
    if (folder === undefined) return false;
    return parseJson(readUntrusted(join(folder, ".claude-plugin/plugin.json")) ?? "", manifest)?.name === pluginName;
  });
}
