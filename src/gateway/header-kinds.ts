/**
 * Which headers stay behind. An unknown name is judged by its kind, since there are more programs in front of hosts, each
 * with names of its own, than any list holds. All entries are as {@link folded}.
 */
export interface HeaderKinds {
  /** names that stay behind */
  readonly names: readonly string[];
  /** parts of names that stay behind, in `passes` too */
  readonly secrets: readonly string[];
  /** names and beginnings that pass, whatever follows here */
  readonly passes: { readonly names: readonly string[]; readonly beginnings: readonly string[] };
  /** beginnings of names that stay behind */
  readonly beginnings: readonly string[];
  /** words, between hyphens */
  readonly words: readonly string[];
  /** parts of words, long enough to mean only one thing */
  readonly parts: readonly string[];
}

/** How many names a judge remembers, and how long they may be: no agent or host uses up memory with odd ones. */
const mostRemembered = 1_024;
const longestRemembered = 64;

/**
 * @returns a function that returns true for a header that stays behind, by its name; it judges each name once
 */
export function staysBehind(kinds: HeaderKinds): (name: string) => boolean {
  const [names, words, passing] = [new Set(kinds.names), new Set(kinds.words), new Set(kinds.passes.names)];
  const judged = new Map<string, boolean>();
  const judge = (name: string) => {
    const begins = (beginning: string) => name.startsWith(beginning);
    const holds = (part: string) => name.includes(part);
    if (names.has(name) || kinds.secrets.some(holds)) return true;
    if (passing.has(name) || kinds.passes.beginnings.some(begins)) return false;
    return kinds.beginnings.some(begins) || name.split("-").some((word) => words.has(word)) || kinds.parts.some(holds);
  };
  return (name) => {
    const known = judged.get(name);
    if (known !== undefined) return known;
    const stays = judge(folded(name));
    if (judged.size >= mostRemembered) judged.clear();
    if (name.length <= longestRemembered) judged.set(name, stays);
    return stays;
  };
}

/**
 * Many servers hand names to an application as CGI does: in capitals, with `_` for `-` and for other characters (RFC 3875
 * section 4.1.18). To it, `x_forwarded_user` is `X-Forwarded-User`.
 */
const folded = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, "-");
