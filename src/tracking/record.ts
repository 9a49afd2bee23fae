import { join } from "node:path";
import * as z from "zod/mini";
import { CodemieError } from "../core/errors.ts";
import { parseJson, withMaps } from "../core/json.ts";
import { ensureFolder, keepAside, namesIn, removeFile, replaceFile } from "../platform/files.ts";
import { checkFolder, readPrivate, silently } from "../platform/private.ts";
import { noTotals, totals } from "./counts.ts";
import { sessionName, sessionsFolder } from "./spool.ts";
import { transcriptState } from "./transcript.ts";

/** What a run is, for its sessions. It stands in the first line of the run's spool too, for whoever ends the work of a killed one. */
export const runFacts = z.object({
  agent: z.string(),
  /** the platform's client type */
  client: z.string(),
  /** our version */
  cli: z.string(),
  /** where metrics go: the base of the host's API */
  api: z.string(),
  profile: z.string(),
  model: z.optional(z.string()),
  repository: z.optional(z.string()),
  branch: z.optional(z.string()),
  project: z.optional(z.string()),
});
export type RunFacts = z.infer<typeof runFacts>;

/** A metric of a session: what was or will be sent. */
export const delta = z.object({
  /** goes along, so that the host can tell one that arrived twice */
  id: z.string(),
  /** ms since the epoch */
  at: z.number(),
  name: z.string(),
  attributes: z.record(z.string(), z.unknown()),
  /** when the host took it, ms since the epoch */
  sent: z.optional(z.number()),
  /** the status with which the host refused it for good */
  refused: z.optional(z.number()),
});
export type Delta = z.infer<typeof delta>;

/**
 * A session. One file holds what was counted, how far everything was read, and the metrics, so that a process that is
 * killed at any moment leaves all of it as it was before or as it is after a step.
 */
export const sessionRecord = z.object({
  session: z.string().check(z.regex(sessionName)),
  facts: runFacts,
  /** the run that has it open; undefined once it has ended */
  run: z.optional(z.string()),
  status: z.enum(["active", "completed", "failed", "interrupted"]),
  reason: z.optional(z.string()),
  /** when it began: the first time, and in the run that has it now; ms since the epoch */
  firstAt: z.number(),
  startedAt: z.number(),
  /** the last event */
  lastAt: z.number(),
  /** how long the agent worked, ms */
  activeMs: z.number(),
  activeSince: z.optional(z.number()),
  /** of all its time */
  totals,
  /** events by name */
  events: z.record(z.string(), z.number()),
  /** how far the events of each run are counted, bytes of its spool */
  spools: z.record(z.string(), z.number()),
  transcripts: z.record(
    z.string(),
    z.object({
      id: z.string(),
      at: z.number(),
      isInLine: z.optional(z.boolean()),
      /** the moment of the last line that counted, ms since the epoch */
      last: z.number(),
      answer: z.optional(z.string()),
    }),
  ),
  /** lines of transcripts up to this moment belong to no run of ours, ms since the epoch */
  since: z.number(),
  state: transcriptState,
  reportedAt: z.number(),
  deltas: z.array(delta),
});
export type SessionRecord = z.infer<typeof sessionRecord>;

/** @returns the record of a session that begins now */
export const newRecord = (session: string, facts: RunFacts, at: number): SessionRecord => ({
  session,
  facts,
  status: "active",
  firstAt: at,
  startedAt: at,
  lastAt: at,
  activeMs: 0,
  totals: noTotals(),
  events: {},
  spools: {},
  transcripts: {},
  since: 0,
  state: {
    open: new Map(),
    files: [],
    running: new Map(),
    requests: 0,
    tokens: { input: 0, output: 0, cacheRead: 0, cacheWritten: 0 },
  },
  reportedAt: at,
  deltas: [],
});

const fileOf = (home: string, session: string) => join(sessionsFolder(home), `${session}.json`);

/**
 * @returns the record of a session; undefined when there is none, or none that is ours and can be understood: it must not keep
 *   the others from being used
 * @throws `vault_unreadable` when the folder is not ours; `disk`
 */
export function readRecord(home: string, session: string): SessionRecord | undefined {
  checkFolder(sessionsFolder(home), silently);
  try {
    return parseJson(readPrivate(fileOf(home, session), silently) ?? "", sessionRecord);
  } catch (error) {
    if (error instanceof CodemieError && error.code === "vault_unreadable") return undefined;
    throw error;
  }
}

/**
 * As {@link readRecord}, for whoever then writes the record: one that cannot be used is kept under another name.
 *
 * @param nowMs ms since the epoch
 */
export async function readRecordToWrite(
  home: string,
  session: string,
  nowMs: number,
): Promise<SessionRecord | undefined> {
  const record = readRecord(home, session);
  // Nothing is there most times.
  if (!record) await keepAside(fileOf(home, session), nowMs).catch(() => undefined);
  return record;
}

/** Most metrics that arrived and are still kept, for a person who wants to see them. */
const mostSent = 500;

/**
 * Replaces the record of a session.
 *
 * @throws `disk`
 */
export async function writeRecord(home: string, record: SessionRecord): Promise<void> {
  const sent = record.deltas.filter((one) => one.sent !== undefined || one.refused !== undefined);
  const gone = new Set(sent.slice(0, Math.max(0, sent.length - mostSent)));
  if (gone.size > 0) record.deltas = record.deltas.filter((one) => !gone.has(one));
  await ensureFolder(sessionsFolder(home));
  await replaceFile(fileOf(home, record.session), JSON.stringify(record, withMaps), false);
}

/** Removes the record of a session. @throws `disk` */
export async function removeRecord(home: string, session: string): Promise<void> {
  await removeFile(fileOf(home, session));
}

/**
 * @returns the ids of all sessions that have a record
 * @throws `vault_unreadable` when the folder is not ours
 */
export async function recordedSessions(home: string): Promise<string[]> {
  return (await namesIn(sessionsFolder(home)))
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
    .filter((name) => sessionName.test(name));
}
