/** The deepest nesting that a message may have, levels. Real ones have a dozen; some clients' parsers end at a thousand. */
export const deepest = 512;
/** How many objects an array of them may hold. */
const mostObjects = 1_000;
/** The longest name of a member that we compare, characters, as it is written. */
const longestName = 64;

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

/** @returns every member of the object that the text is, by name, in their order; undefined when it is no object */
export function membersOf(text: string | undefined): Map<string, string> | undefined {
  if (!text || !/^\s*\{/.test(text)) return undefined;
  const read = readJsonText(text, "all");
  const members = read?.objects?.[0]?.members;
  return members && !read.isTooDeep ? new Map(members) : undefined;
}

/** A change of an object's members by name: their new text, or what makes it; undefined takes the member off. */
type Changes = Readonly<Record<string, string | undefined | ((old: string | undefined) => string | undefined)>>;

/**
 * Changes members of an object and leaves the texts of the others as they are, numbers too large for a double among them.
 *
 * @param text an object
 * @returns its new text; the text as it is when it is no object
 */
export function edited(text: string, changes: Changes): string {
  const members = membersOf(text);
  return members ? changed(members, changes) : text;
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

/** Codes of the characters that JSON is built of. */
const [quote, backslash, comma, colon] = [34, 92, 44, 58];
const [openBracket, closeBracket, openBrace, closeBrace] = [91, 93, 123, 125];

const scalar = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const escaped = new Set(Array.from('"\\\\/bfnrt', (char) => char.charCodeAt(0)));
const escapedCode = /u[0-9A-Fa-f]{4}/y;

/** Reads a text from its beginning to its end. Its methods return false where the text is not JSON. */
class Reader {
  readonly #text: string;
  readonly #names: Names;
  #at = 0;
  readonly #objects: ObjectText[] = [];
  #onlyObjects = true;
  #isTooDeep = false;
  /** where the last member stands that was asked for */
  #place: { from: number; to: number } | undefined;

  constructor(text: string, names: Names) {
    this.#text = text;
    this.#names = names;
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

  place(): { from: number; to: number } | undefined {
    return this.#outer(1) ? this.#place : undefined;
  }

  /** Reads the value at the top, or one of the array there. */
  #outer(level: number): boolean {
    this.#onlyObjects &&= this.#next() === openBrace && this.#objects.length < mostObjects;
    if (!this.#onlyObjects) return this.#value(level);
    const from = this.#at;
    const members = new Map<string, string>();
    if (!this.#object(level, members)) return false;
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
      const isWanted = members && (this.#names === "all" || this.#at - from <= longestName);
      const name = isWanted ? JSON.parse(this.#text.slice(from, this.#at)) : undefined;
      if (!this.#takes(colon)) return false;
      this.#next();
      const start = this.#at;
      if (!this.#value(level + 1)) return false;
      if (members && (this.#names === "all" || this.#names.has(name))) {
        members.set(name, this.#text.slice(start, this.#at));
        this.#place = { from: start, to: this.#at };
      }
    } while (this.#takes(comma));
    return this.#takes(closeBrace);
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
