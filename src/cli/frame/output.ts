import { type ConsolaInstance, createConsola } from "consola/core";
import { asCodemieError, type CodemieError } from "../../core/errors.ts";
import { isPlainAscii, unprintable, unseen, wrap } from "../../core/text.ts";
import { logSection, workflowCommand } from "../../core/workflow-commands.ts";
import { clearLine, type Terminal } from "../../platform/terminal.ts";
import { frameFailure } from "./failures.ts";

/** SGR codes of the terminal output: one accent, and a few shades. */
const codes = { accent: 36, good: 32, warn: 33, bad: 31, dim: 2, bold: 1 } as const;
type Shade = keyof typeof codes;

/** Our own signs, as a terminal with ASCII only shows them. */
const ascii: Readonly<Record<string, string>> = { "✓": "+", "✗": "x", "…": "...", "·": "-", "“": '"', "”": '"' };

/** The characters that no text may bring to the terminal: all that is unprintable, except line feeds and our own SGR codes. */
const foreign = new RegExp(`\\u001b(?!\\[\\d{1,2}m)|(?![\\n\\u001b])(?:${unprintable.source})`, "gv");

/** Text that is certainly free of them, known without compiling the expression above. */
const plainRun = "[\\n -~✓✗…·“”]*";
const harmless = new RegExp(`^${plainRun}(?:\\u001b\\[\\d{1,2}m${plainRun})*$`);

const everyUnseen = new RegExp(unseen, "gv");
const escaped = (char: string) =>
  Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`).join("");

/** `JSON.stringify` leaves most of what a terminal or a CI's runner obeys, or nobody sees, as it is. */
function json(data: unknown): string | undefined {
  const text = JSON.stringify(data)?.replaceAll("##[", "##\\u005b");
  return text === undefined || isPlainAscii(text) ? text : text.replace(everyUnseen, escaped);
}

/** Room that a column of text needs to be read, columns: most of its words fit. */
const longestUsual = 20;

/** How long a person waits without being told for what, ms. */
const patienceMs = 1_000;

/** How a column of a table makes room: it becomes as narrow as is needed, down to `least` characters; without, it goes. */
interface Yield {
  readonly column: string;
  readonly least?: number;
}

/** @returns how the column with that heading makes room: it is left out */
export const without = (column: string): Yield => ({ column });

/** @returns how the column with that heading makes room: its values are cut */
export const narrow = (column: string, least: number): Yield => ({ column, least });

/** The program's output: results on standard output, the rest on standard error. */
export class Output {
  /** messages for the person: `info`, `success`, `warn` */
  readonly say: ConsolaInstance;
  readonly #terminal: Terminal;
  /** true: results and errors go out as one JSON document */
  readonly json: boolean;
  readonly #isSilent: boolean;
  /** the activity that the person sees now */
  #shown: string | undefined;

  /**
   * @param json true: results and errors go to standard output as one JSON document
   * @param isSilent true: {@link awaiting} says nothing
   */
  constructor(terminal: Terminal, json: boolean, isSilent = false) {
    this.#terminal = terminal;
    this.json = json;
    this.#isSilent = isSilent || json;
    const mark: Record<string, string> = {
      success: `${this.paint("good", "✓", "err")} `,
      warn: `${this.paint("warn", "warning:", "err")} `,
    };
    this.say = createConsola({
      reporters: [
        { log: (entry) => this.#line(`${this.#fit(`${mark[entry.type] ?? ""}${entry.args.join(" ")}`, "  ")}\n`) },
      ],
    });
  }

  /** @returns the text in a shade if the stream takes colour, else unchanged */
  paint(shade: Shade, text: string, stream: "out" | "err" = "out"): string {
    return this.#terminal.color(stream) ? `\u001b[${codes[shade]}m${text}\u001b[0m` : text;
  }

  /**
   * Prints a command's result: `data` with `--json`, else the lines.
   *
   * @param isVerbatim true: a person copies the lines, so none is broken to fit the terminal
   */
  result(data: unknown, lines: () => string[], isVerbatim = false): void {
    this.#terminal.out(
      this.json
        ? `${json(data)}\n`
        : this.#signs(
            lines()
              .map((line) => `${isVerbatim ? line : this.#fitOut(line)}\n`)
              .join(""),
          ),
    );
  }

  /** Prints prepared text, such as a help, as a result: lines that are too long for the terminal are broken between words. */
  text(text: string): void {
    const lines = text.split("\n").map((line) => this.#fitOut(line));
    this.#terminal.out(this.#signs(lines.join("\n")));
  }

  /** Prints one line of a result that comes in parts; with `--json` nothing, since the result at the end has it all. */
  progress(text: string): void {
    if (!this.json) this.#terminal.out(`${this.#fitOut(text)}\n`);
  }

  /**
   * Prints an error and its hint: on standard error, or with `--json` as the document on standard output. In a job of a CI
   * system, standard error gets its annotation too.
   */
  fail(error: CodemieError): void {
    const { code, message, hint } = error;
    const { ci } = this.#terminal;
    if (ci === "github") {
      const text = this.#signs(hint ? `${message}\nhint: ${hint}` : message);
      this.#terminal.tellCi(workflowCommand("error", text, "codemie"));
    }
    if (this.json) {
      this.#terminal.out(`${json({ error: { code, message, hint: hint ?? null } })}\n`);
      return;
    }
    const [start = "", end = ""] =
      ci === "gitlab" ? logSection("codemie_error", "codemie failed", Math.floor(Date.now() / 1000)) : [];
    this.#terminal.tellCi(start);
    this.#err(`${this.#fit(`${this.paint("bad", "error:", "err")} ${message}`, "       ")}\n`);
    if (hint) this.#err(`${this.#fit(`${this.paint("accent", "hint:", "err")} ${hint}`, "      ")}\n`);
    this.#terminal.tellCi(end);
  }

  /**
   * Prints the error that ended the program: the one place where an error becomes lines and an exit code.
   *
   * @param error anything thrown
   * @returns the exit code
   */
  ended(error: unknown): number {
    const failed = asCodemieError(error);
    try {
      this.fail(failed);
      return failed.exitCode;
    } catch (unwritten) {
      // With --json, the error goes where nothing can be written.
      const { message, exitCode } = asCodemieError(unwritten);
      this.#terminal.err(`error: ${message}\n`);
      return exitCode;
    }
  }

  /**
   * Runs `work` and shows progress meanwhile: a spinner on a terminal, one line elsewhere, nothing with `--json`.
   *
   * @param text the activity, without an ellipsis
   * @returns the result of `work`
   * @throws as `work`
   */
  async during<T>(text: string, work: () => Promise<T>): Promise<T> {
    const end = this.#show(text);
    try {
      return await work();
    } finally {
      end();
    }
  }

  /**
   * Runs `work`, and says what it waits for once that takes longer than {@link patienceMs}: a spinner on a terminal, one
   * line elsewhere. Nothing with `--json` or `--silent`, while {@link during} shows an activity, or a person types.
   *
   * @param what whom it waits for, for example a host's origin
   * @returns the result of `work`
   * @throws as `work`
   */
  async awaiting<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.#isSilent) return await work();
    let end: (() => void) | undefined;
    const look = () => {
      if (this.#terminal.isAsking) timer = setTimeout(look, patienceMs);
      else if (this.#shown === undefined) end = this.#show(`waiting for ${what}`);
    };
    let timer = setTimeout(look, patienceMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      end?.();
    }
  }

  /** Shows an activity. @returns what ends it */
  #show(text: string): () => void {
    const isDrawn = this.#terminal.animated && !this.json;
    if (!isDrawn && !this.json) this.say.info(`${text}…`);
    this.#shown = text;
    if (!isDrawn) {
      return () => {
        this.#shown = undefined;
      };
    }
    const frames = this.#terminal.unicode ? ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] : ["|", "/", "-", "\\"];
    let frame = 0;
    const draw = () => {
      if (this.#terminal.isAsking) return;
      this.#terminal.err("\r");
      const sign = this.paint("accent", frames[frame++ % frames.length] ?? "", "err");
      // A line that the terminal breaks could not be drawn again in its place.
      const room = this.#terminal.columns("err") - 5;
      this.#err(`${sign} ${text.length > room ? text.slice(0, room) : text}… `);
    };
    draw();
    const timer = setInterval(draw, 100);
    return () => {
      clearInterval(timer);
      this.#shown = undefined;
      this.#terminal.err(clearLine);
    };
  }

  /** Prints a line on standard error, in the place of a spinner: that is drawn again below it. */
  #line(text: string): void {
    if (this.#shown !== undefined && this.#terminal.animated && !this.json) this.#terminal.err(clearLine);
    this.#err(text);
  }

  /**
   * Asks a yes-or-no question; the default is no.
   *
   * @param signal stops the question, with the failure to end with
   * @throws usage error without a terminal; `interrupted` on Ctrl-C; the signal's failure
   */
  async confirm(question: string, signal: AbortSignal): Promise<boolean> {
    if (!this.#terminal.interactive) throw frameFailure.nobodyToAnswer();
    const prompt = this.#signs(this.#fit(`${this.paint("accent", "?", "err")} ${question} [y/N] `, "  "));
    const answer = await this.#terminal.readLine({ prompt, echo: true, signal });
    return /^y(es)?$/i.test(answer.trim());
  }

  /** Breaks a line of a result; what follows stands below its second column, if there is one. */
  #fitOut(line: string): string {
    const columns = this.#terminal.columns("out");
    if (Bun.stringWidth(line) <= columns) return line;
    const plain = Bun.stripANSI(line);
    const text = plain.trimStart();
    const gap = text.indexOf("  ");
    const second = gap < 0 ? 0 : plain.length - text.slice(gap).trimStart().length;
    const start = plain.length - text.length;
    // A line that begins far to the right goes on in the second column of the one before.
    const hangs = start > 6 ? start : start + 2;
    return wrap(line, columns, " ".repeat(second > 0 && second <= columns - longestUsual ? second : hangs));
  }

  #fit(line: string, indent: string): string {
    return wrap(line, this.#terminal.columns("err"), indent);
  }

  #err(text: string): void {
    this.#terminal.err(this.#signs(text));
  }

  /** Replaces control characters, wherever they came from, and turns our signs into ones the terminal can show. */
  #signs(text: string): string {
    const safe = harmless.test(text) ? text : text.replace(foreign, "�");
    return this.#terminal.unicode ? safe : safe.replace(/[✓✗…·“”]/g, (sign) => ascii[sign] ?? sign);
  }

  /**
   * @param rows of plain text; the first one is the heading
   * @param yields what makes room where the table is wider than the terminal, the least important first
   * @returns the rows as lines with aligned columns; whole values where no terminal shows them
   */
  table(rows: readonly (readonly string[])[], yields: readonly Yield[]): string[] {
    const heading = rows[0] ?? [];
    const widths = heading.map((_, i) => Math.max(...rows.map((row) => Bun.stringWidth(row[i] ?? ""))));
    const left = new Set<number>();
    for (const { column, least } of yields) {
      const i = heading.indexOf(column);
      const total = widths.reduce((sum, width, other) => sum + (left.has(other) ? 0 : width + 2), -2);
      const surplus = total - this.#terminal.columns("out");
      if (surplus <= 0) break;
      const width = widths[i] ?? 0;
      if (least === undefined) left.add(i);
      else widths[i] = Math.min(width, Math.max(least, width - surplus));
    }
    const sign = this.#terminal.unicode ? "…" : "...";
    return rows.map((row, n) => {
      const cells = row.map((cell, i) => fitted(cell, widths[i] ?? 0, sign)).filter((_, i) => !left.has(i));
      const line = cells.join("  ").trimEnd();
      return n === 0 ? this.paint("dim", line) : line;
    });
  }
}

/** @returns the text with spaces behind it up to the width, or its beginning and the sign */
function fitted(text: string, width: number, sign: string): string {
  let shown = text;
  if (Bun.stringWidth(text) > width) {
    const chars = [...text];
    while (Bun.stringWidth(chars.join("")) > width - sign.length) chars.pop();
    shown = chars.join("").trimEnd() + sign;
  }
  return shown + " ".repeat(Math.max(0, width - Bun.stringWidth(shown)));
}
