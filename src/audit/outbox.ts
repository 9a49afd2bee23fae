import { join } from "node:path";
import { parseJson } from "../core/json.ts";
import { namesIn } from "../platform/files.ts";
import { readOwn } from "../platform/private.ts";
import { beginning, endFile, fileOf, type Link, lineOf, longestFile, placeInFile, trailFile } from "./chain.ts";
import { type AuditEntry, auditEntry } from "./events.ts";

/** A line of the trail for somebody else. */
export interface OutgoingLine {
  /** as it is in the file */
  readonly text: string;
  readonly entry: AuditEntry;
}

/**
 * Reads the lines behind a place, up to the sealed end: these are on the disk, so no power cut takes one back that
 * somebody else has. It needs no key. If the line at that place is not in the trail (any more), it begins with the first.
 *
 * @param folder of the trail
 * @param most how many lines at most
 * @returns the lines, in order; what is not of the form of one is left out
 * @throws `vault_unreadable`
 */
export async function linesAfter(
  folder: string,
  place: Link,
  most = Number.POSITIVE_INFINITY,
): Promise<OutgoingLine[]> {
  const { files, settled } = await trailNow(folder);
  const linesIn = (name: string) =>
    (readOwn(join(folder, name), { most: longestFile, isAppended: true }) ?? "").split("\n").slice(0, -1);
  const own = fileOf(Math.max(place.seq, 1));
  const isAt = (link: Link) => link.seq === place.seq && link.mac === place.mac;
  const isThere = lineOf({ seq: place.seq, name: undefined, isAt }, linesIn(own)) !== undefined;
  const from = isThere ? place.seq : 0;
  const found: OutgoingLine[] = [];
  for (const name of files.filter((one) => !isThere || one >= own)) {
    for (const text of linesIn(name).slice(isThere && name === own ? placeInFile(from) : 0)) {
      const entry = parseJson(text, auditEntry);
      if (!entry || entry.seq <= from || entry.seq > settled) continue;
      found.push({ text, entry });
      if (found.length >= most) return found;
    }
  }
  return found;
}

/** @returns the places of the trail's last line and of the one before it */
export async function lastPlaces(folder: string): Promise<{ last: Link; beforeLast: Link }> {
  const [beforeLast, last] = [beginning, beginning, ...(await linesAfter(folder, beginning)).map(linkOf)].slice(-2);
  return { last: last ?? beginning, beforeLast: beforeLast ?? beginning };
}

/** @returns the place of a line */
export const linkOf = ({ entry: { seq, mac } }: OutgoingLine): Link => ({ seq, mac });

/**
 * The end's file is renamed from line to line, so a look may meet none. A trail without an end was changed by somebody:
 * then all of its lines count.
 */
async function trailNow(folder: string): Promise<{ files: string[]; settled: number }> {
  for (let looks = 1; ; looks++) {
    const names = await namesIn(folder);
    const ends = names.flatMap((name) => endFile.exec(name)?.[1] ?? []).map(Number);
    const files = names.filter((name) => trailFile.test(name));
    if (ends.length > 0 || files.length === 0) return { files, settled: Math.max(...ends) };
    if (looks === 5) return { files, settled: Number.POSITIVE_INFINITY };
    await Bun.sleep(2 ** looks);
  }
}
