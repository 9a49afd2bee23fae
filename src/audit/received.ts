import * as z from "zod/mini";
import { parseJson } from "../core/json.ts";
import { type Link, macOf } from "./chain.ts";
import { type AuditEntry, auditEntry } from "./events.ts";

/** The result of checking a receiver's file. */
export type ReceivedVerdict =
  | {
      readonly ok: true;
      /** lines of the trail, each counted once */
      readonly entries: number;
      readonly first: number;
      readonly last: number;
      /** how many lines came again, unchanged */
      readonly repeats: number;
      /** false: the line before the first is unknown, and without that nothing proves the first one */
      readonly isFirstProven: boolean;
    }
  /** the line of the file, from 1, where it goes wrong */
  | { readonly ok: false; readonly line: number; readonly why: string }
  /** no line of the trail is in it */
  | { readonly ok: false; readonly isEmpty: true };

/** Begins a line of the trail within a line of the receiver's file. */
const start = '{"seq":';
/** A line of the trail as the body of a log record, in the JSON form that collectors write. */
const bodies = /"stringValue":\s*("\{\\"seq\\":(?:[^"\\]|\\.)*")/g;

interface Found {
  readonly entry: AuditEntry;
  /** from 1 */
  readonly line: number;
}

/**
 * Checks the chain from what a receiver wrote: JSON lines, syslog messages with them, or log records of OTLP in JSON. The
 * order in the file and lines that came again say nothing about the trail; each line's number and keyed hash do.
 *
 * @param text the receiver's file; what is no line of the trail is passed over
 * @param key the trail's key, base64url
 * @param before finds the hash of a line of the trail on this machine, for the one before the first
 */
export function judgeReceived(text: string, key: string, before: (seq: number) => string | undefined): ReceivedVerdict {
  const found = new Map<number, Found>();
  let repeats = 0;
  for (const [i, row] of text.split("\n").entries()) {
    for (const one of trailLinesIn(row)) {
      const entry = parseJson(one, auditEntry);
      if (!entry) return { ok: false, line: i + 1, why: "it holds no whole line of the trail" };
      // A member that stands there twice: others may read the first, and the hash is about the last.
      if (withoutEscapes(one) !== withoutEscapes(JSON.stringify(entry)))
        return { ok: false, line: i + 1, why: `line ${entry.seq} of the trail was changed` };
      const known = found.get(entry.seq);
      if (!known) found.set(entry.seq, { entry, line: i + 1 });
      else if (JSON.stringify(known.entry) === JSON.stringify(entry)) repeats++;
      else
        return { ok: false, line: i + 1, why: `line ${entry.seq} of the trail is another one than at ${known.line}` };
    }
  }
  const inOrder = [...found.values()].sort((a, b) => a.entry.seq - b.entry.seq);
  const [first, last] = [inOrder[0], inOrder.at(-1)];
  if (!first || !last) return { ok: false, isEmpty: true };
  const macBefore = first.entry.seq === 1 ? "" : before(first.entry.seq - 1);
  let previous: Link | undefined = macBefore === undefined ? undefined : { seq: first.entry.seq - 1, mac: macBefore };
  for (const { entry, line } of inOrder) {
    if (previous && entry.seq !== previous.seq + 1) {
      const gap = [previous.seq + 1, entry.seq - 1];
      const missing = gap[0] === gap[1] ? `line ${gap[0]} is` : `lines ${gap.join(" to ")} are`;
      return { ok: false, line, why: `it is line ${entry.seq} of the trail, and ${missing} missing before it` };
    }
    const { mac, ...rest } = entry;
    if (previous && macOf(key, previous.mac, rest) !== mac) {
      const why = `line ${entry.seq} of the trail was changed, or is another trail's`;
      return { ok: false, line, why };
    }
    previous = entry;
  }
  const numbers = { entries: inOrder.length, first: first.entry.seq, last: last.entry.seq };
  return { ok: true, ...numbers, repeats, isFirstProven: macBefore !== undefined };
}

/** @returns JSON with its non-ASCII characters as they are: for syslog they are escaped */
const withoutEscapes = (json: string): string =>
  json.replace(/\\u(?!00[0-7])([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

function trailLinesIn(row: string): string[] {
  const records = [...row.matchAll(bodies)].map(([, quoted = '""']) => parseJson(quoted, z.string()) ?? "");
  if (records.length > 0) return records;
  const at = row.indexOf(start);
  return at < 0 ? [] : [row.slice(at).trimEnd()];
}
