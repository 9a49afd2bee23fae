import { isAbsolute, join } from "node:path";
import { printable } from "../core/text.ts";
import { readPlain } from "../platform/foreign-files.ts";
import { isTerminal } from "../platform/is-terminal.ts";
import { readInput } from "../platform/stdio.ts";

// The line that Claude Code shows below its prompt. A process of its own prints it, again and again, so this file loads
// nothing heavy. Its signs are ASCII everywhere: that process does not know Claude Code's terminal.

/** The facts of a run that the line shows; the run writes them down. */
export interface ShownRun {
  readonly profile: string;
  readonly model?: string | undefined;
  /** when the login ends, ms since the epoch; undefined: nobody knows, or it is renewed */
  readonly end?: number | undefined;
  /** true: the end is an estimate */
  readonly isEstimate?: boolean | undefined;
  /** true: the host has refused the login */
  readonly isOver?: boolean | undefined;
}

/** The file with a {@link ShownRun} in the folder of a run. */
export const shownRunOf = (folder: string): string => join(folder, "status-line.json");

const longestFile = 16 * 1024;
/** How much of Claude Code's own status is read, bytes, and how much is drained: what it cannot write to the end it reports. */
const longestInput = 256 * 1024;
const longestDrained = 16 * 1024 * 1024;

/**
 * Makes the line from a run's file, and from what Claude Code says on standard input of the model it uses now.
 *
 * @param file as {@link shownRunOf} says
 * @param now ms since the epoch
 * @returns one printable line; empty when the file is not there or has something else in it
 */
export function statusLineOf(file: string, now: number): string {
  const input = isTerminal("stdin") ? undefined : readInput(longestInput, longestDrained);
  const run = isAbsolute(file) ? objectIn(textOf(file)) : undefined;
  if (!run || typeof run.profile !== "string") return "";
  const { end } = run;
  if (end !== undefined && typeof end !== "number") return "";
  const used = input?.isWhole ? modelIn(input.bytes.toString("utf8")) : undefined;
  const model = used ?? (typeof run.model === "string" ? run.model : "");
  const login = loginIn(end, run.isEstimate === true, run.isOver === true, now);
  const parts = [`profile ${printable(run.profile, 60)}`, printable(model, 80), login];
  return `codemie: ${parts.filter(Boolean).join(" | ")}`;
}

function textOf(file: string): string {
  try {
    return readPlain(file, longestFile);
  } catch {
    return "";
  }
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Another one than the run began with, where a person has changed it. */
function modelIn(text: string): string | undefined {
  const model = objectIn(text)?.model;
  const id = typeof model === "object" && model !== null && "id" in model ? model.id : undefined;
  return typeof id === "string" && /^[\w.:@/[\]-]{1,100}$/.test(id) ? id : undefined;
}

const minuteMs = 60_000;
const units: readonly [string, number][] = [
  ["day", 1440 * minuteMs],
  ["hour", 60 * minuteMs],
  ["minute", minuteMs],
];

function loginIn(end: number | undefined, isEstimate: boolean, isOver: boolean, now: number): string {
  if (isOver) return "login has ended";
  if (end === undefined) return "";
  const left = end - now;
  if (left <= 0) return isEstimate ? "login may have ended" : "login has ended";
  const [unit, size] = units.find(([, ms]) => left >= ms) ?? ["minute", minuteMs];
  const count = Math.floor(left / size);
  if (count === 0) return "login ends in less than a minute";
  return `login ends in ${isEstimate ? "about " : ""}${count} ${unit}${count === 1 ? "" : "s"}`;
}
