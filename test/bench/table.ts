/** One ratio of a benchmark: ours divided by the other's. */
export interface Ratio {
  readonly benchmark: string;
  readonly measure: string;
  /** against what */
  readonly against: string;
  readonly ratio: number;
}

// biome-ignore lint/suspicious/noExplicitAny: what the benchmarks of this folder wrote themselves
type Numbers = any;

/** How each benchmark's file becomes ratios. */
const readers: Record<string, (numbers: Numbers) => Omit<Ratio, "benchmark">[]> = {
  start: ({ result }) =>
    result
      .filter(({ name }: Numbers) => name !== "one line")
      .map(({ name, ratio }: Numbers) => ({ measure: name, against: "a compiled line", ratio })),
  size: ({ result }) =>
    result.map(({ name, ratio }: Numbers) => ({ measure: name, against: "a compiled line", ratio })),
  vault: ({ result }) =>
    result.flatMap(({ records, plainMs, openAndReadMs, readMs, versionMs, tokenMs, tokenWithPassphraseMs }: Numbers) =>
      records === undefined
        ? [
            { measure: "codemie token", against: "codemie --version", ratio: tokenMs / versionMs },
            { measure: "a passphrase", against: "a key file", ratio: tokenWithPassphraseMs / tokenMs },
          ]
        : [
            { measure: `open and read 1 of ${records}`, against: "a plain file", ratio: openAndReadMs / plainMs },
            { measure: `read 1 of ${records}`, against: "a plain file", ratio: readMs / plainMs },
          ],
    ),
  gateway: ({ results }) =>
    Object.entries(results as Record<string, Record<string, number>>).flatMap(
      ([measure, { codemie = NaN, ...others }]) =>
        ["nginx", "node:http"].map((against) => ({ measure, against, ratio: codemie / (others[against] ?? NaN) })),
    ),
  mcp: ({ result }) => result.map(({ name, ratio }: Numbers) => ({ measure: name, against: "mcp-remote", ratio })),
  lock: ({ warmMs, flockMs, trueMs, crowds }) => [
    { measure: "alone", against: "flock(1)", ratio: warmMs / (flockMs - trueMs) },
    ...crowds.map(({ waiters, oursMs, flockMs: theirs }: Numbers) => ({
      measure: `${waiters} waiters`,
      against: "flock(1)",
      ratio: oursMs / theirs,
    })),
  ],
};

/** The benchmarks, each with a file of its own name in this folder. */
export const benchmarks = Object.keys(readers);

/** @returns the ratios in what a benchmark wrote, without those that it could not measure */
export const ratiosOf = (benchmark: string, numbers: unknown): Ratio[] =>
  (readers[benchmark]?.(numbers) ?? [])
    .filter(({ ratio }) => Number.isFinite(ratio))
    .map((one) => ({ benchmark, ...one }));

/**
 * @param before those of the release before, if any
 * @returns all ratios as one table in Markdown; `change` is how much larger a ratio has become
 */
export function tableOf(ratios: readonly Ratio[], before: readonly Ratio[] = []): string {
  const keyOf = ({ benchmark, measure, against }: Ratio) => `${benchmark}\n${measure}\n${against}`;
  const earlier = new Map(before.map((one) => [keyOf(one), one.ratio]));
  const rows = ratios.map((one) => {
    const old = earlier.get(keyOf(one));
    const compared = old === undefined ? ["", ""] : [old.toFixed(2), `${((one.ratio / old - 1) * 100).toFixed(0)} %`];
    return [one.benchmark, one.measure, one.against, one.ratio.toFixed(2), ...compared];
  });
  const heading = ["benchmark", "measure", "relative to", "ratio", "before", "change"];
  return [heading, heading.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
