import { callApi } from "../../../access/credentials.ts";
import type { Agent } from "../../../agents/agent.ts";
import type { Repository } from "../../../agents/repository.ts";
import type { Credentials } from "../../../auth/credentials.ts";
import { asCodemieError, CodemieError } from "../../../core/errors.ts";
import { headerSafe } from "../../../core/text.ts";
import { within } from "../../../core/time.ts";
import { version } from "../../../core/version.ts";
import { makeEmptyFile, removeFile, replaceFile } from "../../../platform/files.ts";
import { LogFile } from "../../../platform/log-file.ts";
import type { Resolved } from "../../../profiles/resolve.ts";
import type { Delta, RunFacts } from "../../../tracking/record.ts";
import { endKilledRuns, type RunTracker, startTracking } from "../../../tracking/run.ts";
import { type Answer, MetricSender } from "../../../tracking/sender.ts";
import { noticeOf, toldOf } from "../../../tracking/spool.ts";
import type { Cli } from "../../frame/command.ts";

/** How long the end of a run waits for metrics to arrive, ms: the next run sends the others. */
const lastSendingMs = 2_000;
/** How long the end of a run waits for the event of an agent that does not wait for it, ms. */
const lastEventMs = 5_000;

/** One run of an agent. */
export interface RunToTrack {
  readonly agent: Agent;
  /** the platform's client type */
  readonly client: string;
  readonly resolved: Resolved;
  /** never asks the person to log in: metrics are not worth that */
  readonly credentials: Credentials;
  readonly model: string | undefined;
  readonly repository: Repository;
  readonly isSilent: boolean;
  /** true: a credential was given for this run, which then may have no home at all */
  readonly isGiven: boolean;
}

/** The tracking of one run. */
export interface Tracking {
  readonly plugin: string;
  readonly run: string;
  /** the hook tells the person at the next prompt that the login is over; undefined: it is not */
  loginTold(ended: string | undefined): void;
  /**
   * Ends it, in a few seconds. Never throws.
   *
   * @param code the agent's exit code
   * @param requests how many model calls there were
   */
  end(code: number, requests: number): Promise<void>;
}

/**
 * Begins to track the sessions of a run, and has what earlier runs left sent. It tells the person once.
 *
 * @returns undefined where sessions are not tracked: off, a model provider, an agent that cannot tell us, or whose run that
 *   would hold up or change, a home that cannot be written
 */
export async function trackRun(cli: Cli, to: RunToTrack): Promise<Tracking | undefined> {
  const { runtime, output } = cli;
  const { agent, resolved } = to;
  const host = resolved.host.value;
  if (!agent.sessions || host.kind !== "codemie" || !isOn(cli, to)) return undefined;
  const { home, now } = runtime;
  let tracker: RunTracker;
  let plugin: string | undefined;
  try {
    plugin = await agent.sessions.layOut(home, runtime.cwd, runtime.env);
    if (plugin === undefined) return undefined;
    tracker = await startTracking(
      home,
      factsOf(to),
      (await agent.sessions.inventory?.(runtime.cwd, runtime.env)) ?? {},
      now,
    );
  } catch (error) {
    if (!to.isSilent && !to.isGiven)
      output.say.info(`sessions are not counted: ${asCodemieError(error).message} (codemie config set telemetry off)`);
    return undefined;
  }
  // A job of a CI system begins with an empty home each time, and nobody reads it there: the documents say it.
  const isUnread = to.isSilent || (to.isGiven && !runtime.terminal.interactive);
  if (!isUnread) tellOnce(cli, host.origin);
  const log = new LogFile(home, "codemie.log");
  const failed = (error: unknown) =>
    log.write(`${new Date(now()).toISOString()} sessions: ${asCodemieError(error).message}`);
  const sender = new MetricSender(home, tracker.name, host.api, (delta, facts) => send(cli, to, delta, facts), now);
  tracker.follow((session) => sender.look(session), failed);
  const earlier = endKilledRuns(home, now, failed)
    .then(() => sender.takeOver())
    .then(() => agent.sessions?.removeOld?.(home))
    .catch(failed);
  return {
    plugin,
    run: tracker.name,
    loginTold: noticeOn(noticeOf(home, tracker.name), failed),
    async end(code, requests) {
      const isLate = agent.sessions?.endsBeforeHook && code === 0 && requests > 0;
      try {
        await tracker.end(endedWith(code), isLate ? lastEventMs : 0);
      } catch (error) {
        failed(error);
      }
      await within(lastSendingMs, earlier);
      await sender.finish(lastSendingMs);
      await log.flushed();
    },
  };
}

/** The environment wins over the profile. Whatever else it says than that it is on means that somebody wants it off. */
function isOn({ runtime }: Cli, { agent, resolved }: RunToTrack): boolean {
  const said = runtime.env.CODEMIE_TELEMETRY?.trim().toLowerCase();
  const isSaid = said ? ["on", "1", "true", "yes"].includes(said) : resolved.profile.telemetry === "on";
  return isSaid || (!said && resolved.profile.telemetry === undefined && !agent.sessions?.showsWords);
}

function factsOf({ agent, client, resolved, model, repository }: RunToTrack): RunFacts {
  return {
    agent: agent.name,
    client,
    cli: version,
    api: resolved.host.value.api,
    profile: resolved.name,
    model,
    repository: repository.name,
    branch: repository.branch,
    project: resolved.project?.value,
  };
}

function tellOnce({ runtime, output }: Cli, origin: string): void {
  try {
    makeEmptyFile(toldOf(runtime.home));
    output.say.info(
      `${origin} gets counts of your sessions, never what is said in them: codemie sessions shows all of it, codemie config set telemetry off ends it (docs/tracking.md)`,
    );
  } catch {
    // it is there: the person has been told
  }
}

const endedWith = (code: number) =>
  code === 0
    ? { status: "completed" as const, reason: "other" }
    : { status: code > 128 ? ("interrupted" as const) : ("failed" as const), reason: `exit_${code}` };

/** Sends one metric as its session's program (CodeMie facts 5.3, 6.1). */
async function send(cli: Cli, to: RunToTrack, { name, attributes }: Delta, facts: RunFacts): Promise<Answer> {
  const headers: Record<string, string> = { "x-codemie-client": facts.client };
  for (const member of ["repository", "branch", "project"] as const) {
    const value = attributes[member];
    const safe = headerSafe(typeof value === "string" ? value : undefined);
    if (safe !== undefined) headers[`x-codemie-${member}`] = safe;
  }
  const unwatched = { ...cli, output: { say: cli.output.say } };
  try {
    return await callApi(unwatched, to.credentials, to.resolved.host.value, (api) =>
      api.sendMetric(JSON.stringify({ name, attributes }), headers),
    );
  } catch (error) {
    // Nobody is asked to log in for this.
    return error instanceof CodemieError && error.exitCode === 4 ? "later" : "soon";
  }
}

/** @returns what keeps the file with the hook's words to the person */
function noticeOn(file: string, failed: (error: unknown) => void): (ended: string | undefined) => void {
  let said: string | undefined;
  let work: Promise<void> = Promise.resolve();
  return (ended) => {
    if (ended === said) return;
    said = ended;
    const change = () => (ended === undefined ? removeFile(file) : replaceFile(file, ended, false));
    work = work.then(change).catch(failed);
  };
}
