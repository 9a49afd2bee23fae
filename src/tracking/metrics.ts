import { addName, type Counts } from "./counts.ts";
import type { Delta, SessionRecord } from "./record.ts";

// The metrics, by the names and attributes that the host's dashboards rely on (CodeMie fact 6.1). None holds a word of what
// was said: the messages of errors, which the existing CLI sends, may quote it, and stay here.

const sessionMetric = "codemie_cli_session_total";
const usageMetric = "codemie_cli_tool_usage_total";

/** Failures of these say something about a command, not about the tool. */
const shells: readonly string[] = ["Bash", "Execute", "Shell"];

function metric(record: SessionRecord, at: number, name: string, branch: string | undefined, more: object): Delta {
  const { facts, session } = record;
  const id = crypto.randomUUID();
  const attributes = {
    agent: facts.agent,
    agent_version: facts.cli,
    codemie_client: facts.client,
    repository: facts.repository,
    session_id: session,
    branch,
    project: facts.project,
    ...more,
    count: 1,
    schema_version: 2,
    delta_id: id,
  };
  const known = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return { id, at, name, attributes: Object.fromEntries(known) };
}

const modelOf = ({ state, facts }: SessionRecord) => state.model ?? facts.model ?? "unknown";

/** @param inventory what the agent is set up with, by the names of the attributes */
export function startMetric(
  record: SessionRecord,
  at: number,
  reason: string | undefined,
  inventory: Readonly<Record<string, unknown>>,
): Delta {
  return metric(record, at, sessionMetric, record.facts.branch, {
    llm_model: modelOf(record),
    status: "started",
    reason,
    session_duration_ms: 0,
    had_errors: false,
    ...inventory,
  });
}

/** @returns the metric of the end; the record has its status already */
export function endMetric(record: SessionRecord, at: number): Delta {
  const { status, reason, startedAt, activeMs, totals } = record;
  return metric(record, at, sessionMetric, record.facts.branch, {
    llm_model: modelOf(record),
    status,
    reason,
    session_duration_ms: Math.max(0, at - startedAt),
    active_duration_ms: activeMs,
    start_time: startedAt,
    end_time: at,
    had_errors: totals.apiErrors.length > 0 || Object.values(totals.tools).some(({ failed }) => failed > 0),
  });
}

/** @param branch empty for none */
export function usageMetricOf(record: SessionRecord, at: number, branch: string, counted: Counts): Delta {
  const { calls, apiErrors } = counted;
  const failed = calls.filter((call) => call.failed);
  const failedTools: string[] = [];
  for (const { name } of failed) if (!shells.includes(name)) addName(failedTools, name);
  return metric(record, at, usageMetric, branch || undefined, {
    llm_model: modelOf(record),
    total_user_prompts: counted.prompts,
    session_duration_ms: Math.max(0, at - record.startedAt),
    tool_names: calls.map(({ name }) => name),
    total_tool_calls: calls.length,
    successful_tool_calls: calls.length - failed.length,
    failed_tool_calls: failed.length,
    files_created: counted.filesCreated,
    files_modified: counted.filesModified,
    files_deleted: 0,
    total_lines_added: counted.linesAdded,
    total_lines_removed: counted.linesRemoved,
    had_errors: failed.length > 0 || apiErrors.length > 0,
    error_tools: failedTools.length > 0 ? failedTools : undefined,
    api_errors: apiErrors.length > 0 ? apiErrors : undefined,
  });
}
