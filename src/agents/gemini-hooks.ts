import type { Env } from "../core/env.ts";
import { findProgram } from "../platform/processes.ts";
import { onWindows } from "../platform/self.ts";
import { ownCommand } from "./own-command.ts";

/** The events that call our hook, and how long Gemini CLI waits for it, ms. It ends after some 10 ms. */
const events: Readonly<Record<string, number>> = {
  SessionStart: 5_000,
  BeforeAgent: 2_000,
  AfterTool: 2_000,
  AfterAgent: 2_000,
  PreCompress: 2_000,
  Notification: 2_000,
  SessionEnd: 10_000,
};

/**
 * Gemini CLI has `bash` run hooks, and tells the person of each one that fails; on Windows it starts PowerShell for each. In
 * its settings it puts variables in place of `$NAME`, and a repository could set those.
 *
 * @returns the line that calls our hook; undefined where it would fail, be slow, or could be changed
 */
export async function geminiHook(home: string, _cwd: string, env: Env): Promise<string | undefined> {
  // It stops the agent when a hook fails, as ours does where the program has been removed in mid-run.
  const line = `${ownCommand("hook", home)} || true`;
  return onWindows || line.includes("$") || !findProgram("bash", env) ? undefined : line;
}

/**
 * @param theirs the member `hooks` of the person's settings, whatever it is
 * @param line as {@link geminiHook} returns it
 * @returns the member with our hook beside theirs
 */
export function hooksBeside(theirs: unknown, line: string): Readonly<Record<string, unknown>> {
  const own: Record<string, unknown> = typeof theirs === "object" && theirs !== null ? { ...theirs } : {};
  for (const [event, timeout] of Object.entries(events)) {
    const before = own[event];
    const hooks = [{ name: "codemie", type: "command", command: line, timeout }];
    // Before each answer it looks whether to compress by itself, and tells of that as of a compression.
    const ours = event === "PreCompress" ? { matcher: "manual", hooks } : { hooks };
    own[event] = [...(Array.isArray(before) ? before : []), ours];
  }
  return own;
}
