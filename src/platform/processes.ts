import { delimiter, isAbsolute } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Env, ForeignEnv } from "../core/env.ts";
import { systemCode } from "../core/errors.ts";
import { exitCodeOf, onSignals } from "./signals.ts";

declare const found: unique symbol;

/** The absolute path of a program that is not ours, as {@link findProgram} found it. */
export type Program = string & { readonly [found]: true };

/** A program and its arguments; no shell. */
export type ProgramCall = readonly [Program, ...string[]];

/** @returns the entries of PATH that are absolute: the others mean the current directory, and so a cloned repository */
const absoluteFolders = (path: string | undefined): string =>
  (path ?? "").split(delimiter).filter(isAbsolute).join(delimiter);

/**
 * Finds a program by its name on PATH, or takes its absolute path. A relative path, and an entry of PATH that is not
 * absolute, would let a cloned repository choose what runs: neither is looked at.
 *
 * @returns its absolute path, or undefined
 */
export function findProgram(name: string, env: Env): Program | undefined {
  if (isAbsolute(name)) return name as Program;
  if (/[/\\]/.test(name)) return undefined;
  return (Bun.which(name, { PATH: absoluteFolders(env.PATH), cwd: "/" }) ?? undefined) as Program | undefined;
}

/**
 * Starts a program that outlives us and that we do not wait for, in the root folder and with the absolute entries of PATH
 * only, since it may look for others itself.
 *
 * @returns false when it could not be started
 */
export function startProgram(command: ProgramCall, env: ForeignEnv): boolean {
  try {
    Bun.spawn([...command], {
      env: { ...env, PATH: absoluteFolders(env.PATH) },
      cwd: "/",
      stdio: ["ignore", "ignore", "ignore"],
      detached: true,
    }).unref();
    return true;
  } catch {
    return false;
  }
}

/** @returns the first line a program prints when asked for its version, or undefined within 10 s */
export async function versionOf(program: Program, env: ForeignEnv): Promise<string | undefined> {
  const child = Bun.spawn([program, "--version"], {
    env: { ...env },
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 10_000,
  });
  return (await child.stdout.text()).split("\n")[0]?.trim() || undefined;
}

/** How a program that was asked for a text ended. */
export type ProgramOutput =
  | { readonly ended: "normally"; readonly code: number; readonly output: Uint8Array }
  | { readonly ended: "not-started" | "timeout" | "too-long" };

/** How long a program that was told to end may take to put the terminal in order, and its output to come to an end, ms. */
const graceMs = 1_000;

/**
 * Runs a program for what it prints. It may talk to the person: standard error is ours, and standard input too where it
 * is a terminal (what is piped into us is not for it). It runs in the root folder, since nothing in the current one may
 * decide what it does.
 *
 * @param env its whole environment
 * @param patienceMs how long it may take, ms; then it is killed
 * @param limit longest output, bytes; a longer one gets it killed
 */
export async function ask(
  command: ProgramCall,
  env: ForeignEnv,
  { patienceMs, limit }: { patienceMs: number; limit: number },
): Promise<ProgramOutput> {
  const stdin = process.stdin.isTTY ? "inherit" : "ignore";
  let child: Bun.Subprocess<typeof stdin, "pipe", "inherit">;
  try {
    child = Bun.spawn([...command], {
      env: { ...env, PATH: absoluteFolders(env.PATH) },
      cwd: "/",
      stdio: [stdin, "pipe", "inherit"],
    });
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
  // A timer that still ran at the end would keep the whole program from ending.
  const over = new AbortController();
  const after = (ms: number) => setTimeout(ms, undefined, { signal: over.signal }).catch(() => undefined);
  const tooLate = after(patienceMs).then(() => "timeout" as const);
  // What it started itself may hold its output open for ever.
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

/** @returns how a program ended that asks nothing, and what it said */
export async function runCaptured(command: ProgramCall, env: ForeignEnv): Promise<{ code: number; said: string }> {
  const child = Bun.spawn([...command], { env: { ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code: child.exitCode ?? 1, said: `${out}${err}`.trim() };
}

/**
 * Runs a program in our place: it has our terminal, gets the signals meant for it, and its exit code is returned.
 *
 * A Ctrl-C typed at a terminal reaches the program from the terminal itself, so then it is awaited, not sent again.
 *
 * @param command program and arguments
 * @param env the program's whole environment
 * @returns its exit code; 128 + number when a signal ended it
 */
export async function runForeground(command: ProgramCall, env: ForeignEnv): Promise<number> {
  // The handlers stand before the program does: a signal that comes in between must not end us and leave it behind.
  let child: Bun.Subprocess | undefined;
  const early: NodeJS.Signals[] = [];
  const onTerminal = Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY);
  const leave = onSignals(["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT"], (signal) => {
    if (onTerminal && (signal === "SIGINT" || signal === "SIGQUIT")) return;
    if (child) child.kill(signal);
    else early.push(signal);
  });
  try {
    child = Bun.spawn([...command], { env: { ...env }, stdio: ["inherit", "inherit", "inherit"] });
    for (const signal of early) child.kill(signal);
    await child.exited;
    const ended = child.signalCode;
    return ended ? (typeof ended === "number" ? 128 + ended : exitCodeOf(ended)) : (child.exitCode ?? 1);
  } finally {
    leave();
  }
}

/**
 * @param pid process that is to stop
 * @param signal what it is told
 */
export function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemCode(error) !== "ESRCH") throw error;
  }
}

/** @returns true when a process of that number runs on this machine, whoever's it is */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}
