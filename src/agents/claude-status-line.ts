import { join } from "node:path";
import * as z from "zod/mini";
import { parseJson } from "../core/json.ts";
import { readUntrusted } from "../platform/foreign-files.ts";
import { systemHome } from "../platform/places.ts";
import type { AgentRun } from "./agent.ts";
import { ownCommand } from "./own-command.ts";
import { shownRunOf } from "./status-line.ts";
import { upwards } from "./trust.ts";

/** How often Claude Code asks for the line when nothing happens, s: the time that is left goes on. */
const refreshS = 60;

/**
 * @param given the settings that the user gives for this run
 * @returns the member for our settings file that shows our line; none where the user or the folder has a status line
 */
export function statusLineFor({ cwd, env, folder }: AgentRun, given: object): { statusLine?: object } {
  const own = join(env.CLAUDE_CONFIG_DIR || join(systemHome(), ".claude"), "settings.json");
  const folders = upwards(cwd).map((one) => join(one, ".claude"));
  const files = folders.flatMap((one) => [join(one, "settings.json"), join(one, "settings.local.json")]);
  if ("statusLine" in given || [own, ...files].some(hasStatusLine)) return {};
  const command = ownCommand("status-line", shownRunOf(folder));
  return { statusLine: { type: "command", command, refreshInterval: refreshS } };
}

const settings = z.looseObject({});

function hasStatusLine(file: string): boolean {
  const found = parseJson((readUntrusted(file) ?? "").replace(/^\uFEFF/, ""), settings);
  return found !== undefined && "statusLine" in found;
}
