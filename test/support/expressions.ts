/**
 * Finds regular expressions whose time grows faster than the text's length: with the square of it, or worse.
 *
 * A matcher that backtracks is slow where one stretch of text can be divided between two runs in many ways, and something
 * after them can fail: `\s*,?\s*x`, `(a+)+b`. A search without an anchor divides too: the text it skips before the match is
 * a run over all characters, so `\s+$` is such an expression. The check is that of infinite ambiguity (Weber and Seidl,
 * "On the degree of ambiguity of finite automata", 1991) on the automaton of the expression: two states p and q and one
 * text that leads from p to p, from p to q, and from q to q. A state where the match is complete is no danger: there the
 * search ends.
 */

/** A quantifier up to this number makes no run of its own: one search step per character stays one of a fixed cost. */
const mostBounded = 256;

/** The characters that stand for all: every one up to U+017F, and some of each kind beyond. */
const alphabet = [
  ...Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code)),
  ..."\u200b\u200e\u2028\u2029\u202a\u2066\u3000\u4e00\ufeff",
];

/** A set of characters of the alphabet, one bit for each. */
type Characters = bigint;
const every: Characters = (1n << BigInt(alphabet.length)) - 1n;

/** One character of an expression, where it stands in it. The number is its index in {@link Automaton.states}. */
type State = number;

/** Where a part begins, or what it is when it is empty. */
interface Entry {
  /** `text`: only at the beginning of the text; `line`: of a line */
  readonly anchor: "none" | "line" | "text";
}

/** A part of an expression, as an automaton without empty moves (Glushkov). */
interface Part {
  readonly first: readonly (Entry & { readonly state: State })[];
  /** `sure`: nothing after it can fail within the part */
  readonly last: readonly { readonly state: State; readonly sure: boolean }[];
  /** undefined: it cannot be empty */
  readonly empty: (Entry & { readonly sure: boolean }) | undefined;
}

const nothing: Part = { first: [], last: [], empty: { anchor: "none", sure: true } };

class Automaton {
  readonly states: Characters[] = [];
  /** how often each move can be made: more than once is ambiguous */
  readonly moves = new Map<State, Map<State, number>>();
  /** states of runs with an upper bound */
  readonly bounded = new Set<State>();

  add(characters: Characters): State {
    return this.states.push(characters) - 1;
  }

  move(from: State, to: State): void {
    const moves = this.moves.get(from) ?? new Map<State, number>();
    this.moves.set(from, moves.set(to, (moves.get(to) ?? 0) + 1));
  }

  /** Lets a part follow another. */
  join({ last }: Part, { first }: Part): void {
    for (const { state: from } of last) for (const { state: to } of first) this.move(from, to);
  }

  /** @returns all states that can be reached by at least one move */
  reach(from: State): Set<State> {
    const found = new Set<State>();
    const open = [from];
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      for (const next of this.moves.get(state)?.keys() ?? []) {
        if (!found.has(next)) open.push(next);
        found.add(next);
      }
    }
    return found;
  }
}

/** Reads an expression into an automaton. */
class Reader {
  readonly automaton = new Automaton();
  readonly #source: string;
  readonly #flags: string;
  #at = 0;

  constructor(source: string, flags: string) {
    this.#source = source;
    this.#flags = flags;
  }

  whole(): Part {
    const part = this.#alternatives();
    if (this.#at < this.#source.length) throw new Error(`not understood at ${this.#at}`);
    return part;
  }

  #alternatives(): Part {
    const parts = [this.#sequence()];
    while (this.#take("|")) parts.push(this.#sequence());
    const empty = parts.flatMap((part) => part.empty ?? []);
    const anchor = (["none", "line", "text"] as const).find((one) => empty.some((e) => e.anchor === one)) ?? "none";
    return {
      first: parts.flatMap(({ first }) => first),
      last: parts.flatMap(({ last }) => last),
      empty: empty.length > 0 ? { anchor, sure: empty.some(({ sure }) => sure) } : undefined,
    };
  }

  #sequence(): Part {
    let whole = nothing;
    while (this.#at < this.#source.length && !"|)".includes(this.#source[this.#at] ?? "")) {
      whole = this.#followedBy(whole, this.#quantified());
    }
    return whole;
  }

  #followedBy(one: Part, next: Part): Part {
    this.automaton.join(one, next);
    const { empty } = one;
    const stricter = (a: Entry, b: Entry) => (a.anchor === "none" ? b.anchor : a.anchor);
    const passed = empty ? next.first.map((entry) => ({ ...entry, anchor: stricter(empty, entry) })) : [];
    const kept = one.last.map(({ state, sure }) => ({ state, sure: sure && next.empty?.sure === true }));
    return {
      first: [...one.first, ...passed],
      last: next.empty ? [...next.last, ...kept] : next.last,
      empty:
        empty && next.empty ? { anchor: stricter(empty, next.empty), sure: empty.sure && next.empty.sure } : undefined,
    };
  }

  #quantified(): Part {
    const before = this.automaton.states.length;
    const from = this.#at;
    const part = this.#atom();
    const isSimple = !/[*+{?]/.test(this.#source.slice(from, this.#at).replace(/\\.|\[[^\]]*\]|\(\?/g, ""));
    const [text, min = "", comma, max] = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/.exec(this.#source.slice(this.#at)) ?? [];
    if (text === undefined) return part;
    this.#at += text.length;
    const least = text.startsWith("+") ? 1 : Number(min);
    const most = text.startsWith("?") ? 1 : text.startsWith("{") ? Number(max || (comma ? "Infinity" : min)) : Infinity;
    if (most > 1) {
      this.automaton.join(part, part);
      const isBounded = isSimple && most <= mostBounded;
      for (let state = before; isBounded && state < this.automaton.states.length; state++) {
        this.automaton.bounded.add(state);
      }
    }
    return least > 0 ? part : { ...part, empty: { anchor: "none", sure: true } };
  }

  #atom(): Part {
    const { at, char } = { at: this.#at, char: this.#source[this.#at] };
    if (this.#take("(")) return this.#group();
    if (this.#take("^")) {
      return { ...nothing, empty: { anchor: this.#flags.includes("m") ? "line" : "text", sure: false } };
    }
    if (this.#take("$") || this.#take("\\b") || this.#take("\\B")) return asserted;
    if (char === "[") {
      this.#skipSet();
    } else if (char === "\\") {
      const escaped = /^\\(?:x[0-9A-Fa-f]{2}|u\{[^}]*\}|u[0-9A-Fa-f]{4}|c[A-Za-z]|[pP]\{[^}]*\}|[^1-9k])/;
      const [text] = escaped.exec(this.#source.slice(at)) ?? [];
      if (!text) throw new Error("a reference back is not understood");
      this.#at += text.length;
    } else if ("*+?".includes(char ?? "")) throw new Error(`not understood at ${at}`);
    else this.#at++;
    const state = this.automaton.add(this.#charactersOf(this.#source.slice(at, this.#at)));
    return { first: [{ state, anchor: "none" }], last: [{ state, sure: true }], empty: undefined };
  }

  /** Skips a set; with the flag `v`, sets may stand in it. */
  #skipSet(): void {
    let open = 0;
    do {
      const char = this.#source[this.#at++];
      if (char === undefined) throw new Error("a set does not end");
      if (char === "\\") this.#at++;
      if (char === "[" && (open === 0 || this.#flags.includes("v"))) open++;
      if (char === "]") open--;
    } while (open > 0);
  }

  #group(): Part {
    const looks = /^\?<?[=!]/.exec(this.#source.slice(this.#at))?.[0];
    this.#at += (looks ?? /^\?(?::|<[^>]*>)/.exec(this.#source.slice(this.#at))?.[0] ?? "").length;
    const part = this.#alternatives();
    if (!this.#take(")")) throw new Error("a group does not end");
    // The text that a look ahead or back reads is read again by what follows it.
    return looks ? { first: part.first, last: [], empty: asserted.empty } : part;
  }

  #take(text: string): boolean {
    const isNext = this.#source.startsWith(text, this.#at);
    if (isNext) this.#at += text.length;
    return isNext;
  }

  #charactersOf(source: string): Characters {
    const one = new RegExp(`^(?:${source})$`, this.#flags.replace(/[^isuv]/g, ""));
    let bits: Characters = 0n;
    for (const [i, char] of alphabet.entries()) if (one.test(char)) bits |= 1n << BigInt(i);
    return bits;
  }
}

const asserted: Part = { ...nothing, empty: { anchor: "none", sure: false } };

/**
 * @param source an expression's text, without its slashes
 * @param flags its flags
 * @returns why its time can grow with the square of the text's length or worse; undefined when it cannot
 * @throws for what it does not understand: references back
 */
export function slowness(source: string, flags: string): string | undefined {
  const reader = new Reader(source, flags);
  const whole = reader.whole();
  const { automaton } = reader;
  const { states, moves, bounded } = automaton;
  const ends = new Set(whole.last.filter(({ sure }) => sure).map(({ state }) => state));
  const search = automaton.add(every);
  automaton.move(search, search);
  const lineStart = automaton.add(lineEnds);
  automaton.move(search, lineStart);
  if (flags.includes("y"))
    automaton.join(whole, whole); // whoever asks again goes on where the last match ended
  else {
    for (const { state, anchor } of whole.first) {
      if (anchor !== "text") automaton.move(anchor === "line" ? lineStart : search, state);
    }
  }
  if (whole.empty?.sure) ends.add(search);
  const reach = new Map(states.map((_, state) => [state, automaton.reach(state)]));
  const loops = states.map((_, state) => state).filter((state) => reach.get(state)?.has(state) && !ends.has(state));
  const inLoop = (from: State, to: State) => reach.get(from)?.has(to) && reach.get(to)?.has(from);
  for (const from of loops) {
    for (const [to, count] of moves.get(from) ?? []) {
      if (count > 1 && inLoop(from, to)) return "a run within a run";
    }
  }
  for (const p of loops) {
    for (const q of loops) {
      if (p === q || !reach.get(p)?.has(q) || (p === search && bounded.has(q))) continue;
      if (!leadsBothWays(automaton, p, q, inLoop)) continue;
      return p === search ? "every place in a run can begin a match" : "two runs can share their characters";
    }
  }
  return undefined;
}

const lineEnds: Characters = ["\n", "\r", "\u2028", "\u2029"].reduce(
  (bits, char) => bits | (1n << BigInt(alphabet.indexOf(char))),
  0n,
);

/** @returns true when one text leads from p to p, from p to q, and from q to q */
function leadsBothWays(
  { states, moves }: Automaton,
  p: State,
  q: State,
  inLoop: (from: State, to: State) => boolean | undefined,
): boolean {
  const goal = `${p} ${q} ${q}`;
  const seen = new Set<string>();
  const open: [State, State, State][] = [[p, p, q]];
  for (let triple = open.pop(); triple; triple = open.pop()) {
    const [a, b, c] = triple;
    for (const a2 of moves.get(a)?.keys() ?? []) {
      if (!inLoop(p, a2)) continue;
      for (const c2 of moves.get(c)?.keys() ?? []) {
        const shared = (states[a2] ?? 0n) & (states[c2] ?? 0n);
        if (!inLoop(q, c2) || shared === 0n) continue;
        for (const b2 of moves.get(b)?.keys() ?? []) {
          const next = `${a2} ${b2} ${c2}`;
          if ((shared & (states[b2] ?? 0n)) === 0n || seen.has(next)) continue;
          if (next === goal) return true;
          seen.add(next);
          open.push([a2, b2, c2]);
        }
      }
    }
  }
  return false;
}
