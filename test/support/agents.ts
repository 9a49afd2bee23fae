import { join } from "node:path";
import type { Person } from "./codemie.ts";
import type { Sandbox } from "./sandbox/sandbox.ts";

/** The real OpenCode, Codex and Gemini CLI, from npm. */

export const otherAgents = ["opencode", "codex", "gemini"] as const;
export type OtherAgent = (typeof otherAgents)[number];

/** Our program for an agent. */
export const codemieFor = (agent: string): string => join(import.meta.dir, "../../dist", `codemie-${agent}`);

const programs = join(import.meta.dir, "../agents/node_modules/.bin");

/** An agent's own program. */
export const agentProgram = (agent: OtherAgent): string => join(programs, agent);

/** The environment in which the agents' names on PATH are the real ones, and talk to nobody but the gateway. */
export const withAgents = (person: Person): Record<string, string> => ({
  PATH: `${programs}:${person.env.PATH}`,
});

/** What each wants to hear before it works in a folder that it does not know. */
export const trusting: Readonly<Record<OtherAgent, readonly string[]>> = {
  opencode: [],
  codex: ["--skip-git-repo-check"],
  gemini: ["--skip-trust"],
};

/** The model that each chooses of {@link threeMakers}. */
export const chosen: Readonly<Record<OtherAgent, string>> = {
  opencode: "claude-sonnet-4-6",
  codex: "gpt-5.2",
  gemini: "gemini-2.5-pro",
};

/** Gives the account a model of each maker; the first is its default. */
export function threeMakers(sandbox: Sandbox): void {
  const models = ["claude-sonnet-4-6", "gpt-5.2", "gemini-2.5-pro"].map((name, n) => ({
    base_name: name,
    deployment_name: name,
    label: name.toUpperCase(),
    enabled: true,
    default: n === 0,
  }));
  sandbox.settings.list = { status: 200, body: JSON.stringify(models) };
}

/**
 * Puts a program in an agent's place that writes down what it was started with, and ends.
 *
 * @returns a function that returns its arguments and its environment, once it has run
 */
export function recordingAgent(
  person: Person,
  name: string,
): () => Promise<{ args: string[]; env: Record<string, string> }> {
  const [args, env] = [join(person.root, "seen-args"), join(person.root, "seen-env")];
  person.install(name, `#!/bin/sh\nprintf '%s\\0' "$@" > '${args}'\nenv -0 > '${env}'\n`);
  const parts = async (file: string) => (await Bun.file(file).text()).split("\0").slice(0, -1);
  return async () => ({
    args: await parts(args),
    env: Object.fromEntries(
      (await parts(env)).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    ),
  });
}
