import { join } from "node:path";

// What the hook writes and the run reads. The hook is a process of its own that starts at each event and has to end at
// once, so this file loads nothing heavy.

/** The folder of sessions under the base folder. */
export const sessionsFolder = (home: string): string => join(home, "sessions");

/** Tells a hook which run it belongs to. */
export const runVariable = "CODEMIE_RUN";

/** The same for Gemini CLI, which keeps all but its own variables from hooks in jobs of GitHub, and where its settings say so. */
export const geminiRunVariable = "GEMINI_CLI_CODEMIE_RUN";

/** The form of a run's name. */
export const runName = /^run-[A-Za-z0-9.-]{1,200}$/;

/** The form of an agent's session id. */
export const sessionName = /^(?!run-)[A-Za-z0-9][\w-]{0,63}$/;

/** The file to which the hooks of a run append. */
export const spoolOf = (home: string, run: string): string => join(sessionsFolder(home), `${run}.spool`);

/** The file with what the hook tells the person at the next prompt. */
export const noticeOf = (home: string, run: string): string => join(sessionsFolder(home), `${run}.notice`);

/** The file that is there once the person has been told of all this. */
export const toldOf = (home: string): string => join(sessionsFolder(home), "told");

/**
 * The events that are reported, by Claude Code's names; the hook ignores all others. `PostToolUse` comes from agents without a
 * transcript: what Claude Code's tools did is counted from that.
 */
export const hookEvents = [
  "SessionStart",
  "UserPromptSubmit",
  "Stop",
  "StopFailure",
  "SubagentStart",
  "SubagentStop",
  "PostToolUse",
  "PostToolUseFailure",
  "PreCompact",
  "PermissionRequest",
  "SessionEnd",
] as const;
export type HookEvent = (typeof hookEvents)[number];

/** What is kept of an event: names and moments, and where the transcript is. */
export interface SpooledEvent {
  /** ms since the epoch */
  readonly at: number;
  readonly event: HookEvent;
  readonly session: string;
  /** why it started or ended, or what compacted it */
  readonly reason?: string | undefined;
  readonly transcript?: string | undefined;
  /** the kind of a failed model call, for example `authentication_failed` */
  readonly error?: string | undefined;
  /** the tool that has ended, and whether it failed */
  readonly tool?: string | undefined;
  readonly isFailed?: boolean | undefined;
  /** true: the program made this prompt, and no person */
  readonly isAutomatic?: boolean | undefined;
}

/** Longest line of a spool, bytes. */
export const longestSpoolLine = 16 * 1024;

/** The form of names that are kept: of events' reasons, tools, models, kinds of errors. */
export const plainWord = /^[A-Za-z0-9][\w.:@/[\]-]{0,99}$/;
