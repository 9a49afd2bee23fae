import { join } from "node:path";
import { within } from "../core/time.ts";
import { withLock } from "../platform/lock.ts";
import { type Delta, type RunFacts, readRecord, recordedSessions, removeRecord, writeRecord } from "./record.ts";
import { isRunning, withRecords } from "./run.ts";

/**
 * What the host said to a metric: it has it; it will not take it, ever, with this status; or it is asked again, after a moment
 * or, where it refuses us, after a long one.
 */
export type Answer = "taken" | { readonly never: number } | "soon" | "later";

/** Pauses between tries, ms: the last one goes on doubling, up to the longest. */
const pauses = [1_000, 2_000, 5_000] as const;
const refusedMs = 600_000;
const longestMs = 1_800_000;
/** How long another process may take to send what it has, ms. */
const turnMs = 60_000;
/** How long the end of a run waits for the records, to write down what has arrived, ms. */
const markMs = 5_000;
/** How long records are kept, ms. */
export const keptMs = 30 * 86_400_000;

/** Sends the metrics that are in the records, one at a time, in the background of a run. */
export class MetricSender {
  readonly #home: string;
  readonly #run: string;
  readonly #api: string;
  readonly #send: (delta: Delta, facts: RunFacts) => Promise<Answer>;
  readonly #now: () => number;
  /** sessions with something to send */
  readonly #waiting = new Set<string>();
  /** what the host said to metrics whose record could not be written: they do not go out again */
  readonly #answered = new Map<string, "taken" | { readonly never: number }>();
  #failures = 0;
  #notBefore = 0;
  #timer: Timer | undefined;
  #work: Promise<void> | undefined;
  #isStopped = false;

  /**
   * @param run the run it belongs to
   * @param api only metrics for this address are sent
   * @param send sends one; it throws when there is no credential now
   */
  constructor(
    home: string,
    run: string,
    api: string,
    send: (delta: Delta, facts: RunFacts) => Promise<Answer>,
    now: () => number,
  ) {
    this.#home = home;
    this.#run = run;
    this.#api = api;
    this.#send = send;
    this.#now = now;
  }

  /**
   * Takes over what runs before have left, and removes records that are too old.
   *
   * @throws `vault_unreadable`, `disk`
   */
  async takeOver(): Promise<void> {
    for (const session of await recordedSessions(this.#home)) {
      const record = readRecord(this.#home, session);
      if (!record) continue;
      const { run, lastAt } = record;
      const isOthers = run !== undefined && run !== this.#run && isRunning(run, lastAt, this.#now());
      if (isOthers) continue;
      if (run === undefined && this.#now() - lastAt > keptMs) await removeRecord(this.#home, session);
      else this.#waiting.add(session);
    }
    this.wake();
  }

  /** A record of this session has changed. */
  look(session: string): void {
    this.#waiting.add(session);
    this.wake();
  }

  /** Begins to send what waits, unless that has to wait itself. */
  wake(): void {
    if (this.#work || this.#isStopped || this.#waiting.size === 0) return;
    const wait = this.#notBefore - performance.now();
    if (wait > 0) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.wake(), wait);
      this.#timer.unref();
      return;
    }
    // One process at a time: two that follow each other would otherwise both send what a killed run has left.
    this.#work = withLock(
      join(this.#home, "run", "metrics.lock"),
      "the sending of metrics",
      () => this.#round(),
      turnMs,
    )
      .catch(() => this.#postpone("soon"))
      .finally(() => {
        this.#work = undefined;
        this.wake();
      });
  }

  /**
   * Sends what is left. What does not arrive is left to the next run. Never throws.
   *
   * @param ms how long it sends, ms; what has been answered by then may take {@link markMs} more to be written down
   */
  async finish(ms: number): Promise<void> {
    const end = performance.now() + ms;
    this.wake();
    while (this.#work && performance.now() < end) await within(end - performance.now(), this.#work);
    this.#isStopped = true;
    clearTimeout(this.#timer);
    // Others may have the records: what arrived and is not marked would go out again with the next run.
    if (this.#work && this.#answered.size > 0) await within(markMs, this.#work);
  }

  async #round(): Promise<void> {
    for (const session of [...this.#waiting]) {
      // Until there is no more: what is made while others are sent is among those that wait already.
      for (let found = this.#openOf(session); found; found = this.#openOf(session)) {
        for (const delta of found.open) {
          if (this.#isStopped) return;
          const answer = this.#answered.get(delta.id) ?? (await this.#send(delta, found.facts));
          if (answer === "soon" || answer === "later") return this.#postpone(answer);
          this.#answered.set(delta.id, answer);
          await this.#mark(session, delta.id, answer);
          this.#answered.delete(delta.id);
          this.#failures = 0;
        }
      }
      this.#waiting.delete(session);
    }
  }

  /** @returns what of a session goes to this host and has not gone; undefined for nothing */
  #openOf(session: string): { facts: RunFacts; open: Delta[] } | undefined {
    const record = readRecord(this.#home, session);
    const open = record?.facts.api === this.#api ? record.deltas.filter(isOpen) : [];
    return record && open.length > 0 ? { facts: record.facts, open } : undefined;
  }

  async #mark(session: string, id: string, answer: "taken" | { readonly never: number }): Promise<void> {
    await withRecords(this.#home, async () => {
      const record = readRecord(this.#home, session);
      const delta = record?.deltas.find((one) => one.id === id);
      if (!record || !delta) return;
      if (answer === "taken") delta.sent = this.#now();
      else delta.refused = answer.never;
      await writeRecord(this.#home, record);
    });
  }

  #postpone(until: "soon" | "later"): void {
    const usual = pauses[this.#failures] ?? Math.min(longestMs, 5_000 * 2 ** (this.#failures - pauses.length + 1));
    this.#failures++;
    this.#notBefore = performance.now() + (until === "later" ? refusedMs : usual);
  }
}

/** True for a metric that has to be sent yet. */
export const isOpen = ({ sent, refused }: Delta): boolean => sent === undefined && refused === undefined;
