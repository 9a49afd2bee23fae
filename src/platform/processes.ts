import { delimiter, isAbsolute } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Env, ForeignEnv } from "../core/env.ts";
import { systemCode } from "../core/errors.ts";
import { behindBatchFile, isBatchFile, isMisread } from "./batch-file.ts";
import { type LastWords, startGuard } from "./child-guard.ts";
import { stopWithChild } from "./child-stop.ts";
import { withCoreFiles } from "./crash.ts";
import { platformFailure } from "./failures.ts";
import { isTerminal } from "./is-terminal.ts";
import { exitCodeOf, onSignals } from "./signals.ts";

declare const found: unique symbol;

/** The absolute path of a program that is not ours, as {@link findProgram} found it. */
export type Program = string & { readonly [found]: true };

/** A program and its arguments; no shell. */
export type ProgramCall = readonly [Program, ...string[]];

/** @returns the entries of PATH that are absolute: the others mean the current directory, and so a cloned repository */
const absoluteFolders = (path: string): string => path.split(delimiter).filter(isAbsolute).join(delimiter);

/**
 * The environment of a program that we start. Of PATH it has the absolute entries only, because the program may look for others,
 * as `#!/usr/bin/env` does.
 */
function environmentFor(env: Env): Env {
  const all = { ...env, ...(env.PATH && { PATH: absoluteFolders(env.PATH) }) };
  return process.platform === "win32" ? spelledOnce(all) : all;
}

/** A variable that stands in two spellings, as proxies' do, is one in Windows: an empty value must not hide the other. */
function spelledOnce(env: Env): Env {
  const entries = Object.entries(env).filter(([, value]) => value !== undefined);
  const best = Map.groupBy(entries, ([name]) => name.toUpperCase());
  return Object.fromEntries(
    [...best.values()].flatMap((same) => [same.find(([, value]) => value !== "") ?? same[0] ?? []]),
  );
}

/**
 * Finds a program by its name on PATH, or takes its absolute path. A relative path, and an entry of PATH that is not
 * absolute, would let a cloned repository choose what runs: neither is looked at.
 *
 * @returns its absolute path, or undefined
 */
export function findProgram(name: string, env: Env): Program | undefined {
  if (isAbsolute(name)) return name as Program;
  if (/[/\\]/.test(name)) return undefined;
  return (Bun.which(name, { PATH: absoluteFolders(env.PATH ?? ""), cwd: "/" }) ?? undefined) as Program | undefined;
}

/**
 * @returns the file that a program on PATH stands for: what a package manager's batch file runs (Windows), otherwise itself
 */
export const fileBehind = (program: Program, env: Env): string =>
  behindBatchFile(program, (name) => findProgram(name, env))?.at(-1) ?? program;

/**
 * In Windows npm puts a batch file on PATH, and its interpreter would read a task's `&` or `%PATH%` as its own. So we start
 * the program that the file stands for. The interpreter of another batch file looks for no program in the current folder.
 *
 * @returns what `Bun.spawn` gets
 * @throws `failed` for another batch file, whose arguments the interpreter would misread
 */
function startable([program = "", ...args]: readonly string[], env: Env): { cmd: string[]; env: Env } {
  const behind = behindBatchFile(program, (name) => findProgram(name, env));
  if (behind || !isBatchFile(program)) return { cmd: [...(behind ?? [program]), ...args], env: environmentFor(env) };
  if (args.some(isMisread)) throw platformFailure.batchFile(program);
  return { cmd: [program, ...args], env: { ...environmentFor(env), NODEFAULTCURRENTDIRECTORYINEXEPATH: "1" } };
}

/**
 * Starts a program that outlives us and that we do not wait for, in the root folder.
 *
 * @param input its standard input, if any
 * @returns false when it could not be started
 */
export function startProgram(command: ProgramCall, env: ForeignEnv, input?: string): boolean {
  try {
    Bun.spawn({
      ...startable(command, env),
      cwd: "/",
      stdio: [input === undefined ? "ignore" : new Blob([input]), "ignore", "ignore"],
      detached: true,
    }).unref();
    return true;
  } catch {
    return false;
  }
}

/** How long a program may take to print its version, ms, and how much it may print, bytes. */
const versionBounds = { patienceMs: 8_000, limit: 65_536, isQuiet: true };

/**
 * Runs a program with `--version`, for 8 s at most.
 *
 * @param program absolute path
 * @param env its whole environment
 * @returns the first line that it prints, or undefined when it prints none in time, or cannot be started
 */
export async function versionOf(program: Program, env: ForeignEnv): Promise<string | undefined> {
  const asked = await ask([program, "--version"], env, versionBounds);
  if (asked.ended !== "normally") return undefined;
  return new TextDecoder().decode(asked.output).split("\n")[0]?.trim() || undefined;
}

/** How a program run by {@link ask} ended. */
export type ProgramOutput =
  | { readonly ended: "normally"; readonly code: number; readonly output: Uint8Array }
  | { readonly ended: "not-started" | "timeout" | "too-long" };

/**
 * How long a program that we stop may take to restore the terminal, and the output of one that ended may stay open, ms.
 */
const graceMs = 1_000;

/**
 * Runs a program and returns its output. It may talk to the person: it gets our standard error, and our standard input
 * if that is a terminal (piped input is not meant for it). It runs in the root folder, since nothing in the current
 * folder may decide what it does.
 *
 * @param env its whole environment
 * @param patienceMs how long it may run, ms; then it is killed
 * @param limit most bytes of output; if it prints more, it is killed
 * @param isQuiet keeps the program from the person: it gets neither our standard error nor our standard input
 * @returns how it ended, and its output when it ended normally
 */
export async function ask(
  command: ProgramCall,
  env: ForeignEnv,
  { patienceMs, limit, isQuiet = false }: { patienceMs: number; limit: number; isQuiet?: boolean },
): Promise<ProgramOutput> {
  const stdin = !isQuiet && isTerminal("stdin") ? "inherit" : "ignore";
  const stderr = isQuiet ? "ignore" : "inherit";
  let child: Bun.Subprocess<typeof stdin, "pipe", typeof stderr>;
  try {
    child = Bun.spawn({ ...startable(command, env), cwd: "/", stdio: [stdin, "pipe", stderr] });
  } catch {
    return { ended: "not-started" };
  }
  const reader = child.stdout.getReader();
  const chunks: Uint8Array[] = [];
  const read = async (): Promise<"too-long" | undefined> => {
    let length = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      chunks.push(part.value);
      length += part.value.length;
      if (length > limit) return "too-long";
    }
    await child.exited;
    return undefined;
  };
  // A timer that still runs at the end would keep our whole program from ending.
  const over = new AbortController();
  const after = (ms: number) => setTimeout(ms, undefined, { signal: over.signal }).catch(() => undefined);
  const tooLate = after(patienceMs).then(() => "timeout" as const);
  // A process that the program started may hold its output open for ever.
  const ended = child.exited.then(async () => await after(graceMs));
  try {
    const failed = await Promise.race([read(), ended, tooLate]);
    if (failed) return { ended: failed };
    return { ended: "normally", code: child.exitCode ?? 128, output: Buffer.concat(chunks) };
  } finally {
    reader.cancel().catch(() => undefined);
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await Promise.race([child.exited, after(graceMs)]);
      child.kill("SIGKILL");
      await child.exited;
    }
    over.abort();
  }
}

/**
 * Runs a program that asks no question.
 *
 * @param command program and arguments
 * @param env its whole environment
 * @param input for its standard input: what no list of processes may show
 * @returns its exit code (1 when a signal ended it), and everything it printed
 * @throws the system's error when it cannot be started; `failed` for a batch file that would misread the arguments
 */
export async function runCaptured(
  command: ProgramCall,
  env: ForeignEnv,
  input?: string,
): Promise<{ code: number; said: string }> {
  const stdin = input === undefined ? ("ignore" as const) : new Blob([input]);
  const child = Bun.spawn({ ...startable(command, env), stdin, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code: child.exitCode ?? 1, said: `${out}${err}`.trim() };
}

/**
 * Runs a program in our place: it gets our terminal, and the signals that we receive.
 *
 * A Ctrl-C at a terminal reaches the program from the terminal itself, so we do not send it again. If it
 * stops at a terminal, so do we, and when we continue, so does it. If we die, the program is ended too, with all that it
 * started.
 *
 * @param command program and arguments
 * @param env the program's whole environment
 * @param cwd the folder it starts in; default: ours
 * @param lastWords printed on standard error if we die before the program does
 * @returns its exit code; 128 + the signal's number when a signal ended it
 * @throws the system's error when it cannot be started; `failed` for a batch file that would misread the arguments
 */
export async function runForeground(
  command: readonly string[],
  env: Env,
  lastWords: LastWords,
  cwd = process.cwd(),
): Promise<number> {
  // The handlers stand before the program does: a signal that comes in between must not end us and leave it behind.
  let child: Bun.Subprocess | undefined;
  let endStops: (() => void) | undefined;
  const early: NodeJS.Signals[] = [];
  const onTerminal = isTerminal("stdin") || isTerminal("stdout") || isTerminal("stderr");
  const leave = onSignals(["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"], (signal) => {
    if (onTerminal && (signal === "SIGINT" || signal === "SIGQUIT")) return;
    // Windows tells every program of a window that it is being closed, and lets none pass that on.
    if (signal === "SIGHUP" && process.platform === "win32") return;
    if (child) child.kill(signal);
    else early.push(signal);
  });
  const guard = startGuard(lastWords);
  try {
    child = withCoreFiles(() =>
      Bun.spawn({ ...startable(command, env), cwd, stdio: ["inherit", "inherit", "inherit"] }),
    );
    guard.watch(child.pid);
    if (onTerminal) endStops = stopWithChild(child.pid);
    for (const signal of early) child.kill(signal);
    await child.exited;
    const ended = child.signalCode;
    return ended ? (typeof ended === "number" ? 128 + ended : exitCodeOf(ended)) : (child.exitCode ?? 1);
  } finally {
    guard.end();
    endStops?.();
    leave();
  }
}

/**
 * Sends a signal to a process, or does nothing when the process has ended.
 *
 * @throws the system's error, for example when the process is another user's
 */
export function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
}

/** @returns true when a process with that number runs on this machine, of any user */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}
