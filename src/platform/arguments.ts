import { dlopen, ptr } from "bun:ffi";
import { type Env, inAnySpelling } from "../core/env.ts";
import { type MaskedArguments, maskSecrets } from "../core/secret-arguments.ts";
import { libraryName, withCoreFiles } from "./crash.ts";

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
  if (process.platform === "win32") return { args, env: inAnySpelling(env) };
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
  if (!isCompiled) return;
  const args = [process.argv0, ...shown];
  const next: Env = { ...env, [variable]: JSON.stringify({ pid: process.pid, secrets }) };
  const named = descriptorsIn([...args, ...Object.values(env)]);
  try {
    withCoreFiles(() => {
      if (named.length > 0) replaceKeeping(named, args, next);
      else process.execve?.(process.execPath, args, next);
    });
  } catch {
    // The system refuses, for example when an argument is as long as a variable may be: go on as we are.
  }
}

/** Paths of the process's own open files, as a shell's `<(command)` gives them. */
const descriptorPath = /\/(?:dev|proc\/(?:self|thread-self))\/fd\/(\d{1,9})/g;

/** @returns the open files that the texts name, without standard input and outputs, which are always kept */
function descriptorsIn(texts: readonly (string | undefined)[]): number[] {
  const found = texts.flatMap((text) => [...(text ?? "").matchAll(descriptorPath)]);
  return [...new Set(found.map(([, number]) => Number(number)))].filter((number) => number > 2);
}

/** As `process.execve`, which closes all open files, but keeps those. Returns only if the system refuses. */
function replaceKeeping(descriptors: readonly number[], args: readonly string[], env: Env): void {
  const { dup, dup2, close, execve } = dlopen(libraryName, {
    dup: { args: ["int"], returns: "int" },
    dup2: { args: ["int", "int"], returns: "int" },
    close: { args: ["int"], returns: "int" },
    execve: { args: ["ptr", "ptr", "ptr"], returns: "int" },
  }).symbols;
  for (const one of descriptors) {
    // A duplicate is not closed by exec. `fcntl` would say so directly, but takes its arguments in another way on ARM.
    const copy = dup(one);
    if (copy < 0) continue;
    dup2(copy, one);
    close(copy);
  }
  const living: NodeJS.TypedArray[] = []; // until the call, which gets bare addresses
  const address = (bytes: NodeJS.TypedArray) => {
    living.push(bytes);
    return ptr(bytes);
  };
  const text = (value: string) => address(Buffer.from(`${value}\0`));
  const list = (values: readonly string[]) =>
    address(new BigUint64Array([...values.map((value) => BigInt(text(value))), 0n]));
  const variables = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  execve(text(process.execPath), list(args), list(variables));
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
