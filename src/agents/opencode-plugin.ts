import { join } from "node:path";
import * as z from "zod/mini";
import type { Env } from "../core/env.ts";
import { parseJson } from "../core/json.ts";
import { version } from "../core/version.ts";
import { ensureFolder, namesIn, removeFile, replaceFile } from "../platform/files.ts";
import { readUntrusted } from "../platform/foreign-files.ts";
import { clearAway, isOwnText } from "../platform/own-content.ts";
import { stateOf } from "../platform/path-state.ts";
import { systemHome } from "../platform/places.ts";
import { ownProgram } from "../platform/self.ts";
import { upwards } from "./trust.ts";

const folderOf = (home: string) => join(home, "opencode-plugin");
const fileName = `codemie-${version}.js`;

/**
 * The plugin, which OpenCode loads into its own process. It tells names, ids and outcomes in the form of Claude Code's events, and
 * waits for the hook each time, since OpenCode ends without waiting for anybody. A call of a tool counts if it was seen at
 * work: what is loaded of an old session has ended already. What a subagent does belongs to the session that started it.
 */
const sourceFor = (home: string) => `import { spawnSync } from "node:child_process";

const program = ${JSON.stringify(ownProgram())};
const home = ${JSON.stringify(home)};

function tell(session, event, more) {
  const input = JSON.stringify({ session_id: session, hook_event_name: event, ...more });
  try {
    spawnSync(program, ["hook", home], { input, timeout: 5000, stdio: ["pipe", "ignore", "ignore"], windowsHide: true });
  } catch {}
}

export default async () => {
  const parents = new Map();
  const known = new Set();
  const running = new Set();
  const begin = (session, source) => {
    if (known.has(session)) return;
    known.add(session);
    tell(session, "SessionStart", { source });
  };
  const rootOf = (session) => {
    let root = session;
    for (let left = 100; left > 0 && parents.has(root); left--) root = parents.get(root);
    begin(root, "resume");
    return root;
  };
  const seen = {
    "session.created": ({ info }) => {
      if (!info.parentID) return begin(info.id, "startup");
      parents.set(info.id, info.parentID);
      tell(rootOf(info.id), "SubagentStart");
    },
    "message.part.updated": ({ part }) => {
      if (part.type !== "tool") return;
      const { status } = part.state;
      if (status === "running") running.add(part.callID);
      if ((status !== "completed" && status !== "error") || !running.delete(part.callID)) return;
      const response = status === "error" ? { error: true } : {};
      tell(rootOf(part.sessionID), "PostToolUse", { tool_name: part.tool, tool_response: response });
    },
    "session.error": ({ sessionID, error }) => {
      if (!sessionID || !error || error.name === "MessageAbortedError") return;
      const isRefused = error.name === "ProviderAuthError" || error.data?.statusCode === 401;
      tell(rootOf(sessionID), "StopFailure", { error: isRefused ? "authentication_failed" : error.name });
    },
    "session.idle": ({ sessionID }) => tell(rootOf(sessionID), parents.has(sessionID) ? "SubagentStop" : "Stop"),
    "session.compacted": ({ sessionID }) => tell(rootOf(sessionID), "PreCompact"),
    "permission.asked": ({ sessionID }) => tell(rootOf(sessionID), "PermissionRequest"),
  };
  return {
    event: async ({ event }) => {
      try {
        seen[event.type]?.(event.properties);
      } catch {}
    },
    "chat.message": async ({ sessionID }) => {
      if (!parents.has(sessionID)) tell(rootOf(sessionID), "UserPromptSubmit");
    },
  };
};
`;

/** The package that OpenCode fetches into each of its folders, needed or not. */
const fetched = "@opencode-ai/plugin";
const packages = z.object({
  packages: z.object({ "": z.object({ dependencies: z.record(z.string(), z.unknown()) }) }),
});
const names = z.object({ dependencies: z.optional(z.record(z.string(), z.unknown())) });

/**
 * OpenCode fetches a package from npm's registry into each folder of its settings. Only a run with plugins waits for that, and
 * where the registry is out of reach that takes more than a minute, each time.
 *
 * @returns true when such a folder has it, by OpenCode's own measure
 */
async function isFetched(folder: string): Promise<boolean> {
  const locked = parseJson(readUntrusted(join(folder, "package-lock.json")) ?? "", packages)?.packages[""].dependencies;
  const named = parseJson(readUntrusted(join(folder, "package.json")) ?? "", names)?.dependencies ?? {};
  if (!locked || (await stateOf(join(folder, "node_modules"))) === undefined) return false;
  return [fetched, ...Object.keys(named)].every((name) => Object.hasOwn(locked, name));
}

async function waitsForNothing(cwd: string, env: Env): Promise<boolean> {
  const own = join(env.XDG_CONFIG_HOME || join(systemHome(), ".config"), "opencode");
  const others = [systemHome(), ...upwards(cwd)].map((folder) => join(folder, ".opencode"));
  if (env.OPENCODE_CONFIG_DIR) others.push(env.OPENCODE_CONFIG_DIR);
  for (const folder of others) if ((await stateOf(folder)) !== undefined && !(await isFetched(folder))) return false;
  return await isFetched(own);
}

/**
 * Lays out the plugin for OpenCode under the base folder, unless it is there.
 *
 * @returns its file; undefined when OpenCode would wait for the internet because of it
 * @throws `disk` when it cannot be written; `vault_unreadable` when the folder is not ours
 */
export async function layOutOpencodePlugin(home: string, cwd: string, env: Env): Promise<string | undefined> {
  if (!(await waitsForNothing(cwd, env))) return undefined;
  const file = join(folderOf(home), fileName);
  const source = sourceFor(home);
  await ensureFolder(folderOf(home));
  if (!isOwnText(file, source)) {
    await replaceFile(file, source, false).catch(async () => {
      await clearAway(file); // a folder, which no file can replace
      await replaceFile(file, source, false);
    });
  }
  return file;
}

/**
 * Removes plugins of other versions. An agent that was started with one has read it already.
 *
 * @throws `vault_unreadable` when the folder is not ours; the system's error
 */
export async function removeOldOpencodePlugins(home: string): Promise<void> {
  for (const name of await namesIn(folderOf(home)))
    if (/^codemie-\d+\.\d+\.\d+\.js$/.test(name) && name !== fileName) await removeFile(join(folderOf(home), name));
}
