import { keyedHashOf } from "../core/crypto.ts";
import { parseJson } from "../core/json.ts";
import { type AuditEntry, type AuditFact, type AuditHead, auditEntry } from "./events.ts";

/** A file of the trail holds this many lines; the next line begins a new file. */
export const linesPerFile = 1_000;
/**
 * No file of the trail is longer, bytes. Earlier versions wrote lines of any length, but stopped at 16 MiB; those files
 * go on with lines of about 11 KB at most.
 */
export const longestFile = 64 * 1024 * 1024;

/** The marks that the vault's records remember, see `Remembered`; undefined for a record without one. */
type Marks = readonly (string | undefined)[];

/** A line's place in the chain. */
export type Link = Pick<AuditEntry, "seq" | "mac">;

/** The sealed end of the trail: the number of the last line, and a check that a line is that one. */
export interface End {
  readonly seq: number;
  /** its file in the trail's folder; undefined when the head still holds the end, as the first version wrote it */
  readonly name: string | undefined;
  /** @returns true for the line that the end was made for */
  isAt(link: Link): boolean;
}

/** The place before the first line; the first line is chained to it. */
export const beginning: Link = { seq: 0, mac: "" };

/** Names of the files in the trail's folder: lines, the sealed end, a note of an event that could not be written. */
export const trailFile = /^audit-\d{6}\.jsonl$/;
export const endFile = /^end-(\d{12})-[0-9a-f]{64}$/;
export const missedName = /^missed-(\d{13})-([a-z-]+)-[0-9a-f]{12}$/;

/**
 * @param key the trail's key, base64url
 * @param link the trail's last line
 * @returns the name of the sealed end's file
 */
export function endName(key: string, { seq, mac }: Link): string {
  const sealed = keyedHashOf(Buffer.from(key, "base64url"), `end ${seq} ${mac}`).toString("hex");
  return `end-${String(seq).padStart(12, "0")}-${sealed}`;
}

/**
 * @param names the names in the trail's folder
 * @returns the sealed end; undefined when it is missing, or when there is more than one, since one of them is then not
 *   ours
 */
export function endOf(names: readonly string[], { key, seq, mac }: AuditHead): End | undefined {
  const [name, another] = names.filter((one) => endFile.test(one));
  if (another !== undefined) return undefined;
  if (name !== undefined) return endNamed(key, name);
  if (seq === undefined) return undefined;
  return { seq, name, isAt: (link) => link.seq === seq && link.mac === mac };
}

/**
 * @param key the trail's key, base64url
 * @param name the name of a sealed end, now or once
 * @returns that end; undefined when it is no such name
 */
export function endNamed(key: string, name: string): End | undefined {
  const seq = endFile.exec(name)?.[1];
  return seq === undefined ? undefined : { seq: Number(seq), name, isAt: (link) => endName(key, link) === name };
}

/** @returns the mark that remembers the most lines: the number comes first in it */
export const highest = (marks: Marks) =>
  marks
    .filter((one) => one !== undefined)
    .sort()
    .at(-1);

/** A line chained to this place fits nowhere: so the trail shows for ever that somebody changed what is before it. */
const nowhere = (seq: number): Link => ({ seq, mac: "chained to none" });

/** @returns the mark of so many lines that were written with a key we do not have; no line of ours is at it */
export const foreignMark = (key: string, lines: number) => endName(key, { seq: lines, mac: "of another key" });

/**
 * Finds the place to go on from. If the trail does not reach what the vault remembers, the next line begins a new file
 * behind that: numbers never come again, and a line's place in its file follows from its number.
 *
 * @param last the last line; undefined when somebody changed the trail
 * @param count how many lines there are
 * @param marks what the vault's records remember
 * @returns `link`, the place that the next line is chained to; `broken`, the line to write first when lines are gone or
 *   were written with another key
 */
export function placeAfter(
  last: Link | undefined,
  count: number,
  key: string,
  marks: Marks,
): { link: Link; broken: AuditFact | undefined } {
  const link = last ?? nowhere(count);
  const seen = endNamed(key, highest(marks) ?? "");
  if (!seen || link.seq > seen.seq || (link.seq === seen.seq && seen.isAt(link))) return { link, broken: undefined };
  const detail = { "up-to": seen.seq };
  return {
    link: nowhere(Math.ceil(seen.seq / linesPerFile) * linesPerFile),
    broken: { event: "trail-broken", profile: "", host: "", outcome: "broken", detail },
  };
}

/**
 * Finds the last line. It must be the end's own line or follow it. Lines after the end count if each fits the one
 * before, since only a holder of the key can have written them: a process was killed before it moved the end, or the
 * power was cut before the end's new name was on the disk. Without the end's own line nothing counts, since somebody
 * may have made the end up.
 *
 * @param lines all lines from the file of the end on
 * @param key the trail's key, base64url
 * @returns the last line; undefined when somebody changed the trail
 */
export function lastOf(lines: readonly string[], key: string, end: End): Link | undefined {
  let last = lineOf(end, lines);
  if (!last) return undefined;
  for (const line of lines.slice(end.seq === 0 ? 0 : placeInFile(end.seq))) {
    const next = parseJson(line, auditEntry);
    if (!next) return undefined;
    const { mac, ...entry } = next;
    if (next.seq !== last.seq + 1 || macOf(key, last.mac, entry) !== mac) return undefined;
    last = next;
  }
  return last;
}

/**
 * @param lines the lines of the file of `end`, from its first on
 * @returns the line that the end was made for; undefined when it is not there
 */
export function lineOf(end: End, lines: readonly string[]): Link | undefined {
  const line = end.seq === 0 ? beginning : parseJson(lines[placeInFile(end.seq) - 1] ?? "", auditEntry);
  return line && end.isAt(line) ? line : undefined;
}

/** A line's place in its file, from 1. */
export const placeInFile = (seq: number) => ((seq - 1) % linesPerFile) + 1;

/**
 * @param names the notes of events that could not be written, oldest first
 * @returns the line that stands for these events
 */
export function missingLine(names: readonly string[]): AuditFact {
  const notes = names.map((name) => missedName.exec(name) ?? []);
  const events = [...new Set(notes.map(([, , event]) => event))].join(", ");
  const since = new Date(Number(notes[0]?.[1])).toISOString();
  return {
    event: "lines-missing",
    profile: "",
    host: "",
    outcome: "missing",
    detail: { lines: names.length, events, since },
  };
}

/** @returns the name of the file that a line belongs in */
export const fileOf = (seq: number) => `audit-${String(Math.ceil(seq / linesPerFile)).padStart(6, "0")}.jsonl`;

/**
 * The MAC covers the order of the members too, so the writer and the schema must keep it.
 *
 * @param key the trail's key, base64url
 * @param before the MAC of the line before
 * @returns the MAC of this line, base64url
 */
export function macOf(key: string, before: string, entry: Omit<AuditEntry, "mac">): string {
  return keyedHashOf(Buffer.from(key, "base64url"), `${before}\n${JSON.stringify(entry)}`).toString("base64url");
}
