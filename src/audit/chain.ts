import { createHmac } from "node:crypto";
import { parseJson } from "../core/json.ts";
import { type AuditEntry, type AuditFact, type AuditHead, auditEntry } from "./events.ts";

/** A file is closed and the next one begun once it has this many lines. */
export const linesPerFile = 1_000;

/** A line's place in the chain. */
export type Link = Pick<AuditEntry, "seq" | "mac">;

/** The sealed end, and whether a line is the one it was made for. */
export interface End {
  readonly seq: number;
  /** its file in the trail's folder; undefined where the head still holds the end, as the first version left it */
  readonly name: string | undefined;
  isAt(link: Link): boolean;
}

/** The place before the first line, which that line is chained to. */
export const beginning: Link = { seq: 0, mac: "" };

/** Names of the files in the trail's folder: lines, the sealed end, a note of an event that could not be written. */
export const trailFile = /^audit-\d{6}\.jsonl$/;
export const endFile = /^end-(\d{12})-[0-9a-f]{64}$/;
export const missedName = /^missed-(\d{13})-([a-z-]+)-[0-9a-f]{12}$/;

/** @returns the name of the sealed end, for the trail whose last line this is */
export function endName(key: string, { seq, mac }: Link): string {
  const sealed = createHmac("sha256", Buffer.from(key, "base64url")).update(`end ${seq} ${mac}`).digest("hex");
  return `end-${String(seq).padStart(12, "0")}-${sealed}`;
}

/** @returns the sealed end; undefined when it is missing, or when there is more than one and so one that is not ours */
export function endOf(names: readonly string[], { key, seq, mac }: AuditHead): End | undefined {
  const [name, another] = names.filter((one) => endFile.test(one));
  if (another !== undefined) return undefined;
  if (name !== undefined) {
    return { seq: Number(endFile.exec(name)?.[1]), name, isAt: (link) => endName(key, link) === name };
  }
  if (seq === undefined) return undefined;
  return { seq, name, isAt: (link) => link.seq === seq && link.mac === mac };
}

/**
 * Judges the last line. It must be the end's, or come after it: lines that the end does not know of yet count if each fits to
 * the one before, since only a holder of the key could have written them. A process was killed before it moved the end, or
 * the power was cut before the disk had the end's new name. Without the end's own line nothing counts: the end may be made up.
 *
 * @param lines all lines from the file of the end on
 * @returns the last line; undefined when the trail was changed
 */
export function lastOf(lines: readonly string[], key: string, end: End): Link | undefined {
  const at = end.seq === 0 ? 0 : ((end.seq - 1) % linesPerFile) + 1;
  let last = end.seq === 0 ? beginning : parseJson(lines[at - 1] ?? "", auditEntry);
  if (!last || !end.isAt(last)) return undefined;
  for (const line of lines.slice(at)) {
    const next = parseJson(line, auditEntry);
    if (!next) return undefined;
    const { mac, ...entry } = next;
    if (next.seq !== last.seq + 1 || macOf(key, last.mac, entry) !== mac) return undefined;
    last = next;
  }
  return last;
}

/** The line that stands for events nobody could write down. */
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

/** The order of the members is part of what is signed, so it is fixed here and by the schema. */
export function macOf(key: string, before: string, entry: Omit<AuditEntry, "mac">): string {
  return createHmac("sha256", Buffer.from(key, "base64url"))
    .update(`${before}\n${JSON.stringify(entry)}`)
    .digest("base64url");
}
