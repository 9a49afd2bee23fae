import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { otherProcesses, shownOf } from "./processes.ts";

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
    for (const folder of [this.home, this.cwd]) mkdirSync(folder);
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

  get configFile(): string {
    return join(this.codemieHome, "codemie-cli.config.json");
  }

  /** what the configuration file holds */
  config(): Config {
    return JSON.parse(readFileSync(this.configFile, "utf8"));
  }

  /** Changes the configuration file by hand, as a person with an editor would. */
  editConfig(change: (config: Config) => void): void {
    const config = this.config();
    change(config);
    this.writeConfig(config);
  }

  /** Writes the configuration file by hand, whatever was in it. */
  writeConfig(content: object | string): void {
    mkdirSync(this.codemieHome, { recursive: true });
    writeFileSync(this.configFile, typeof content === "string" ? content : JSON.stringify(content));
  }

  /**
   * Puts a program on this person's PATH, before all others.
   *
   * @param script begins with the line that names its interpreter
   * @returns where it lies
   */
  install(name: string, script: string): string {
    const bin = join(this.root, "bin");
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, name), script, { mode: 0o755 });
    if (!this.env.PATH?.startsWith(`${bin}:`)) this.env.PATH = `${bin}:${this.env.PATH}`;
    return join(bin, name);
  }

  /** Another person, whose machine holds a copy of all that codemie wrote here: logged in without a login. */
  copy(): Person {
    const copy = new Person();
    Object.assign(copy.env, this.env, { HOME: copy.home });
    cpSync(this.codemieHome, copy.codemieHome, { recursive: true });
    return copy;
  }

  /** Starts the binary. */
  start(args: readonly string[], options: StartOptions = {}): Running {
    return new Running([options.program ?? codemie, ...args], this.cwd, { ...this.env, ...options.env }, options.stdin);
  }

  /** Runs the binary to its end. */
  async run(args: readonly string[], options: StartOptions = {}): Promise<Finished> {
    return await this.start(args, options).finished();
  }

  /** the processes that keep the ports of logins that did not succeed, and those that wait for the end of one */
  holders(): number[] {
    return otherProcesses().filter(
      (pid) =>
        shownOf(pid, "cmdline").includes("\nhold-callback\n") &&
        shownOf(pid, "environ").split("\n").includes(`HOME=${this.home}`),
    );
  }

  remove(): void {
    for (const pid of this.holders()) {
      try {
        process.kill(pid);
      } catch {} // it has just ended by itself
    }
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The configuration file of the old command line and of ours. */
// biome-ignore lint/suspicious/noExplicitAny: tests write what a person might
export type Config = any;

/** The environment in which an agent's name on PATH is the real Claude Code. */
export const withClaude = (person: Person): Record<string, string> => ({ PATH: `${claudeFolder}:${person.env.PATH}` });

export interface StartOptions {
  readonly env?: Record<string, string>;
  readonly program?: string;
  readonly stdin?: string;
}

export interface Finished {
  readonly code: number;
  readonly out: string;
  /** without the line that tells a person what is waited for: it comes after a second, so it depends on the machine */
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
    const err = this.#err.replace(/^waiting for http\S+…\n/gm, "");
    return { code: ended ? 128 : (this.#child.exitCode ?? -1), out: this.#out, err };
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
