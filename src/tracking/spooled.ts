import * as z from "zod/mini";
import { parseJson } from "../core/json.ts";
import { isOwnFile } from "../platform/private.ts";
import { type ReadUpTo, readLinesOn } from "../platform/tail.ts";
import { type RunFacts, runFacts } from "./record.ts";
import { hookEvents, longestSpoolLine, plainWord, type SpooledEvent, sessionName } from "./spool.ts";

const word = z.optional(z.string().check(z.regex(plainWord)));
const spooledEvent = z.object({
  at: z.number().check(z.nonnegative()),
  event: z.enum(hookEvents),
  session: z.string().check(z.regex(sessionName)),
  reason: word,
  transcript: z.optional(z.string()),
  error: word,
  tool: word,
  isFailed: z.optional(z.boolean()),
  isAutomatic: z.optional(z.boolean()),
});

/** The first line of a spool. */
const firstLine = z.object({ at: z.number(), run: runFacts, inventory: z.record(z.string(), z.unknown()) });

/** @returns the first line of the spool of a run that begins now */
export const spoolHead = (at: number, run: RunFacts, inventory: Readonly<Record<string, unknown>>): string =>
  `${JSON.stringify({ at, run, inventory })}\n`;

/** What a spool has got since the last time. */
export interface Spooled {
  readonly head: z.infer<typeof firstLine> | undefined;
  readonly events: readonly { readonly event: SpooledEvent; readonly end: number }[];
  readonly upTo: ReadUpTo;
}

/** Longest first line, bytes: it has the names of what the agent is set up with. */
const longestHead = 256 * 1024;

/**
 * Reads what the hooks of a run noted.
 *
 * @param from how far it was read before
 * @returns undefined when there is no such file
 * @throws `vault_unreadable` when it is a link, no file, or another user's
 */
export async function readSpool(file: string, from: ReadUpTo | undefined): Promise<Spooled | undefined> {
  if (!isOwnFile(file)) return undefined;
  const events: { event: SpooledEvent; end: number }[] = [];
  let head: Spooled["head"];
  const read = await readLinesOn(file, from, {
    longestLine: longestHead,
    most: Number.MAX_SAFE_INTEGER,
    onLine: (line, end) => {
      if (line === "") return;
      if (from === undefined && events.length === 0) head ??= parseJson(line, firstLine);
      const event = line.length <= longestSpoolLine ? parseJson(line, spooledEvent) : undefined;
      if (event) events.push({ event, end });
    },
  });
  return read && { head, events, upTo: read.upTo };
}
