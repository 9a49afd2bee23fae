/** The deepest nesting that a message may have, levels. Real ones have a dozen; some clients' parsers end at a thousand. */
export const deepest = 512;
/** How many objects an array of them may hold. */
const mostObjects = 1_000;
/** The longest text that is made into values, characters: those of 1 MB can take 30 MB. */
export const longestValue = 1_048_576;
/** How many members an object may have that is taken apart, and how many elements an array. */
const mostParts = 100_000;
/** How many members of one name are noted: a text may repeat it for ever. */
const mostPlaces = 1_000;

/** An object in a JSON text: its text, and those of the members that were asked for. */
export interface ObjectText {
  readonly text: string;
  readonly members: ReadonlyMap<string, string>;
}

/** The parts of a JSON text that we need. */
export interface JsonText {
  /** the object, or those of the array; undefined when it is or holds something else, or too many */
  readonly objects: readonly ObjectText[] | undefined;
  readonly isArray: boolean;
  /** true: it is nested deeper than {@link deepest}; what lies deeper was not checked */
  readonly isTooDeep: boolean;
}

/**
 * Checks a JSON text (RFC 8259) and finds members of its objects, without building the values: those of a text of 40 MB
 * can take 2 GB.
 *
 * @param names the members to find
 * @returns undefined when the text is not JSON
 */
export function readJsonText(text: string, names: Names): JsonText | undefined {
  return new Reader(text, names).whole();
}

/** The members to find. */
type Names = ReadonlySet<string> | "all";

/**
 * @param names the members to find; default: every one
 * @returns members of the object that the text is, by name, in their order; undefined when it is no object, or has too many
 */
export function membersOf(text: string | undefined, names: Names = "all"): Map<string, string> | undefined {
  if (!text || !/^\s*\{/.test(text)) return undefined;
  const read = readJsonText(text, names);
  const members = read?.objects?.[0]?.members;
  return members && !read.isTooDeep ? new Map(members) : undefined;
}

/** A change of an object's members by name: their new text, or what makes it; undefined takes the member off. */
type Changes = Readonly<Record<string, string | undefined | ((old: string | undefined) => string | undefined)>>;

/** @returns the elements of the array that the text is; undefined when it is no array, or has too many */
export function elementsOf(text: string | undefined): string[] | undefined {
  return text === undefined ? undefined : new Reader(text, none).elements();
}

/** @returns the value of a text; undefined when there is none, or when it is longer than {@link longestValue} */
export function valueIn(text: string | undefined): unknown {
  return text === undefined || text.length > longestValue ? undefined : JSON.parse(text);
}

/** @returns the same text in memory of its own: the runtime keeps all of a text for as long as a part of it is kept */
export function alone(text: string): string {
  return Buffer.from(text).toString();
}

/**
 * Changes members of an object and leaves all else as it is: numbers too large for a double, and millions of others.
 * Of several members with one name the last counts, and the others go, up to {@link mostPlaces}.
 *
 * @param text an object
 * @returns its new text; the text as it is when it is no object, or too deep
 */
export function edited(text: string, changes: Changes): string {
  const names = Object.keys(changes);
  const places = new Reader(text, new Set(names)).places();
  if (!places) return text;
  const last = new Map(places.map((place) => [place.name, place]));
  const parts: string[] = [];
  let at = text.indexOf("{") + 1;
  const upTo = (end: number) => {
    const [from, to] = withoutCommas(text, at, end);
    if (from < to) parts.push(text.slice(from, to));
  };
  const put = (name: string, old: string | undefined) => {
    const change = changes[name];
    const value = typeof change === "function" ? change(old) : change;
    if (value !== undefined) parts.push(`${JSON.stringify(name)}:${value}`);
  };
  for (const place of places) {
    upTo(place.begin);
    if (last.get(place.name) === place) put(place.name, text.slice(place.from, place.to));
    at = place.to;
  }
  upTo(text.lastIndexOf("}"));
  for (const name of names) if (!last.has(name)) put(name, undefined);
  return `{${parts.join(",")}}`;
}

/** @returns where a part of an object begins and ends without the commas and blanks around its members */
function withoutCommas(text: string, from: number, to: number): [number, number] {
  const isBetween = (at: number) => between.has(text.charCodeAt(at));
  while (from < to && isBetween(from)) from++;
  while (from < to && isBetween(to - 1)) to--;
  return [from, to];
}

/** @returns the text of an object with these members, changed as {@link edited} does it */
export function changed(members: ReadonlyMap<string, string>, changes: Changes): string {
  const all = new Map(members);
  for (const [name, change] of Object.entries(changes)) {
    const value = typeof change === "function" ? change(all.get(name)) : change;
    if (value === undefined) all.delete(name);
    else all.set(name, value);
  }
  return objectText(all);
}

/** @returns the text of an object with these members */
export function objectText(members: ReadonlyMap<string, string>): string {
  return `{${Array.from(members, ([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`;
}

/** @returns where the member of that name stands in the text of an object; undefined when there is none */
export function placeOf(text: string, name: string): { readonly from: number; readonly to: number } | undefined {
  return new Reader(text, new Set([name])).place();
}

const none: Names = new Set();

/** Where a member stands. */
interface Place {
  readonly name: string;
  /** where its name begins */
  readonly begin: number;
  /** where its value begins and ends */
  readonly from: number;
  readonly to: number;
}

/** Codes of the characters that JSON is built of. */
const [quote, backslash, comma, colon] = [34, 92, 44, 58];
/** Those that can stand between two members. */
const between = new Set([comma, 32, 10, 13, 9]);
const [openBracket, closeBracket, openBrace, closeBrace] = [91, 93, 123, 125];

const scalar = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const escaped = new Set(Array.from('"\\\\/bfnrt', (char) => char.charCodeAt(0)));
const escapedCode = /u[0-9A-Fa-f]{4}/y;

/** Reads a text from its beginning to its end. Its methods return false where the text is not JSON. */
class Reader {
  readonly #text: string;
  readonly #names: Names;
  /** the longest name that was asked for, characters, with each one of it written as `\\u0000` */
  readonly #longest: number;
  #at = 0;
  readonly #objects: ObjectText[] = [];
  #onlyObjects = true;
  #isTooDeep = false;
  /** where members stand that were asked for, the last ones of each name */
  readonly #places = new Map<string, Place[]>();

  constructor(text: string, names: Names) {
    this.#text = text;
    this.#names = names;
    this.#longest = names === "all" ? Number.POSITIVE_INFINITY : longestOf(names) * 6 + 2;
  }

  whole(): JsonText | undefined {
    const isArray = this.#takes(openBracket);
    let isJson = true;
    if (!isArray) isJson = this.#outer(1);
    else if (!this.#takes(closeBracket)) {
      do isJson = this.#outer(2);
      while (isJson && this.#takes(comma));
      isJson &&= this.#takes(closeBracket);
    }
    if (!isJson || !Number.isNaN(this.#next())) return undefined;
    const isOurs = this.#onlyObjects && this.#objects.length > 0;
    return { objects: isOurs ? this.#objects : undefined, isArray, isTooDeep: this.#isTooDeep };
  }

  place(): Place | undefined {
    return this.#outer(1) ? [...this.#places.values()][0]?.at(-1) : undefined;
  }

  /** @returns where members of the object stand that were asked for, in their order; undefined when there is no object */
  places(): readonly Place[] | undefined {
    if (this.#next() !== openBrace) return undefined;
    if (!this.whole()?.objects || this.#isTooDeep) return undefined;
    return [...this.#places.values()].flat().sort((a, b) => a.begin - b.begin);
  }

  elements(): string[] | undefined {
    if (!this.#takes(openBracket)) return undefined;
    const found: string[] = [];
    if (this.#takes(closeBracket)) return found;
    do {
      this.#next();
      const from = this.#at;
      if (!this.#value(2) || found.push(this.#text.slice(from, this.#at)) > mostParts) return undefined;
    } while (this.#takes(comma));
    return this.#takes(closeBracket) ? found : undefined;
  }

  /** Reads the value at the top, or one of the array there. */
  #outer(level: number): boolean {
    this.#onlyObjects &&= this.#next() === openBrace && this.#objects.length < mostObjects;
    if (!this.#onlyObjects) return this.#value(level);
    const from = this.#at;
    const members = new Map<string, string>();
    if (!this.#object(level, members)) return false;
    this.#onlyObjects &&= members.size <= mostParts;
    this.#objects.push({ text: this.#text.slice(from, this.#at), members });
    return true;
  }

  /** Skips white space. @returns the code of the next character; NaN at the end */
  #next(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return code;
      this.#at++;
    }
  }

  /** Skips a character if it is the next one. */
  #takes(code: number): boolean {
    const is = this.#next() === code;
    if (is) this.#at++;
    return is;
  }

  /** @param level how deep it lies, if it is an object or an array */
  #value(level: number): boolean {
    const code = this.#next();
    if (code === quote) return this.#string();
    if (code !== openBrace && code !== openBracket) return this.#takesPattern(scalar);
    if (level > deepest) return this.#tooDeep();
    return code === openBrace ? this.#object(level) : this.#array(level);
  }

  #array(level: number): boolean {
    this.#at++;
    if (this.#takes(closeBracket)) return true;
    do if (!this.#value(level + 1)) return false;
    while (this.#takes(comma));
    return this.#takes(closeBracket);
  }

  /** @param members gets those that were asked for; of two with the same name the last, as `JSON.parse` does it */
  #object(level: number, members?: Map<string, string>): boolean {
    this.#at++;
    if (this.#takes(closeBrace)) return true;
    do {
      const from = this.#next() === quote ? this.#at : -1;
      if (from < 0 || !this.#string()) return false;
      const isWanted = members && this.#at - from <= this.#longest && members.size <= mostParts;
      const name = isWanted ? JSON.parse(this.#text.slice(from, this.#at)) : undefined;
      if (!this.#takes(colon)) return false;
      this.#next();
      const start = this.#at;
      if (!this.#value(level + 1)) return false;
      if (isWanted && (this.#names === "all" || this.#names.has(name))) {
        members.set(name, this.#text.slice(start, this.#at));
        if (this.#names !== "all") this.#note({ name, begin: from, from: start, to: this.#at });
      }
    } while (this.#takes(comma));
    return this.#takes(closeBrace);
  }

  #note(place: Place): void {
    const places = this.#places.get(place.name);
    if (!places) this.#places.set(place.name, [place]);
    else if (places.push(place) > 2 * mostPlaces) places.splice(0, mostPlaces);
  }

  #string(): boolean {
    const text = this.#text;
    for (let at = this.#at + 1; ; at++) {
      const code = text.charCodeAt(at);
      if (code === quote) {
        this.#at = at + 1;
        return true;
      }
      if (code === backslash) {
        this.#at = ++at;
        if (escaped.has(text.charCodeAt(at))) continue;
        if (!this.#takesPattern(escapedCode)) return false;
        at = this.#at - 1;
      } else if (!(code >= 32)) return false; // a control character, or the end of the text
    }
  }

  #takesPattern(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const is = pattern.test(this.#text);
    if (is) this.#at = pattern.lastIndex;
    return is;
  }

  /** Skips a value by its brackets and strings alone. */
  #tooDeep(): boolean {
    this.#isTooDeep = true;
    let open = 0;
    do {
      const code = this.#next();
      if (Number.isNaN(code)) return false;
      if (code === quote) {
        if (!this.#string()) return false;
      } else {
        this.#at++;
        if (code === openBrace || code === openBracket) open++;
        if (code === closeBrace || code === closeBracket) open--;
      }
    } while (open > 0);
    return true;
  }
}

function longestOf(names: ReadonlySet<string>): number {
  let longest = 0;
  for (const { length } of names) if (length > longest) longest = length;
  return longest;
}
