import { dirname, join } from "node:path";
import * as z from "zod/mini";
import type { Env, ForeignEnv } from "../core/env.ts";
import { parseJson } from "../core/json.ts";
import { realPath } from "../platform/files.ts";
import { readUntrusted } from "../platform/foreign-files.ts";
import { fileBehind, type Program, versionOf } from "../platform/processes.ts";
import { type Agent, installCommand } from "./agent.ts";
import { agentFailure } from "./failures.ts";

const packageSchema = z.object({ name: z.string(), version: z.string() });
const { compare } = new Intl.Collator("en", { numeric: true });

/**
 * Refuses a program of a version that we do not know how to start. The package that it was installed with tells the version
 * without running it; only for an agent whose next version is another one the program itself is asked where no package tells.
 *
 * @param env the environment in which it may run
 * @throws `agent_missing` when it is too old, or too new
 */
export async function checkVersion(agent: Agent, program: Program, env: ForeignEnv): Promise<void> {
  const [from, below] = agent.versions;
  const asked = async () => /\b\d{1,5}\.\d{1,5}\.\d{1,5}/.exec((await versionOf(program, env)) ?? "")?.[0];
  const version = (await packageVersion(agent, program, env)) ?? (below === undefined ? undefined : await asked());
  if (version === undefined) return;
  const isKnown = compare(version, from) >= 0 && (below === undefined || compare(version, below) < 0);
  const words = below === undefined ? `${from} or later` : `${from} or later, and below ${below}`;
  if (!isKnown) throw agentFailure.wrongVersion(agent.title, version, words, installCommand(agent));
}

/**
 * @param agent `package`: its name at npm, perhaps with the version that is to be installed
 * @param env in which the program is started
 * @returns the version that the program's package names; undefined when it came in no package
 */
export async function packageVersion(
  agent: Pick<Agent, "package">,
  program: Program,
  env: Env,
): Promise<string | undefined> {
  // a version behind the name is what `npm` is to install
  const at = agent.package.lastIndexOf("@");
  const name = at > 0 ? agent.package.slice(0, at) : agent.package;
  let folder = dirname(await realPath(fileBehind(program, env)));
  for (let level = 0; level < 3; level++, folder = dirname(folder)) {
    const found = parseJson(readUntrusted(join(folder, "package.json")) ?? "", packageSchema);
    if (found?.name === name) return found.version;
  }
  return undefined;
}
