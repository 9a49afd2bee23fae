import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codemieClaude, Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";
import { cases } from "../support/tiers.ts";

/**
 * Threat: a program that codemie starts looks for another one itself (`#!/usr/bin/env node`, a shell script), and the
 * user's PATH has an entry that means the current directory: a program in the cloned repository runs.
 */

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

/** A person who is logged in and stands in a repository that has a program of the name that Claude Code's start looks for. */
async function inRepository(): Promise<{ person: Person; path: string; hasRun: () => boolean }> {
  const person = new Person();
  await logIn(person, sandbox);
  const mark = join(person.home, "ran");
  const file = join(person.cwd, "their-interpreter");
  writeFileSync(file, `#!/bin/sh\n/bin/touch ${mark}\n`);
  chmodSync(file, 0o755);
  const claude = person.install("claude", "#!/usr/bin/env their-interpreter\n");
  return { person, path: join(claude, ".."), hasRun: () => existsSync(mark) };
}

const runs: [string, string[], string | undefined][] = [
  ["the agent", [], codemieClaude],
  ["the agent's version", ["--version"], codemieClaude],
  ["doctor", ["doctor"], undefined],
  ["mcp add", ["mcp", "add", "server", "https://mcp.example.com/mcp"], undefined],
];

for (const [name, args, program] of cases(runs)) {
  for (const before of [".:", ":", "./:", "../cwd:"]) {
    test(`${name} with PATH=${before}…: the repository's program does not run`, async () => {
      const { person, path, hasRun } = await inRepository();
      await person.run(args, { ...(program && { program }), env: { PATH: `${before}${path}` } });
      expect(hasRun()).toBe(false);
      person.remove();
    });
  }
}
