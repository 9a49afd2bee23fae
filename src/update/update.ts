import { dirname } from "node:path";
import { type Env, withoutOwnSecrets } from "../core/env.ts";
import { printable } from "../core/text.ts";
import { buildTarget, isOlder, signingKey, version } from "../core/version.ts";
import { realPath } from "../platform/files.ts";
import { ask, type Program } from "../platform/processes.ts";
import { exchangePrograms, programBefore, replaceProgram, stateOfBefore } from "../platform/program-file.ts";
import type { Runtime } from "../platform/runtime.ts";
import { ownProgram } from "../platform/self.ts";
import { updateFailure } from "./failures.ts";
import { Releases, releasesBase } from "./releases.ts";

/** Folders of package managers, each with its name and its words for an update and a removal. */
const managers = [
  [/\/Cellar\/codemie\//, "Homebrew", { update: "brew upgrade codemie", uninstall: "brew uninstall codemie" }],
  [/[\\/]scoop[\\/]apps[\\/]/i, "Scoop", { update: "scoop update codemie", uninstall: "scoop uninstall codemie" }],
  [/[\\/]WinGet[\\/]/i, "winget", { update: "winget upgrade codemie", uninstall: "winget uninstall codemie" }],
  [/[\\/]node_modules[\\/]/, "npm", { update: "npm update -g", uninstall: "npm uninstall -g" }],
] as const;

/**
 * @param what is to be done to it
 * @returns the path of this program, without a link in it
 * @throws usage error when it runs from its sources, or a package manager put it there
 */
export async function installedProgram(what: "update" | "uninstall" | "link"): Promise<string> {
  if (!buildTarget) throw updateFailure.notCompiled();
  const program = await realPath(ownProgram());
  const [, manager, commands] = managers.find(([folder]) => folder.test(program)) ?? [];
  if (manager && what !== "link") throw updateFailure.managed(manager, commands[what]);
  return program;
}

/** How an update ended. */
export interface Updated {
  /** the version that is in place now */
  readonly version: string;
  /** false: it is the one that was there */
  readonly isChanged: boolean;
}

/**
 * Puts the latest release in this program's place, if it is a newer one and the publisher signed it.
 *
 * @param program as {@link installedProgram}
 * @param onVersion called with the version before it is downloaded
 * @param stop ends it, which then throws its reason
 * @throws `usage`, `unreachable`, `tls`, `disk`, `failed`; then nothing is changed
 */
export async function update(
  { env, fetch }: Runtime,
  program: string,
  onVersion: (version: string) => void,
  stop: AbortSignal,
): Promise<Updated> {
  const [key, target] = [signingKey, buildTarget];
  if (!key || !target) throw updateFailure.unsigned();
  const base = releasesBase(env);
  if (base === undefined) throw updateFailure.noBase();
  const releases = new Releases(base, fetch, stop);
  const latest = await releases.latest();
  if (isOlder(latest, version)) throw updateFailure.older(latest, version);
  if (latest === version) return { version, isChanged: false };
  onVersion(latest);
  await replaceProgram(program, {
    content: () => releases.program(latest, target, key),
    async prove(candidate) {
      stop.throwIfAborted();
      const said = await versionSaidBy(candidate, env);
      if (said.version !== latest) throw updateFailure.doesNotRun(program, said.line);
    },
    changed: () => updateFailure.changedMeanwhile(program),
  });
  return { version: latest, isChanged: true };
}

/**
 * Exchanges this program and the version that an update replaced; once more, and the newer one is back.
 *
 * @returns the version that is in place now
 * @throws `disk`; `failed` when none is kept, when others may have changed it, or it does not run; then nothing is changed
 */
export async function rollBack(env: Env, program: string): Promise<Updated> {
  const before = programBefore(program);
  const state = await stateOfBefore(program);
  if (state === "none") throw updateFailure.noneBefore(dirname(program));
  if (state === "foreign") throw updateFailure.notOursBefore(before);
  let inPlace = "";
  await exchangePrograms(program, async (candidate) => {
    const said = await versionSaidBy(candidate, env);
    if (said.version === undefined) throw updateFailure.doesNotRun(before, said.line);
    inPlace = said.version;
  });
  return { version: inPlace, isChanged: true };
}

/** How long a program may take to print its version, ms: the first start of a new file is checked by many a system. */
const bounds = { patienceMs: 120_000, limit: 65_536, isQuiet: true };

async function versionSaidBy(program: Program, env: Env): Promise<{ version: string | undefined; line: string }> {
  const asked = await ask([program, "--version"], withoutOwnSecrets(env), bounds);
  if (asked.ended !== "normally" || asked.code !== 0) return { version: undefined, line: "" };
  const line = new TextDecoder().decode(asked.output).split("\n")[0]?.trim() ?? "";
  return { version: /^codemie (\d+\.\d+\.\d+) \(/.exec(line)?.[1], line: printable(line, 80) };
}
