import { codemie, type Person } from "./codemie.ts";

/** The binary on a real pseudo-terminal: keys are typed, the screen is read. */
export class Pty {
  readonly #child: Bun.Subprocess;
  #screen = "";
  #wake: () => void = () => undefined;

  /**
   * @param program what runs instead of the binary
   * @param cols width of the terminal
   */
  constructor(
    person: Pick<Person, "cwd" | "env">,
    args: readonly string[],
    env: Record<string, string> = {},
    program = codemie,
    cols = 80,
  ) {
    const decoder = new TextDecoder();
    this.#child = Bun.spawn([program, ...args], {
      cwd: person.cwd,
      env: { ...person.env, TERM: "xterm-256color", ...env },
      terminal: {
        cols,
        rows: 24,
        data: (_terminal, data) => {
          this.#screen += decoder.decode(data, { stream: true });
          this.#wake();
        },
      },
    });
  }

  /** everything shown so far, escape codes included */
  get screen(): string {
    return this.#screen;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  type(keys: string): void {
    this.#child.terminal?.write(keys);
  }

  /** Types a line, and Enter until it is done, for a program that takes none while it works, and none on an empty line. */
  async enters(line: string, done: Promise<unknown>): Promise<void> {
    this.type(line);
    const timer = setInterval(() => this.type("\r"), 500);
    await done.finally(() => clearInterval(timer));
  }

  /** Waits until the screen matches. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#screen);
      if (found) return found;
      if (this.#child.exitCode !== null) throw new Error(`it ended without showing ${pattern}:\n${this.#screen}`);
      await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), this.#child.exited]);
    }
  }

  /** Closes the terminal, as a lost connection does. */
  hangUp(): void {
    this.#child.terminal?.close();
  }

  async ended(): Promise<number> {
    const code = await this.#child.exited;
    this.#child.terminal?.close();
    return code;
  }
}
