import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codemieClaude, type Finished, type Person, type Running } from "./codemie.ts";

/** The start of an agent: address and key of its gateway, its whole environment, its arguments. */
export interface Started {
  readonly url: string;
  readonly key: string;
  readonly env: Record<string, string>;
  readonly args: string[];
}

/**
 * Stands where an agent would: writes down what it was started with, then keeps the gateway open until it is told to
 * end. For tests that talk to the gateway themselves, which no real agent does in every abusive way.
 */
export class Probe {
  readonly #person: Person;
  readonly #folder: string;
  readonly running: Running;
  #stopped: Promise<Finished> | undefined;

  constructor(person: Person, args: readonly string[] = [], env: Record<string, string> = {}) {
    this.#person = person;
    this.#folder = join(person.root, `probe-${crypto.randomUUID()}`);
    const bin = join(this.#folder, "bin");
    mkdirSync(bin, { recursive: true });
    const script = join(bin, "claude");
    writeFileSync(
      script,
      `#!/bin/sh
trap 'exit 7' TERM
trap 'exit 8' HUP
trap 'exit 9' INT
env -0 > '${this.#folder}/env'
printf '%s\\0' "$@" > '${this.#folder}/args'
echo probe ready
while [ ! -e '${this.#folder}/stop' ]; do sleep 0.02; done
exit "$(cat '${this.#folder}/stop')"
`,
    );
    chmodSync(script, 0o755);
    const path = `${bin}:${person.env.PATH}`;
    this.running = person.start(args, { program: codemieClaude, env: { ...env, PATH: path } });
  }

  /** What the agent was started with. */
  async started(): Promise<Started> {
    await this.running.says(/probe ready/);
    const parts = async (name: string) => (await Bun.file(join(this.#folder, name)).text()).split("\0").slice(0, -1);
    const env = Object.fromEntries(
      (await parts("env")).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    return { url: env.ANTHROPIC_BASE_URL ?? "", key: env.ANTHROPIC_AUTH_TOKEN ?? "", env, args: await parts("args") };
  }

  /** Ends the agent with an exit code, waits for codemie and removes the person's machine; a second call changes nothing. */
  stop(code = 0): Promise<Finished> {
    this.#stopped ??= this.#stop(code);
    return this.#stopped;
  }

  async #stop(code: number): Promise<Finished> {
    // The agent looks all the time, and must not find a file that is still empty.
    const stop = join(this.#folder, "stop");
    writeFileSync(`${stop}.new`, String(code));
    renameSync(`${stop}.new`, stop);
    const finished = await this.running.finished();
    this.#person.remove();
    return finished;
  }
}
