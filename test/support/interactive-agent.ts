import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Person } from "./codemie.ts";
import { Pty } from "./pty.ts";

/**
 * `codemie claude` at a terminal, where a new login opens the browser by itself: the agent is a program of the test's,
 * and the browser notes what it was told to open.
 */
export class InteractiveAgent {
  readonly pty: Pty;
  readonly #opened: string;

  /**
   * @param source the agent's; `OPENED` in its environment is the file in which the browser writes, a line an address
   * @param args behind `codemie claude`
   * @param env `CODEMIE_BROWSER: "none"` opens nothing
   */
  constructor(person: Person, source: string, args: readonly string[] = [], env: Record<string, string> = {}) {
    this.#opened = join(person.root, "opened");
    person.install("claude", `#!${process.execPath}\n${source}`);
    const browser = person.install("open-it", `#!/bin/sh\nprintf '%s\\n' "$1" >> "$OPENED"\n`);
    this.pty = new Pty(person, ["claude", ...args], { CODEMIE_BROWSER: browser, OPENED: this.#opened, ...env });
  }

  /** the addresses the browser was told to open */
  opened(): string[] {
    return existsSync(this.#opened) ? readFileSync(this.#opened, "utf8").split("\n").slice(0, -1) : [];
  }

  /** Waits until the browser is told to open something. */
  async opens(): Promise<string> {
    for (;;) {
      const [address] = this.opened();
      if (address) return address;
      await Bun.sleep(20);
    }
  }
}
