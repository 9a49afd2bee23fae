import { isAbsolute } from "node:path";
import { appendPlain, readPlain } from "../platform/foreign-files.ts";
import { readInput } from "../platform/stdio.ts";
import {
  geminiRunVariable,
  type HookEvent,
  hookEvents,
  noticeOf,
  plainWord,
  runName,
  runVariable,
  type SpooledEvent,
  sessionName,
  spoolOf,
} from "./spool.ts";

/** How much of an event is read, bytes; a person may paste more into a prompt. */
const longestEvent = 1024 * 1024;
/** How much is drained, bytes: an agent whose event is not read to its end reports a broken pipe. */
const longestInput = 64 * longestEvent;
/** How much of an event that is too long is searched for its first members, characters. */
const headLength = 8_192;
/** Most bytes of a run's spool. */
const longestSpool = 64 * 1024 * 1024;
const longestNotice = 4_096;
const longestPath = 4_096;

/** What Gemini CLI and Codex call an event. */
const theirNames: ReadonlyMap<unknown, HookEvent> = new Map([
  ["BeforeAgent", "UserPromptSubmit"],
  ["AfterAgent", "Stop"],
  ["AfterTool", "PostToolUse"],
  ["PreCompress", "PreCompact"],
  ["Notification", "PermissionRequest"],
  ["agent-turn-complete", "Stop"],
]);

/**
 * Notes one event of an agent in the spool of its run: names and the moment, nothing that was said. Does nothing outside of a run.
 *
 * @param home base folder of all our files
 * @param now ms since the epoch
 * @param given the event, of an agent that gives it as an argument; it is on standard input otherwise
 * @returns what the agent is to be told, JSON of the hooks protocol; empty for nothing
 * @throws the system's error when the line cannot be written
 */
export function noteEvent(
  home: string,
  env: Readonly<Record<string, string | undefined>>,
  now: number,
  given?: string,
): string {
  const { bytes, isWhole } = given === undefined ? readInput(longestEvent, longestInput) : whole(given);
  const run = env[runVariable] ?? env[geminiRunVariable] ?? "";
  const event = eventIn(bytes.toString("utf8"), isWhole, now);
  if (!event || !runName.test(run) || !isAbsolute(home)) return "";
  // Codex tells of the end of a turn alone, and one begins with a prompt.
  const events = given === undefined ? [event] : [{ ...event, event: "UserPromptSubmit" }, event];
  // Each is a line of its own even behind half a line, which a full disk may have left.
  const lines = events.map((one) => `\n${JSON.stringify(one)}\n`).join("");
  appendPlain(spoolOf(home, run), lines, longestSpool);
  const notice = event.event === "UserPromptSubmit" && !event.isAutomatic ? noticeIn(home, run) : "";
  return notice && JSON.stringify({ systemMessage: notice });
}

const whole = (text: string) => ({ bytes: Buffer.from(text), isWhole: true });

/** @returns what is kept of an event; undefined when it is none that we know, or names no session */
function eventIn(text: string, isWhole: boolean, at: number): SpooledEvent | undefined {
  const member = isWhole ? membersOf(text) : firstMembersOf(text.slice(0, headLength));
  const named = (name: string, form: RegExp) => {
    const value = member(name);
    return typeof value === "string" && form.test(value) ? value : undefined;
  };
  const name = member("hook_event_name") ?? member("type");
  const event = theirNames.get(name) ?? hookEvents.find((one) => one === name);
  const session = named("session_id", sessionName) ?? named("thread-id", sessionName);
  if (!event || session === undefined) return undefined;
  const path = member(event === "SubagentStop" ? "agent_transcript_path" : "transcript_path");
  const prompt = member("prompt");
  return {
    at,
    event,
    session,
    reason: named("source", plainWord) ?? named("reason", plainWord) ?? named("trigger", plainWord),
    transcript: typeof path === "string" && path.length <= longestPath ? path : undefined,
    error: event === "StopFailure" ? named("error", plainWord) : undefined,
    tool: event === "PostToolUse" ? (named("tool_name", plainWord) ?? "other") : undefined,
    isFailed: event === "PostToolUse" && hasError(member("tool_response")) ? true : undefined,
    isAutomatic: typeof prompt === "string" && prompt.startsWith("<task-notification>") ? true : undefined,
  };
}

const hasError = (response: unknown) =>
  typeof response === "object" && response !== null && "error" in response && Boolean(response.error);

function membersOf(text: string): (name: string) => unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return (name) => (value as Record<string, unknown>)[name];
  } catch {
    // an event that is no JSON is none
  }
  return () => undefined;
}

/** Members that are texts without escapes, of JSON that is cut off. In a text inside, quotes have a backslash before them. */
const firstMembersOf = (text: string) => (name: string) => {
  const [, after = ""] = text.split(`"${name}":"`, 2);
  const value = after.slice(0, Math.max(0, after.indexOf('"')));
  return value === "" || value.includes("\\") ? undefined : value;
};

function noticeIn(home: string, run: string): string {
  try {
    return readPlain(noticeOf(home, run), longestNotice, true).trim();
  } catch {
    return "";
  }
}
