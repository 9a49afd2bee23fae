import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

/** The compiled binary, the only thing the flow and security tests run. */
export const codemie = join(root, "dist/codemie");
export const codemieClaude = join(root, "dist/codemie-claude");
export const codemieMcpProxy = join(root, "dist/codemie-mcp-proxy");

/** The folder of the real Claude Code. */
export const claudeFolder = join(
  root,
  "test/agents/node_modules/@anthropic-ai",
  `claude-code-${process.platform}-${process.arch}`,
);

/** A person's machine: an empty home, an empty current directory, and an environment without surprises. */
export class Person {
  readonly root: string;
  readonly home: string;
  readonly cwd: string;
  readonly env: Record<string, string>;

  constructor() {
    this.root = mkdtempSync(join(tmpdir(), "codemie-test-"));
    this.home = join(this.root, "home");
    this.cwd = join(this.root, "cwd");
    for (const folder of [this.home, this.cwd]) Bun.spawnSync(["mkdir", "-p", folder]);
    this.env = {
      HOME: this.home,
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      CODEMIE_BROWSER: "none",
      LANG: "C.UTF-8",
      TZ: "UTC",
    };
  }

  /** the base folder of everything codemie writes */
  get codemieHome(): string {
    return join(this.home, ".codemie");
  }

  /** Starts the binary. */
  start(args: readonly string[], options: StartOptions = {}): Running {
    return new Running([options.program ?? codemie, ...args], this.cwd, { ...this.env, ...options.env }, options.stdin);
  }

  /** Runs the binary to its end. */
  async run(args: readonly string[], options: StartOptions = {}): Promise<Finished> {
    return await this.start(args, options).finished();
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export interface StartOptions {
  readonly env?: Record<string, string>;
  readonly program?: string;
  readonly stdin?: string;
}

export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A running program whose output can be waited for. */
export class Running {
  readonly #child: Bun.Subprocess<"ignore" | Blob, "pipe", "pipe">;
  readonly #done: Promise<[string, string]>;
  #out = "";
  #err = "";
  #wake: () => void = () => undefined;

  constructor(command: string[], cwd: string, env: Record<string, string>, stdin: string | undefined) {
    this.#child = Bun.spawn(command, {
      cwd,
      env,
      stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#done = Promise.all([
      this.#collect(this.#child.stdout, (text) => {
        this.#out += text;
      }),
      this.#collect(this.#child.stderr, (text) => {
        this.#err += text;
      }),
    ]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get output(): string {
    return this.#out + this.#err;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until the output (both streams) matches. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#err) ?? pattern.exec(this.#out);
      if (found) return found;
      if (this.#child.exitCode !== null) throw new Error(`it ended without saying ${pattern}:\n${this.output}`);
      await Promise.race([new Promise<void>((resolve) => (this.#wake = resolve)), this.#child.exited]);
    }
  }

  async finished(): Promise<Finished> {
    await this.#child.exited;
    await this.#done;
    const ended = this.#child.signalCode;
    return { code: ended ? 128 : (this.#child.exitCode ?? -1), out: this.#out, err: this.#err };
  }

  async #collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<string> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      add(decoder.decode(chunk, { stream: true }));
      this.#wake();
    }
    return "";
  }
}
