import type { Env } from "../core/env.ts";
import { type MaskedArguments, maskSecrets } from "../core/secret-arguments.ts";

/** The variable in which secrets of the command line reach the program's second start. */
const variable = "CODEMIE_MASKED_ARGUMENTS";

/** The start of this program: its arguments as typed, and its environment. */
export interface Start {
  readonly args: readonly string[];
  readonly env: Env;
}

/**
 * Takes secrets out of the list of arguments, which every user of the machine can read, and which the runtime prints when
 * it crashes. Nothing can change a process's arguments in all the places that hold them, so the process starts this program
 * anew in its own place, with a mask over each secret, and hands the secrets over in its environment. On Windows, which
 * cannot replace a process, they stay where they are.
 *
 * @returns the start as the user meant it; does not return where it replaces the process
 */
export function withoutShownSecrets({ args, env }: Start): Start {
  const { [variable]: carried, ...rest } = env;
  delete process.env[variable];
  const secrets = carried === undefined ? undefined : secretsIn(carried);
  if (secrets) {
    const typed = new Map(secrets);
    return { args: args.map((arg, i) => typed.get(i) ?? arg), env: rest };
  }
  const masked = maskSecrets(args);
  if (masked) replaceProcess(masked, rest);
  return { args, env: rest };
}

function replaceProcess({ shown, secrets }: MaskedArguments, env: Env): void {
  const isCompiled = Bun.main.startsWith("/$bunfs/");
  if (!isCompiled || process.platform === "win32") return;
  const carried = JSON.stringify({ pid: process.pid, secrets });
  try {
    process.execve?.(process.execPath, [process.argv0, ...shown], { ...env, [variable]: carried });
  } catch {
    // The system refuses, for example when an argument is as long as a variable may be: go on as we are.
  }
}

/** @returns the secrets, if this process put them there: a variable inherited from another process means nothing */
function secretsIn(carried: string): MaskedArguments["secrets"] | undefined {
  try {
    const { pid, secrets } = JSON.parse(carried);
    return pid === process.pid && Array.isArray(secrets) ? secrets : undefined;
  } catch {
    return undefined;
  }
}
