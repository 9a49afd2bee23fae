/**
 * How long the tests of crashes and crowds run: briefly in `bun run check`, at length in `bun run soak`.
 *
 * @returns `brief` or `long`
 */
export const soak = (brief: number, long: number): number => (process.env.CODEMIE_SOAK ? long : brief);
