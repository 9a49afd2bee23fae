import { failure } from "../core/errors.ts";
import { wrap } from "../core/text.ts";
import { nextRound } from "../core/time.ts";

/** The answer of a person who wants to go back to the question before. */
export const back = Symbol("back");
export type Back = typeof back;

/** One of the answers to choose from. */
export interface Choice<T extends string> {
  readonly value: T;
  readonly label: string;
  readonly hint?: string;
}

/** Questions to a person at a terminal. Each throws `interrupted` on Ctrl-C and returns {@link back} on Escape. */
export interface Prompts {
  /** @param check returns the fault of a value, or undefined when it is right */
  text(
    message: string,
    options?: { initial?: string; placeholder?: string; check?(value: string): string | undefined },
  ): Promise<string | Back>;
  /** Shows only the length of the typed or pasted text. */
  secret(message: string): Promise<string | Back>;
  /**
   * Asks for a name, and takes a secret in its place: it shows nothing of what looks like one.
   *
   * @param standard the name that Enter alone gives
   * @param check as for {@link text}
   */
  nameOrSecret(
    message: string,
    options: { standard: string; check(value: string): string | undefined },
  ): Promise<string | Back>;
  /** A long list can be searched by typing. */
  choose<T extends string>(message: string, choices: readonly Choice<T>[], initial?: T): Promise<T | Back>;
  confirm(message: string, initial: boolean): Promise<boolean | Back>;
  /** Shows the first line of a dialogue. From then on, keys that no question waits for are neither shown nor kept for one. */
  intro(title: string): void;
  /** Leaves the keys to `work`, which reads them itself. */
  lend<T>(work: () => Promise<T>): Promise<T>;
  /** Leaves the keys to whoever reads them after the dialogue. */
  end(): void;
}

/** Between the questions of a dialogue: drops what is typed; Ctrl-C still interrupts. */
class UnaskedKeys {
  #dialogue = false;
  readonly #drop = (typed: Buffer | string) => {
    // Without echo, the terminal makes no signal of it.
    if (typed.toString().includes("\u0003")) process.kill(process.pid, "SIGINT");
  };

  begin(): void {
    this.#dialogue = true;
    this.#take();
  }

  async lend<T>(work: () => Promise<T>): Promise<T> {
    // What was typed before the question comes now.
    if (this.#dialogue) await nextRound();
    this.#leave();
    try {
      return await work();
    } finally {
      if (this.#dialogue) this.#take();
    }
  }

  end(): void {
    this.#dialogue = false;
    this.#leave();
  }

  #take(): void {
    process.stdin.on("data", this.#drop);
    process.stdin.setRawMode(true);
    process.stdin.resume();
  }

  #leave(): void {
    if (!process.stdin.listeners("data").includes(this.#drop)) return;
    process.stdin.off("data", this.#drop);
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }
}

/** Longest text that may be a name. */
const longestName = 64;

/** True for a text that may be the beginning of a token: no name, or with the first letters of every JWT in it. */
const looksSecret = (typed: string) =>
  typed.length > longestName || typed.includes("eyJ") || /\W|^bearer/i.test(typed.trim());

/** A list longer than this is searched by typing. */
const searchAbove = 8;

/** The library decides how it draws when it loads, and by `TERM` alone. */
async function loadClack(unicode: boolean): Promise<typeof import("@clack/prompts")> {
  const { TERM } = process.env;
  if (!unicode) process.env.TERM = "linux";
  try {
    return await import("@clack/prompts");
  } finally {
    if (TERM === undefined) delete process.env.TERM;
    else process.env.TERM = TERM;
  }
}

/** The stream, with ASCII in the place of what the library draws beyond it all the same, and of our own signs. */
function inAscii(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  const write = (text: unknown, ...rest: never[]) =>
    stream.write(
      (typeof text === "string" ? text.replace(/[—·█]/g, (sign) => (sign === "█" ? "_" : "-")) : text) as string,
      ...rest,
    );
  return new Proxy(stream, {
    get(target, name) {
      if (name === "write") return write;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/**
 * @param unicode false: draws with ASCII only
 * @param stop aborts when the user or the system stops the program
 * @returns questions on the real terminal, which write to standard error only and also throw the reason of `stop`
 */
export async function realPrompts(stop: AbortSignal, unicode: boolean): Promise<Prompts> {
  const clack = await loadClack(unicode);
  const { stdin } = process;
  const stderr = unicode ? process.stderr : inAscii(process.stderr);
  const common = { output: stderr, signal: stop };
  const keys = new UnaskedKeys();

  /** Escape and Ctrl-C both cancel a question; the pressed key shows which one it was. */
  async function ask<T>(question: () => Promise<T | typeof clack.CANCEL_SYMBOL>): Promise<T | Back> {
    let escaped = false;
    const watch = (_text: string, key: { name?: string } | undefined) => {
      escaped = key?.name === "escape";
    };
    stdin.on("keypress", watch);
    try {
      const answer = await keys.lend(question);
      if (!clack.isCancel(answer)) return answer as T;
      if (stop.aborted) throw stop.reason;
      if (escaped) return back;
      throw failure.interrupted();
    } finally {
      stdin.off("keypress", watch);
    }
  }

  return {
    text: (message, { initial, placeholder, check } = {}) =>
      ask(() =>
        clack.text({
          ...common,
          message,
          ...(initial === undefined ? {} : { initialValue: initial }),
          ...(placeholder === undefined ? {} : { placeholder }),
          validate: (value) => check?.(value ?? ""),
        }),
      ),
    secret: (message) =>
      ask(() => clack.password({ ...common, message, validate: (value) => (value ? undefined : "it is empty") })),
    nameOrSecret: async (message, { standard, check }) => {
      const { TextPrompt } = await import("@clack/core");
      const { styleText } = process.getBuiltinModule("node:util");
      const { S_BAR: bar, S_BAR_END: end, symbol } = clack;
      const question = () =>
        new TextPrompt({
          ...common,
          input: stdin,
          placeholder: standard,
          defaultValue: standard,
          validate: (value) => check(value || standard),
          render() {
            const { userInput, state, error } = this;
            const mark = unicode ? "▪" : "*";
            const typed = looksSecret(userInput) ? `${mark.repeat(8)} (hidden)` : userInput || standard;
            const isOpen = state !== "submit" && state !== "cancel";
            const shown =
              looksSecret(userInput) || !isOpen
                ? styleText("dim", typed)
                : userInput
                  ? this.userInputWithCursor
                  : `${styleText("inverse", standard[0] ?? " ")}${styleText("dim", standard.slice(1))}`;
            const color = state === "error" ? "yellow" : isOpen ? "cyan" : "gray";
            const title = `${styleText("gray", bar)}\n${symbol(state)}  ${message}\n${styleText(color, bar)}  ${shown}\n`;
            if (!isOpen) return title.trimEnd();
            return `${title}${styleText(color, end)}${state === "error" ? `  ${styleText(color, error)}` : ""}\n`;
          },
        }).prompt();
      return await ask(async () => (await question()) ?? standard);
    },
    choose: <T extends string>(message: string, choices: readonly Choice<T>[], initial?: T) =>
      ask<T>(() => {
        const start = initial === undefined ? {} : { initialValue: initial };
        const options = [...choices] as Parameters<typeof clack.select<T>>[0]["options"];
        return choices.length > searchAbove
          ? clack.autocomplete<T>({
              ...common,
              message,
              options,
              maxItems: 10,
              placeholder: "type to search",
              ...start,
            })
          : clack.select<T>({ ...common, message, options, showInstructions: false, ...start });
      }),
    confirm: (message, initial) => ask(() => clack.confirm({ ...common, message, initialValue: initial })),
    intro(title) {
      keys.begin();
      clack.intro(wrap(title, (process.stderr.columns || 80) - 3, `${clack.S_BAR}  `), { output: stderr });
    },
    lend: (work) => keys.lend(work),
    end: () => keys.end(),
  };
}
