import { constants } from "node:os";
import { delimiter, isAbsolute } from "node:path";
import { failure } from "../core/errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Finds a program on PATH. Entries that are not absolute are passed over: they mean the current directory, and a
 * cloned repository must not choose what runs.
 *
 * @returns its absolute path, or undefined
 */
export function findProgram(name: string, env: Env): string | undefined {
  const folders = (env.PATH ?? "").split(delimiter).filter(isAbsolute);
  return Bun.which(name, { PATH: folders.join(delimiter), cwd: "/" }) ?? undefined;
}

/** @returns the first line a program prints when asked for its version, or undefined within 10 s */
export async function versionOf(program: string, env: Env): Promise<string | undefined> {
  const child = Bun.spawn([program, "--version"], {
    env: { ...env },
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 10_000,
  });
  return (await child.stdout.text()).split("\n")[0]?.trim() || undefined;
}

/** @returns how a program ended that asks nothing, and what it said */
export async function runCaptured(command: readonly string[], env: Env): Promise<{ code: number; said: string }> {
  const child = Bun.spawn([...command], { env: { ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code: child.exitCode ?? 1, said: `${out}${err}`.trim() };
}

/** @returns the path of this program */
export const ownProgram = (): string => process.execPath;

/**
 * Runs a program in our place: it has our terminal, gets the signals meant for it, and its exit code is returned.
 *
 * A Ctrl-C typed at a terminal reaches the program from the terminal itself, so then it is awaited, not sent again.
 *
 * @param command program and arguments
 * @param env the program's whole environment
 * @returns its exit code; 128 + number when a signal ended it
 */
export async function runForeground(command: readonly string[], env: Env): Promise<number> {
  const child = Bun.spawn([...command], { env: { ...env }, stdio: ["inherit", "inherit", "inherit"] });
  const onTerminal = Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY);
  const forward = (signal: NodeJS.Signals) => () => void child.kill(signal);
  const handlers: [NodeJS.Signals, () => void][] = [
    ["SIGTERM", forward("SIGTERM")],
    ["SIGHUP", forward("SIGHUP")],
    ["SIGINT", onTerminal ? () => undefined : forward("SIGINT")],
    ["SIGQUIT", onTerminal ? () => undefined : forward("SIGQUIT")],
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  try {
    await child.exited;
    const ended = child.signalCode;
    return ended ? 128 + (typeof ended === "number" ? ended : constants.signals[ended]) : (child.exitCode ?? 1);
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}

/** @returns a signal that aborts, with the failure to end with, when the user or the system asks this program to stop */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort(failure.interrupted()));
  process.once("SIGTERM", () => controller.abort(failure.terminated()));
  return controller.signal;
}

/** How often it is looked whether the parent still lives, ms. */
const parentLookMs = 500;

/**
 * Calls back once the program that started us is gone. The system tells nobody, so it is looked at now and then; what
 * shows it is that another process is the parent by then.
 */
export function onceOrphaned(callback: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    callback();
  }, parentLookMs);
  timer.unref();
}

/** Calls back for errors that nobody caught, which end the process otherwise. */
export function onUncaught(callback: (error: unknown) => void): void {
  process.on("uncaughtException", callback);
  process.on("unhandledRejection", callback);
}

/** @returns this process's number */
export const processId = (): number => process.pid;

/** Ends the process now, whatever is still open. */
export function endProcess(code: number): never {
  process.exit(code);
}
