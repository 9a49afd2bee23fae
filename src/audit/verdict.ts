import { parseJson } from "../core/json.ts";
import { beginning, type End, endNamed, type Link, macOf } from "./chain.ts";
import { type AuditHead, auditEntry, type Remembered } from "./events.ts";

/** A line of the trail, and where it stands. */
export interface TrailLine {
  readonly file: string;
  /** from 1 */
  readonly line: number;
  readonly text: string;
}

/** How a verification ended. */
export type Verification =
  | { readonly ok: true; readonly entries: number }
  /** the first line that does not fit, and why */
  | { readonly ok: false; readonly file: string; readonly line: number; readonly why: string }
  /** all lines fit, but these records may remember more of them */
  | { readonly ok: false; readonly unread: readonly string[] };

/** All that a verification looks at. */
export interface Evidence {
  readonly head: AuditHead | undefined;
  readonly end: End | undefined;
  readonly lines: readonly TrailLine[];
  readonly remembered: readonly Remembered[];
  /** the file to name when there are no lines */
  readonly firstFile: string;
}

/** @returns whether the lines are those that were written, from the first to the end, and if not, where they differ */
export function judgeTrail({ head, end, lines, remembered, firstFile }: Evidence): Verification {
  const witnesses = witnessesOf(head, remembered);
  const sawOther = (link: Link) => witnesses.find(({ seen }) => seen.seq === link.seq && !seen.isAt(link));
  let last = beginning;
  for (const { file, line, text } of lines) {
    const wrong = (why: string): Verification => ({ ok: false, file, line, why });
    const entry = parseJson(text, auditEntry);
    if (!entry) return wrong("it is not a line of the trail");
    if (!head) return wrong(noTrail(witnesses));
    if (entry.seq !== last.seq + 1) {
      const saw = witnesses.find(({ seen }) => seen.seq > last.seq && seen.seq < entry.seq);
      return wrong(`line ${last.seq + 1} is missing before it${saw ? `: ${sentence(saw)}` : ""}`);
    }
    const { mac, ...rest } = entry;
    const isWritten = macOf(head.key, last.mac, rest) === mac && JSON.stringify({ ...rest, mac }) === text;
    if (!isWritten || (entry.seq === end?.seq && !end.isAt(entry))) {
      return wrong("it was changed, or belongs elsewhere");
    }
    const saw = sawOther(entry);
    if (saw) return wrong(`it is not the line ${entry.seq} that was there: ${sentence(saw)}`);
    last = entry;
  }
  const unread = remembered.flatMap(({ who, mark }) => (mark === undefined ? [who] : []));
  const whole: Verification = unread.length > 0 ? { ok: false, unread } : { ok: true, entries: last.seq };
  const after = lines.at(-1) ?? { file: firstFile, line: 0 };
  const wrong = (why: string): Verification => ({ ok: false, file: after.file, line: after.line, why });
  if (!head) return witnesses.length > 0 ? wrong(noTrail(witnesses)) : whole;
  if (!end) return wrong("the trail's sealed end is missing, or there is more than one, so lines may be missing");
  if (end.seq > last.seq) return wrong(`the lines after it are missing, up to ${end.seq}`);
  if (end.seq === 0 && !end.isAt(beginning)) return wrong("the trail's sealed end was changed");
  const sawMore = witnesses.find(({ seen }) => seen.seq > last.seq);
  if (sawMore) return wrong(`the lines after it are missing: ${sentence(sawMore)}`);
  const sawAnother = sawOther(beginning);
  if (sawAnother) return wrong(`another trail was here before: ${sentence(sawAnother)}`);
  return whole;
}

/** A record that remembers, and the end it saw. */
interface Witness {
  readonly who: string;
  readonly seen: End;
}

/** The one that remembers the highest number comes first. */
function witnessesOf(head: AuditHead | undefined, remembered: readonly Remembered[]): Witness[] {
  const own = head?.seen === undefined ? [] : [{ who: "the trail's own record", mark: head.seen }];
  return [...remembered, ...own]
    .flatMap(({ who, mark }) => {
      const seen = endNamed(head?.key ?? "", mark ?? "");
      return seen ? [{ who, seen }] : [];
    })
    .sort((a, b) => b.seen.seq - a.seen.seq);
}

const noTrail = ([first]: readonly Witness[]) => `the vault knows no trail${first ? `: ${sentence(first)}` : ""}`;

const sentence = ({ who, seen }: Witness) =>
  `${who} was sealed when the trail had ${seen.seq === 1 ? "1 line" : `${seen.seq} lines`}`;
