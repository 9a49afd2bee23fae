import type { Env } from "./env.ts";

/** The CI systems whose logs understand more than text. */
export type CiLog = "github" | "gitlab";

/** @returns the CI system that reads this job's log, by the variable that it sets in every job */
export function ciLogOf(env: Env): CiLog | undefined {
  if (env.GITHUB_ACTIONS === "true") return "github";
  return env.GITLAB_CI === "true" ? "gitlab" : undefined;
}

/**
 * @param title what it stands under; for `error` only
 * @param data any text, also of several lines
 * @returns a line that GitHub's runner obeys and does not show (GitHub Docs, "Workflow commands")
 */
export function workflowCommand(name: "add-mask" | "error" | "stop-commands", data: string, title?: string): string {
  const text = data.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  const property = title
    ?.replaceAll("%", "%25")
    .replaceAll("\r", "%0D")
    .replaceAll("\n", "%0A")
    .replaceAll(":", "%3A")
    .replaceAll(",", "%2C");
  return `::${name}${property === undefined ? "" : ` title=${property}`}::${text}\n`;
}

/**
 * GitHub's runner reads the output of a step line by line, on both streams: it obeys `::name::` behind nothing but spaces, and
 * the older `##[name]` anywhere.
 *
 * @returns the text with a space in each of both, so that it holds no command
 */
export const withoutCommands = (text: string): string =>
  text.replace(/^((?:[^\S\n\r\u2028\u2029]|\u0085)*:)(?=:)/gm, "$1 ").replaceAll("##[", "## [");

/**
 * @param name letters and `_`
 * @param header the line that stays when the section is folded; holds no control character
 * @param at s since the epoch
 * @returns what begins and what ends a section of GitLab's job log (GitLab Docs, "CI/CD job logs")
 */
export function logSection(name: string, header: string, at: number): [start: string, end: string] {
  const mark = (what: string) => `\u001b[0Ksection_${what}:${at}:${name}\r\u001b[0K`;
  return [`${mark("start")}${header}\n`, `${mark("end")}\n`];
}
