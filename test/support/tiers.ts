import { test } from "bun:test";

/**
 * What `bun run check` leaves to CI, where everything runs (`CI` is set), and to `bun run soak`: further cases of what a test of the
 * same file shows already, and single tests that take a large part of a minute of the processor.
 */
const inCi = Boolean(process.env.CI || process.env.CODEMIE_SOAK);

/** A test that only CI and `bun run soak` run; it is reported as skipped elsewhere. */
export const ciTest = inCi ? test : test.skip;

/**
 * The cases of a table that are tests: all of them in CI, the first ones elsewhere. Put those that differ most first.
 *
 * @param count how many the first ones are
 */
export const cases = <T>(table: readonly T[], count = 2): readonly T[] => (inCi ? table : table.slice(0, count));
