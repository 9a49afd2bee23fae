/**
 * Characters that nobody sees, or that act on a terminal or on the direction of text, by their Unicode properties (UAX 44):
 * controls, formats, private and unassigned ones, line and paragraph separators, and all that is ignored by default; and the
 * empty Braille pattern, which has none of these.
 */
export const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/v;

/** As {@link unseen}, but one joiner and one emoji selector stay behind a letter or sign that is not ASCII: names need them. */
export const unprintable =
  /(?<![[\p{L}\p{M}\p{S}]--[\p{ASCII}\ufe0e\ufe0f]])[\ufe0e\ufe0f]|(?<![[\p{L}\p{M}\p{S}]--[\p{ASCII}\ufe0e\ufe0f]]\ufe0f?)[\u200c\u200d]|[[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]--[\u200c\u200d\ufe0e\ufe0f]]/v;

/**
 * Most text is plain, and this is known at once; to compile the expressions above takes as long as the rest of a short
 * command.
 *
 * @returns true when the text has visible ASCII characters and spaces only
 */
export const isPlainAscii = (text: string): boolean => /^[ -~]*$/.test(text);

const everyUnprintable = new RegExp(unprintable, "gv");

/** A JSON Web Token, or how one begins (RFC 7519 section 3.1): its header is an object, so `{"` in base64url. */
const webToken = /\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}/g;

/**
 * Makes text from elsewhere (a server, a callback) safe to print: what is {@link unprintable}, and could move the cursor,
 * forge a line or hide one name in another, becomes `�`, and the length is bounded.
 *
 * A JSON Web Token in it is hidden, since people put one where a file's or a profile's name belongs.
 *
 * @param text untrusted text
 * @param limit longest result, in characters
 * @returns one printable line
 */
export function printable(text: string, limit = 300): string {
  const line = text.replace(webToken, "[redacted]").replace(/\s+/g, " ");
  const flat = (isPlainAscii(line) ? line : line.replace(everyUnprintable, "�")).trim();
  return flat.length > limit ? `${flat.slice(0, limit - 1)}…` : flat;
}

/** @returns true for a name from elsewhere that we can pass on: nothing in it is {@link unseen}, and it is short enough */
export function isPlainName(text: string): boolean {
  return text !== "" && text.length <= longestName && (isPlainAscii(text) || !unseen.test(text));
}

/** Longest name of a model, a person or the like, characters. */
export const longestName = 256;

/** @returns a person's name or address from elsewhere, cut to a length that can be kept */
export const shortened = (text: string): string => text.slice(0, longestName).toWellFormed();

/**
 * @param text any text
 * @returns the text with HTML's five special characters replaced by entities
 */
export function escapeHtml(text: string): string {
  const entity: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (char) => entity[char] ?? char);
}

/**
 * @param value a header value we would like to send
 * @returns the value if every character is visible ASCII or a space, else undefined (RFC 9110 section 5.5)
 */
export function headerSafe(value: string | undefined): string | undefined {
  return value !== undefined && /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value) ? value : undefined;
}

/** Edit distance: insert, delete, replace and the swap of two neighbours each cost 1 (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      let cost = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, at(i - 2, j - 2) + 1);
      row.push(cost);
    }
  }
  return at(a.length, b.length);
}

/** Longest words that are compared, in characters, and most of them: the distance takes time in proportion to each. */
const [longestWord, mostWords] = [48, 500];

/** @returns true when the word, with some letters left out, is what was typed */
function lacks(typed: string, word: string): boolean {
  let at = 0;
  for (const letter of word) if (letter === typed[at]) at++;
  return at === typed.length;
}

/**
 * @param typed what the user typed
 * @param known what exists; from elsewhere, it may be long
 * @returns the closest known word, if it is close enough to be a typing mistake
 */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  if (typed.length > longestWord) return undefined;
  let best: string | undefined;
  // The dashes of a flag are the same in all, so they say nothing; but people leave out a part of a long one.
  const bare = typed.replace(/^-+/, "").length;
  const length = bare < typed.length ? bare * 1.2 : bare;
  let distance = Math.max(1, Math.floor(length / 3)) + 1;
  for (const word of known.slice(0, mostWords)) {
    if (word.length > typed.length + distance) continue;
    const d = editDistance(typed, word);
    // A letter that is left out is a likelier slip than a wrong one.
    const isLikelier = d === distance && best !== undefined && lacks(typed, word) && !lacks(typed, best);
    if (d < distance || isLikelier) [best, distance] = [word, d];
  }
  return best;
}

/**
 * @param typed what the user typed
 * @param known what exists; from elsewhere, it may be long
 * @param count how many at most
 * @returns the known words nearest to it, by their beginnings or by one of their parts, nearest first; none of which more
 *   than half is another
 */
export function closest(typed: string, known: readonly string[], count: number): string[] {
  const start = (word: string) => word.slice(0, longestWord).toLowerCase();
  const words = known.slice(0, mostWords);
  const distanceOf = (word: string) =>
    Math.min(...[word, ...word.split(/[-./_:]/)].map((part) => editDistance(start(typed), start(part))));
  const distance = new Map(words.map((word) => [word, distanceOf(start(word))]));
  const of = (word: string) => distance.get(word) ?? 0;
  const near = words.filter((word) => of(word) <= start(typed).length / 2);
  return near.toSorted((a, b) => of(a) - of(b)).slice(0, count);
}

/**
 * Breaks text between words, so that a terminal does not break it within them. A word longer than the line stays whole.
 *
 * @param text one line, possibly with colour
 * @param columns width of the terminal
 * @param indent the beginning of every line but the first
 * @returns the lines, joined by line feeds
 */
export function wrap(text: string, columns: number, indent: string): string {
  const lines: string[] = [];
  const [first = "", ...words] = text.split(" ");
  let line = first;
  for (const word of words) {
    const next = `${line} ${word}`;
    if (line.trim() !== "" && Bun.stringWidth(next) > columns) {
      lines.push(line);
      line = indent + word;
    } else line = next;
  }
  return [...lines, line].join("\n");
}

/**
 * @param atMs a moment, ms since the epoch
 * @param nowMs now
 * @returns the moment for people, relative and absolute: `in 3 days (2026-01-31 14:05)`
 */
export function when(atMs: number, nowMs: number): string {
  const seconds = Math.round((atMs - nowMs) / 1000);
  const units: [number, Intl.RelativeTimeFormatUnit][] = [
    [86_400, "day"],
    [3_600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  const [size, unit] = units.find(([length]) => Math.abs(seconds) >= length) ?? [1, "second"];
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
  const date = new Date(atMs);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${relative} (${day} ${two(date.getHours())}:${two(date.getMinutes())})`;
}

/** @returns an address without its query, user and fragment, which may hold secrets */
export function addressOnly(url: URL): string {
  return url.origin + url.pathname;
}
