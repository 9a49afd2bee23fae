import { addCounts, addName, isNothing } from "./counts.ts";
import { endMetric, startMetric, usageMetricOf } from "./metrics.ts";
import { newRecord, type RunFacts, type SessionRecord } from "./record.ts";
import type { SpooledEvent } from "./spool.ts";
import { openCounts } from "./transcript.ts";

// How a session's record changes. Nothing here reads or writes a file, so that each step is as it was, or whole.

/** A run that has a session open. */
export interface TrackedRun {
  readonly name: string;
  readonly facts: RunFacts;
  /** what the agent is set up with, as attributes of the start */
  readonly inventory: Readonly<Record<string, unknown>>;
}

/** How long counts are gathered before they become a metric, ms, and how many calls of tools. */
const gatheringMs = 60_000;
const mostCalls = 400;

/**
 * Counts one event.
 *
 * @param record changed in place; undefined when the session has none yet
 * @param end how far the run's spool is read with it, bytes
 * @returns the record
 */
export function applyEvent(
  record: SessionRecord | undefined,
  run: TrackedRun,
  event: SpooledEvent,
  end: number,
): SessionRecord {
  const { at, reason } = event;
  const now = record ?? newRecord(event.session, run.facts, at);
  if ((now.spools[run.name] ?? 0) >= end) return now;
  const isNewHere = now.spools[run.name] === undefined || event.event === "SessionStart";
  now.spools[run.name] = end;
  // Nothing that arrives late, after the end, begins the session again.
  if (now.run !== run.name && isNewHere) begin(now, run, event, record === undefined);
  now.events[event.event] = (now.events[event.event] ?? 0) + 1;
  now.lastAt = Math.max(now.lastAt, at);
  switch (event.event) {
    case "UserPromptSubmit":
      if (!event.isAutomatic) openCounts(now.state).prompts++;
      now.activeSince ??= at;
      break;
    case "PostToolUse":
      openCounts(now.state).calls.push({ name: event.tool ?? "other", failed: event.isFailed === true });
      break;
    case "StopFailure":
      addName(openCounts(now.state).apiErrors, event.error ?? "unknown");
      rest(now, at);
      break;
    case "Stop":
      rest(now, at);
      break;
    case "SessionEnd":
      now.reason = reason;
      now.status = "completed";
      rest(now, at);
  }
  return now;
}

function begin(record: SessionRecord, run: TrackedRun, event: SpooledEvent, isFirst: boolean): void {
  const { at, reason, event: name } = event;
  // Another run may have left it open, and is the one to have ended it.
  if (record.run !== undefined) endSession(record, record.lastAt, { status: "interrupted", reason: "other" });
  record.run = run.name;
  record.facts = run.facts;
  record.state.branch = run.facts.branch;
  record.status = "active";
  record.reason = undefined;
  record.startedAt = record.reportedAt = at;
  record.activeMs = 0;
  record.activeSince = undefined;
  // What a session that goes on holds already was said without us, or is counted.
  if (isFirst && name === "SessionStart" && reason === "resume") record.since = at;
  record.deltas.push(startMetric(record, at, name === "SessionStart" ? reason : undefined, run.inventory));
}

/** The agent has ended its turn. A clock that was set back counts as no time. */
function rest(record: SessionRecord, at: number): void {
  if (record.activeSince !== undefined) record.activeMs += Math.max(0, at - record.activeSince);
  record.activeSince = undefined;
}

/** Makes metrics of what was gathered: all of it, or only once there is enough. */
export function report(record: SessionRecord, at: number, isAll: boolean): void {
  const { state } = record;
  const calls = [...state.open.values()].reduce((sum, one) => sum + one.calls.length, 0);
  const waited = Math.abs(at - record.reportedAt);
  if (!isAll && waited < gatheringMs && calls < mostCalls) return;
  record.reportedAt = at;
  for (const [branch, counted] of state.open) {
    if (isNothing(counted)) continue;
    record.deltas.push(usageMetricOf(record, at, branch, counted));
    addCounts(record.totals, counted);
  }
  state.open.clear();
  state.files = [];
}

/**
 * Ends a session in its run: the last counts, and the end, become metrics.
 *
 * @param otherwise how it ended, where the agent has not said so
 */
export function endSession(
  record: SessionRecord,
  at: number,
  otherwise: { readonly status: SessionRecord["status"]; readonly reason: string },
): void {
  if (record.run === undefined) return;
  rest(record, at);
  report(record, at, true);
  if (record.status === "active") {
    record.status = otherwise.status;
    record.reason = otherwise.reason;
  }
  record.deltas.push(endMetric(record, at));
  record.run = undefined;
}
