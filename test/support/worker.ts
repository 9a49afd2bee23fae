import { join } from "node:path";
import { bundled } from "./bundle.ts";

/** @returns the command that runs a program of `test/support` */
export function workerCommand(program: string): [string, string] {
  return [process.execPath, bundled(join(import.meta.dir, program))];
}

/** A program of `test/support` that runs beside the test, is told to end, stopped or killed, and says what it does. */
export class Worker {
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  #output = "";
  #wake: () => void = () => undefined;
  /** the exit code, once it has ended and all it said was read */
  readonly ended: Promise<number>;

  /** @param program the file's name in `test/support` */
  constructor(program: string, args: readonly string[], env: Record<string, string> = {}) {
    this.#child = Bun.spawn([...workerCommand(program), ...args], {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const read = [this.#child.stdout, this.#child.stderr].map(async (stream) => {
      for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
        this.#output += chunk;
        this.#wake();
      }
    });
    this.ended = Promise.all([this.#child.exited, ...read]).then(([code]) => {
      this.#wake();
      return code;
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** both streams */
  get output(): string {
    return this.#output;
  }

  /** what killed it, if anything did */
  get signal(): string | number | null {
    return this.#child.signalCode;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends its standard input. */
  end(): void {
    void this.#child.stdin.end();
  }

  /**
   * Waits until it has said something.
   *
   * @returns the match
   * @throws with all it said, when it ends before
   */
  async says(pattern: string | RegExp): Promise<RegExpExecArray> {
    const wanted = typeof pattern === "string" ? new RegExp(RegExp.escape(pattern)) : pattern;
    let hasEnded = false;
    void this.ended.then(() => (hasEnded = true));
    for (;;) {
      const found = wanted.exec(this.#output);
      if (found) return found;
      if (hasEnded) {
        const how = this.signal ?? `exit ${this.#child.exitCode}`;
        throw new Error(`it ended (${how}) without saying ${pattern}:\n${this.#output}`);
      }
      await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), this.ended]);
    }
  }
}
