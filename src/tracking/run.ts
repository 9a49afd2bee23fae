import { hostname } from "node:os";
import { join } from "node:path";
import { hashOf, randomBytes } from "../core/crypto.ts";
import { asCodemieError, type ErrorCode } from "../core/errors.ts";
import { ensureFolder, keepAside, namesIn, removeFile, replaceFile, stampOf } from "../platform/files.ts";
import { withLock } from "../platform/lock.ts";
import { isAlive } from "../platform/processes.ts";
import { processId } from "../platform/self.ts";
import { type ReadUpTo, readLinesOn } from "../platform/tail.ts";
import { type RunFacts, readRecordToWrite, type SessionRecord, writeRecord } from "./record.ts";
import { applyEvent, endSession, report, type TrackedRun } from "./session.ts";
import { noticeOf, type SpooledEvent, sessionsFolder, spoolOf } from "./spool.ts";
import { readSpool, spoolHead } from "./spooled.ts";
import { countLine } from "./transcript.ts";

/** How often a run looks for what its hooks noted, ms. The system's notifications get lost now and then. */
const lookMs = 1_000;
/** The same while it waits for an event after the agent's end, ms. */
const lateLookMs = 20;
/** How long after its end a session gets the last lines of its transcript, ms. */
const endingMs = 2_000;
/** Longest line of a transcript that is looked at, bytes: results of tools are long. */
const longestLine = 8 * 1024 * 1024;
/** How much of a transcript is read in one step, bytes: others wait for the records meanwhile. */
const stepBytes = 16 * 1024 * 1024;
/** How long one step of another run may take, ms. */
const patienceMs = 10_000;
/** Most transcripts of a session: each subagent has one. */
const mostTranscripts = 2_000;

/** After these, a transcript has something new. */
const ofTranscript: ReadonlySet<SpooledEvent["event"]> = new Set([
  "Stop",
  "StopFailure",
  "SubagentStop",
  "PreCompact",
  "SessionEnd",
]);

const machine = () => hostname().replace(/[^A-Za-z0-9.]/g, "");

/** How an agent ended. */
export interface AgentEnd {
  readonly status: "completed" | "failed" | "interrupted";
  readonly reason: string;
}

/** Follows the sessions of one run: reads what the hooks noted, and keeps the records. */
export class RunTracker {
  readonly #home: string;
  readonly #now: () => number;
  #run: TrackedRun;
  #read: ReadUpTo | undefined;
  #stamp = "";
  /** the sessions of this run, with their transcripts and when the agent said that they end */
  readonly #sessions = new Map<string, { transcripts: Set<string>; isDue: boolean; endsAt: number | undefined }>();
  #changed: (session: string) => void = () => undefined;
  #timer: Timer | undefined;
  #work: Promise<void> = Promise.resolve();

  /** @param run one whose spool is there */
  constructor(home: string, run: TrackedRun, now: () => number) {
    this.#home = home;
    this.#run = run;
    this.#now = now;
  }

  get name(): string {
    return this.#run.name;
  }

  /**
   * Looks at the spool now and then, until the end.
   *
   * @param changed called with each session whose record was changed
   * @param failed called when a look failed; the next one begins where it did
   */
  follow(changed: (session: string) => void, failed: (error: unknown) => void): void {
    this.#changed = changed;
    this.#timer = setInterval(() => void this.#next(false).catch(failed), lookMs);
    this.#timer.unref();
  }

  /**
   * Ends the run: reads all that is left, ends its sessions and removes the spool.
   *
   * @param ended how the agent ended, for sessions of which it has not said so
   * @param waitMs how long an event may still come if there has been none, ms
   * @throws `disk` and `vault_locked`; the next run then does it
   */
  async end(ended: AgentEnd, waitMs = 0): Promise<void> {
    clearInterval(this.#timer);
    const start = performance.now();
    for (let isFirst = true; this.#sessions.size === 0 && performance.now() - start < waitMs; isFirst = false) {
      if (!isFirst) await Bun.sleep(lateLookMs);
      await this.#next(false);
    }
    await this.#next(true, ended);
    await removeFile(noticeOf(this.#home, this.name));
    await removeFile(spoolOf(this.#home, this.name));
  }

  #next(isLast: boolean, ended?: AgentEnd): Promise<void> {
    const step = this.#work.then(() => this.#look(isLast, ended));
    this.#work = step.catch(() => undefined);
    return step;
  }

  async #look(isLast: boolean, ended: AgentEnd | undefined): Promise<void> {
    const file = spoolOf(this.#home, this.name);
    const stamp = await stampOf(file);
    const isEnding = [...this.#sessions.values()].some(({ endsAt }) => this.#isOver(endsAt));
    if (stamp === this.#stamp && !isEnding && !isLast) return;
    const found = await readSpool(file, this.#read);
    const events = found?.events ?? [];
    for (const { event } of events) this.#meet(event);
    const bySession = Map.groupBy(events, ({ event }) => event.session);
    const failures: unknown[] = [];
    for (const [session, known] of this.#sessions) {
      const fresh = bySession.get(session) ?? [];
      const isOver = isLast || this.#isOver(known.endsAt);
      if (fresh.length === 0 && !known.isDue && !isOver) continue;
      try {
        await this.#step(session, fresh, isOver ? (ended ?? { status: "completed", reason: "other" }) : undefined);
      } catch (error) {
        failures.push(error); // the other sessions go on
        continue;
      }
      known.isDue = false;
      this.#changed(session);
      if (isOver) known.endsAt = undefined;
    }
    if (failures.length > 0) throw failures[0];
    if (found) this.#read = found.upTo;
    this.#stamp = stamp;
  }

  readonly #isOver = (endsAt: number | undefined) =>
    endsAt !== undefined && Math.abs(performance.now() - endsAt) > endingMs;

  #meet({ session, event, transcript }: SpooledEvent): void {
    const known = this.#sessions.get(session) ?? { transcripts: new Set(), isDue: false, endsAt: undefined };
    this.#sessions.set(session, known);
    const isKnownForm = this.#run.facts.agent === "claude";
    if (isKnownForm && transcript !== undefined && known.transcripts.size < mostTranscripts)
      known.transcripts.add(transcript);
    if (ofTranscript.has(event)) known.isDue = true;
    if (event === "SessionEnd") known.endsAt = performance.now();
    if (event === "SessionStart") known.endsAt = undefined;
  }

  /** Brings the record of a session up to date: its events first, then its transcripts, step by step. */
  async #step(
    session: string,
    events: readonly { event: SpooledEvent; end: number }[],
    ended: AgentEnd | undefined,
  ): Promise<void> {
    const known = this.#sessions.get(session);
    const isRead = known?.isDue === true || ended !== undefined;
    const left = isRead ? [...(known?.transcripts ?? [])] : [];
    let isFirst = true;
    do {
      await withRecords(this.#home, async () => {
        let record = await readRecordToWrite(this.#home, session, this.#now());
        if (isFirst) for (const { event, end } of events) record = applyEvent(record, this.#run, event, end);
        isFirst = false;
        if (!record) return void left.splice(0);
        while (left[0] !== undefined) {
          if (await readTranscript(record, left[0])) break;
          left.shift();
        }
        const now = this.#now();
        report(record, now, left.length === 0 && ended !== undefined);
        if (left.length === 0 && ended && record.run === this.name) endSession(record, now, ended);
        await writeRecord(this.#home, record);
      });
    } while (left.length > 0);
  }
}

/**
 * Begins a run: makes its spool.
 *
 * @param inventory what the agent is set up with, as attributes of a session's start
 * @throws `disk` and `vault_unreadable` when the base folder cannot be used
 */
export async function startTracking(
  home: string,
  facts: RunFacts,
  inventory: Readonly<Record<string, unknown>>,
  now: () => number,
): Promise<RunTracker> {
  const name = `run-${processId()}-${machine()}-${randomBytes(6).toString("hex")}`;
  await ensureFolder(sessionsFolder(home));
  await replaceFile(spoolOf(home, name), spoolHead(now(), facts, inventory), false);
  return new RunTracker(home, { name, facts, inventory }, now);
}

/** Reads a transcript on, for one step. @returns true when there is more */
async function readTranscript(record: SessionRecord, file: string): Promise<boolean> {
  const key = hashOf("sha256", file).toString("hex").slice(0, 16);
  const before = record.transcripts[key];
  let last = before?.last ?? 0;
  const transcript = { answer: before?.answer };
  const read = await readLinesOn(file, before, {
    longestLine,
    most: stepBytes,
    onLine: (line, _end, isAnew) => {
      // Another file in its place has what was counted already: what is newer counts.
      const after = isAnew ? Math.max(before?.last ?? 0, record.since) : record.since;
      const at = countLine(record.state, transcript, line, after);
      if (at !== undefined) last = Math.max(last, at);
    },
  }).catch(() => undefined);
  if (read) record.transcripts[key] = { ...read.upTo, last, answer: transcript.answer };
  return read?.isMore === true;
}

/**
 * Runs work that changes records of sessions, one process at a time.
 *
 * @throws as {@link withLock}, and as `work`
 */
export async function withRecords<T>(home: string, work: () => Promise<T>): Promise<T> {
  return await withLock(join(home, "run", "sessions.lock"), "the records of sessions", work, patienceMs);
}

/** Runs of other machines with the same home cannot be asked; after this time nobody waits for them, ms. */
const foreignMs = 86_400_000;

/** @returns true when the run that a name belongs to goes on */
export function isRunning(run: string, lastAt: number, now: number): boolean {
  const [, pid, where] = /^run-(\d+)-([^-]*)-/.exec(run) ?? [];
  if (where !== machine()) return Math.abs(now - lastAt) < foreignMs;
  return Number(pid) === processId() || isAlive(Number(pid));
}

/**
 * Ends the work of runs that were killed. A spool that cannot be used is kept under another name.
 *
 * @param failed called for each run that could not be ended; the others are
 * @throws `vault_unreadable` when the folder is not ours
 */
export async function endKilledRuns(home: string, now: () => number, failed: (error: unknown) => void): Promise<void> {
  for (const file of await namesIn(sessionsFolder(home))) {
    const name = /^(run-.*)\.spool$/.exec(file)?.[1];
    if (name === undefined) continue;
    try {
      await endKilledRun(home, name, now);
    } catch (error) {
      failed(error);
      // A full disk, or a lock that somebody holds: the next run tries again.
      if (!passing.has(asCodemieError(error).code)) await keepAside(spoolOf(home, name), now()).catch(failed);
    }
  }
}

const passing: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["disk", "vault_locked"]);

async function endKilledRun(home: string, name: string, now: () => number): Promise<void> {
  const found = await readSpool(spoolOf(home, name), undefined);
  const lastAt = found?.events.at(-1)?.event.at ?? found?.head?.at ?? 0;
  if (isRunning(name, lastAt, now())) return;
  const { head } = found ?? {};
  if (head) {
    const run = { name, facts: head.run, inventory: head.inventory };
    // The moment of its last event: nobody knows how long it went on after that.
    const tracker = new RunTracker(home, run, () => lastAt);
    await tracker.end({ status: "interrupted", reason: "other" });
  } else {
    await removeFile(noticeOf(home, name));
    await removeFile(spoolOf(home, name));
  }
}
