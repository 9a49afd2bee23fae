import { printable } from "../../../core/text.ts";
import { readRecord, recordedSessions, type SessionRecord } from "../../../tracking/record.ts";
import { isOpen } from "../../../tracking/sender.ts";
import { type Cli, command } from "../../frame/command.ts";
import { narrow, without } from "../../frame/output.ts";

/** `codemie sessions list`. It reads the records only: no vault, no host. */
export const sessionsList = (cli: Cli) =>
  command({
    meta: { name: "list", description: "Show the agents' sessions that were counted, the last one first" },
    examples: ["codemie sessions list", "codemie sessions list --json"],
    async run() {
      const { runtime, output } = cli;
      const found = await allRecords(runtime.home);
      const data = found.map(summaryOf);
      output.result(data, () =>
        data.length === 0
          ? ["no sessions are counted"]
          : output.table(
              [
                ["ID", "AGENT", "STARTED", "TIME", "STATUS", "MODEL", "REPOSITORY", "PROMPTS", "TOOLS", "WAITING"],
                ...data.map((one) => [
                  shortId.exec(one.id)?.[0] ?? one.id,
                  one.agent,
                  one.startedAt.slice(0, 16).replace("T", " "),
                  duration(one.durationMs),
                  one.status,
                  printable(one.model ?? "-", 60),
                  printable(one.repository ?? "-", 60),
                  String(one.prompts),
                  String(one.toolCalls),
                  String(one.waiting),
                ]),
              ],
              [narrow("REPOSITORY", 12), without("MODEL"), without("STATUS"), narrow("REPOSITORY", 6), without("TIME")],
            ),
      );
    },
  });

/** Enough of an id to tell sessions apart; those of OpenCode begin with what kind of id it is. */
const shortId = /^(?:ses_)?.{1,8}/;

/** @returns the records that can be read, the latest session first */
export async function allRecords(home: string): Promise<SessionRecord[]> {
  const sessions = await recordedSessions(home);
  return sessions.flatMap((session) => readRecord(home, session) ?? []).sort((a, b) => b.lastAt - a.lastAt);
}

/** A session as scripts see it. */
export function summaryOf(record: SessionRecord) {
  const { session, facts, state, totals } = record;
  const tools = Object.values(totals.tools);
  return {
    id: session,
    agent: facts.agent,
    agentVersion: state.version ?? null,
    status: record.status,
    reason: record.reason ?? null,
    profile: facts.profile,
    project: facts.project ?? null,
    repository: facts.repository ?? null,
    branch: state.branch ?? facts.branch ?? null,
    model: state.model ?? facts.model ?? null,
    firstAt: new Date(record.firstAt).toISOString(),
    startedAt: new Date(record.startedAt).toISOString(),
    lastAt: new Date(record.lastAt).toISOString(),
    durationMs: Math.max(0, record.lastAt - record.startedAt),
    activeMs: record.activeMs,
    prompts: totals.prompts,
    toolCalls: tools.reduce((sum, { succeeded, failed }) => sum + succeeded + failed, 0),
    tools: totals.tools,
    filesCreated: totals.filesCreated,
    filesModified: totals.filesModified,
    linesAdded: totals.linesAdded,
    linesRemoved: totals.linesRemoved,
    requests: state.requests,
    tokens: state.tokens,
    events: record.events,
    waiting: record.deltas.filter(isOpen).length,
  };
}

/** @returns a length of time as people write it: `45 s`, `12 min`, `3 h 5 min` */
export function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.round(ms / 1_000)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
