import { isAbsolute } from "node:path";
import { printable } from "../../../core/text.ts";
import { appendPlain, whyUnreadable } from "../../../platform/foreign-files.ts";
import type { Cli } from "../../frame/command.ts";

/** A run that has ended. */
export interface EndedRun {
  /** the agent's title */
  readonly title: string;
  readonly model: string | undefined;
  /** requests that the gateway forwarded */
  readonly requests: number;
  /** how long the agent ran, ms */
  readonly ms: number;
  /** the agent's exit code */
  readonly code: number;
}

/** GitHub drops the summary of a step that is longer, bytes. */
const longestSummary = 1024 * 1024;

/**
 * Tells a CI system of a run: GitHub in the job's summary (`GITHUB_STEP_SUMMARY`), GitLab in a line of the log, unless that is to be silent.
 * Never fails the run: warns when the summary cannot be written.
 */
export function summarize({ runtime, output }: Cli, run: EndedRun, isSilent: boolean): void {
  const { env, terminal } = runtime;
  const model = run.model ?? "its own choice";
  const seconds = Math.round(run.ms / 1000);
  const file = env.GITHUB_ACTIONS === "true" ? env.GITHUB_STEP_SUMMARY : undefined;
  if (file) {
    const values = [run.title, model, String(run.requests), `${seconds} s`, String(run.code)];
    const table = `| agent | model | requests | time | exit code |\n|---|---|---|---|---|\n| ${values.map(inTable).join(" | ")} |\n`;
    try {
      if (!isAbsolute(file)) throw new Error("relative");
      appendPlain(file, `\n### codemie\n\n${table}`, longestSummary);
    } catch (error) {
      const why = isAbsolute(file) ? whyUnreadable(error) : "GITHUB_STEP_SUMMARY is not an absolute path";
      output.say.warn(`the job summary cannot be written: ${why}`);
    }
  }
  if (terminal.ci === "gitlab" && !isSilent) {
    const requests = `${run.requests} request${run.requests === 1 ? "" : "s"}`;
    output.say.info(`codemie · ${run.title} · model ${printable(model, 100)} · ${requests} · ${seconds} s`);
  }
}

/** A name of a model is the host's to choose: each sign that Markdown or HTML may read is escaped. */
const inTable = (text: string): string =>
  printable(text, 100).replace(/[^\p{L}\p{N} ._:/-]/gu, (char) => `&#${char.codePointAt(0)};`);
