import { randomBytes } from "../core/crypto.ts";
import type { Env } from "../core/env.ts";
import { failure } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import { printable, wrap } from "../core/text.ts";
import { type CiLog, ciLogOf, withoutCommands, workflowCommand } from "../core/workflow-commands.ts";
import { isTerminal } from "./is-terminal.ts";
import { isErrorPiped, writeError, writeOut } from "./stdio.ts";

/** The person's side of the program. Results go to standard output, everything meant for a person to standard error. */
export interface Terminal {
  /** true when somebody can answer: standard input and standard error are both a terminal */
  readonly interactive: boolean;
  /** true when standard error may be redrawn (spinners): a capable terminal, not CI */
  readonly animated: boolean;
  /** whether escape codes may be written to the stream */
  color(stream: "out" | "err"): boolean;
  /**
   * true when the terminal shows characters beyond ASCII; assumed unless the environment names another character set
   */
  readonly unicode: boolean;
  /**
   * width of the terminal in columns; infinite when the stream is not a terminal, so that a script gets unbroken lines
   */
  columns(stream: "out" | "err"): number;
  /** true while {@link readLine} waits for a person */
  readonly isAsking: boolean;
  /** Writes to standard output; where GitHub's runner reads it, commands in the text are made inert. @throws as {@link writeOut} */
  out(text: string): void;
  /** Writes to standard error, as {@link out} does. */
  err(text: string): void;
  /** the CI system that reads standard error as it comes: not into a file */
  readonly ci: CiLog | undefined;
  /** Writes lines that are meant for {@link ci} to standard error, as they are. */
  tellCi(lines: string): void;
  /**
   * Has GitHub's runner hide a secret wherever the log would show it; nothing elsewhere. The runner shows no such line, unless
   * a program of the same step has stopped its commands: so it is for what is about to be printed, and for what opens nothing
   * but this machine.
   */
  mask(secret: Secret): void;
  /**
   * Has GitHub's runner obey nothing that is printed from now on, as other programs print what strangers wrote; nothing elsewhere.
   *
   * @returns what has it obey again, for {@link tellCi}; empty where nothing was changed
   */
  stopCommands(): string;
  /** Reads standard input to its end. */
  readAll(): Promise<string>;
  /**
   * Reads one line, with the spaces at its ends. With `echo: false` nothing typed or pasted after the prompt is shown.
   * Without echo the terminal shows nothing between refused lines either.
   *
   * @throws `interrupted` on Ctrl-C and Escape, or Ctrl-D in an empty line; the signal's reason when it aborts
   */
  readLine(options: ReadLine): Promise<string>;
  /**
   * Keeps from the screen what is typed after a line without echo, while that line is tried: it may be the next try.
   *
   * @returns what ends it; nothing else does
   */
  hush(): () => void;
}

/** Prints a note for the person. What a terminal would obey in it, for example in a file's name, becomes `�`. */
export function printNote(terminal: Pick<Terminal, "err" | "columns">, text: string): void {
  const line = `note: ${printable(text, Number.POSITIVE_INFINITY)}`;
  terminal.err(`${wrap(line, terminal.columns("err"), "      ")}\n`);
}

/** How to read a line. */
export interface ReadLine {
  /** shown once the terminal itself has stopped echoing keys: a fast one would be visible before */
  readonly prompt?: string;
  readonly echo: boolean;
  readonly signal: AbortSignal;
  /** true: read another line instead; default: take the first one */
  readonly refuses?: (line: string) => boolean;
  /** thrown on Escape; default: `interrupted` */
  readonly escaped?: unknown;
}

/** Empties the line that the cursor is in (ECMA-48 section 8.3.41). */
export const clearLine = "\r\u001b[K";

const escapeChar = "\u001b";
/** The whole sequence that a terminal sends for a key that is no character (ECMA-48 section 5.4). */
const keySequence = new RegExp(`^${escapeChar}(?:\\[[0-?]*[ -/]*[@-~]|O.|[^\\[O])$`, "u");
/** How long the rest of such a sequence may take, ms: an escape character that stays alone is the Escape key. */
const sequenceMs = 50;

/**
 * @param env environment variables (`NO_COLOR`, `FORCE_COLOR`, `CI`, `TERM`)
 * @param noColor the `--no-color` flag
 * @returns the terminal that this process was started at
 */
export function realTerminal(env: Env, noColor: boolean): Terminal {
  const plain = noColor || Boolean(env.NO_COLOR) || env.TERM === "dumb";
  const charset = env.LC_ALL || env.LC_CTYPE || env.LANG;
  let asked = 0;
  /** true: the last line on standard error has no end */
  let isOpen = false;
  const forced = Boolean(env.FORCE_COLOR) && env.FORCE_COLOR !== "0";
  const log = ciLogOf(env);
  const safe = log === "github" ? withoutCommands : (text: string) => text;
  return {
    get interactive() {
      return isTerminal("stdin") && isTerminal("stderr");
    },
    get animated() {
      return isTerminal("stderr") && env.TERM !== "dumb" && !env.CI;
    },
    unicode: !charset || /utf-?8/i.test(charset),
    color(stream) {
      if (plain) return false;
      return forced || isTerminal(stream === "out" ? "stdout" : "stderr");
    },
    columns(stream) {
      const name = stream === "out" ? "stdout" : "stderr";
      return isTerminal(name) ? process[name].columns || 80 : Number.POSITIVE_INFINITY;
    },
    out: (text) => writeOut(safe(text)),
    err(text) {
      isOpen = !text.endsWith("\n");
      writeError(safe(text));
    },
    get ci() {
      return log !== undefined && isErrorPiped() ? log : undefined;
    },
    tellCi: writeError,
    mask(secret) {
      // Behind half a line of another program's it would be text, and the secret would show.
      if (this.ci === "github") writeError(`\n${workflowCommand("add-mask", secret.reveal())}`);
    },
    stopCommands() {
      if (this.ci !== "github") return "";
      const end = `codemie-${randomBytes(16).toString("hex")}`;
      writeError(`\n${workflowCommand("stop-commands", end)}`);
      return `\n::${end}::\n`;
    },
    hush() {
      hushes++;
      return () => {
        hushes--;
        if (hushes === 0 && process.stdin.isRaw) process.stdin.setRawMode(false);
      };
    },
    readAll: () => Bun.stdin.text(),
    get isAsking() {
      return asked > 0;
    },
    async readLine(options) {
      asked++;
      // A spinner stands there.
      if (isOpen && options.prompt && this.animated) writeError(clearLine);
      try {
        return await readLine(options);
      } finally {
        asked--;
      }
    },
  };
}

/** How many wait for the end of their {@link Terminal.hush}. */
let hushes = 0;

/**
 * Reads the line key by key: in line mode a terminal cuts a pasted line at 4,096 bytes, but a login URL can be longer,
 * and must not be shown.
 */
function readLine({ prompt, echo, signal, refuses = () => false, escaped }: ReadLine): Promise<string> {
  const { stdin, stderr } = process;
  const decoder = new TextDecoder();
  return new Promise((resolve, reject) => {
    let line = "";
    let sequence = "";
    let alone: ReturnType<typeof setTimeout> | undefined;
    const done = (finish: () => void) => {
      clearTimeout(alone);
      stdin.off("data", onData);
      signal.removeEventListener("abort", onAbort);
      if (echo || hushes === 0) stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
      finish();
    };
    const onAbort = () => done(() => reject(signal.reason));
    const onEscape = () => done(() => reject(escaped ?? failure.interrupted()));
    const onData = (chunk: Buffer) => {
      clearTimeout(alone);
      for (const char of decoder.decode(chunk, { stream: true })) {
        if (sequence === escapeChar && char < " ") return onEscape();
        if (sequence || char === escapeChar) {
          sequence += char;
          if (keySequence.test(sequence)) sequence = "";
          continue;
        }
        if (char === "\r" || char === "\n") {
          if (!refuses(line)) return done(() => resolve(line));
          line = "";
          continue;
        }
        if (char === "\u0003") return done(() => reject(failure.interrupted()));
        if (char === "\u0004" && line === "") return done(() => reject(failure.interrupted()));
        if (char === "\u007f" || char === "\b") {
          if (echo && line) stderr.write("\b \b");
          line = [...line].slice(0, -1).join("");
        } else if (char >= " ") {
          line += char;
          if (echo) stderr.write(char);
        }
      }
      if (sequence === escapeChar) alone = setTimeout(onEscape, sequenceMs);
    };
    if (signal.aborted) return reject(signal.reason);
    stdin.setRawMode(true);
    if (prompt) stderr.write(prompt);
    stdin.resume();
    stdin.on("data", onData);
    signal.addEventListener("abort", onAbort);
  });
}
