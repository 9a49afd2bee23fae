import { agentFailure } from "./failures.ts";

/** The levels of reasoning effort, the least first. Agents know some of them. */
export const efforts = ["minimal", "low", "medium", "high", "xhigh", "max"] as const;
export type Effort = (typeof efforts)[number];

/**
 * @param wished as the person typed it
 * @param known the levels that an agent knows, the least first
 * @returns the nearest of them, the lower one of two; undefined when it knows none
 * @throws usage error when it is no level at all
 */
export function nearestEffort(wished: string, known: readonly Effort[]): Effort | undefined {
  const at = efforts.indexOf(wished.toLowerCase() as Effort);
  if (at < 0) throw agentFailure.noEffort(wished, efforts);
  const distance = (level: Effort) => Math.abs(efforts.indexOf(level) - at);
  return known.toSorted((a, b) => distance(a) - distance(b))[0];
}
