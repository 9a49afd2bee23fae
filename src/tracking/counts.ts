import * as z from "zod/mini";

const numbers = {
  /** prompts of a person */
  prompts: z.number(),
  filesCreated: z.number(),
  filesModified: z.number(),
  linesAdded: z.number(),
  linesRemoved: z.number(),
  /** kinds of failed model calls, each once */
  apiErrors: z.array(z.string()),
};

/** What is counted of a part of a session, until it is reported. */
export const counts = z.object({
  ...numbers,
  /** the calls of tools that have ended, in order */
  calls: z.array(z.object({ name: z.string(), failed: z.boolean() })),
});
export type Counts = z.infer<typeof counts>;

/** What is counted of a whole session. */
export const totals = z.object({
  ...numbers,
  /** calls by tool and outcome */
  tools: z.record(z.string(), z.object({ succeeded: z.number(), failed: z.number() })),
});
export type Totals = z.infer<typeof totals>;

const nothing = () => ({
  prompts: 0,
  filesCreated: 0,
  filesModified: 0,
  linesAdded: 0,
  linesRemoved: 0,
  apiErrors: [] as string[],
});

/** @returns counts of nothing */
export const noCounts = (): Counts => ({ ...nothing(), calls: [] });

/** @returns totals of nothing */
export const noTotals = (): Totals => ({ ...nothing(), tools: {} });

/** @returns true when there is nothing to report */
export const isNothing = ({ prompts, calls, apiErrors }: Counts): boolean =>
  prompts === 0 && calls.length === 0 && apiErrors.length === 0;

/** Most different names that are kept of failures, and of tools. */
const mostNames = 100;

/** Adds a name to a list, once. */
export function addName(names: string[], name: string): void {
  if (names.length < mostNames && !names.includes(name)) names.push(name);
}

/** Adds the counts of a part to those of the whole. */
export function addCounts(whole: Totals, part: Counts): void {
  whole.prompts += part.prompts;
  whole.filesCreated += part.filesCreated;
  whole.filesModified += part.filesModified;
  whole.linesAdded += part.linesAdded;
  whole.linesRemoved += part.linesRemoved;
  for (const name of part.apiErrors) addName(whole.apiErrors, name);
  for (const { name, failed } of part.calls) {
    const isKnown = Object.hasOwn(whole.tools, name) || Object.keys(whole.tools).length < mostNames;
    const key = isKnown ? name : "other";
    const tool = (Object.hasOwn(whole.tools, key) ? whole.tools[key] : undefined) ?? { succeeded: 0, failed: 0 };
    if (failed) tool.failed++;
    else tool.succeeded++;
    whole.tools[key] = tool;
  }
}
