import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { constants } from "node:os";
import { delimiter, isAbsolute } from "node:path";
import { setTimeout } from "node:timers/promises";
import { failure, systemCode } from "../core/errors.ts";

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

/** How a program that was asked for a text ended. */
export type Answer =
  | { readonly ended: "normally"; readonly code: number; readonly output: Uint8Array }
  | { readonly ended: "not-started" | "timeout" | "too-long" };

/** How long a program that was told to end may take to put the terminal in order, and its output to come to an end, ms. */
const graceMs = 1_000;

/**
 * Runs a program for what it prints. It may talk to the person: standard error is ours, and standard input too where it
 * is a terminal (what is piped into us is not for it). It runs in the root folder, since nothing in the current one may
 * decide what it does.
 *
 * @param command absolute path of the program, and its arguments; no shell
 * @param env its whole environment
 * @param patienceMs how long it may take, ms; then it is killed
 * @param limit longest output, bytes; a longer one gets it killed
 */
export async function ask(
  command: readonly string[],
  env: Env,
  { patienceMs, limit }: { patienceMs: number; limit: number },
): Promise<Answer> {
  const stdin = process.stdin.isTTY ? "inherit" : "ignore";
  let child: Bun.Subprocess<typeof stdin, "pipe", "inherit">;
  try {
    child = Bun.spawn([...command], { env: { ...env }, cwd: "/", stdio: [stdin, "pipe", "inherit"] });
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
  // The handlers stand before the program does: a signal that comes in between must not end us and leave it behind.
  let child: Bun.Subprocess | undefined;
  const early: NodeJS.Signals[] = [];
  const onTerminal = Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY);
  const forward = (signal: NodeJS.Signals) => () => void (child ? child.kill(signal) : early.push(signal));
  const handlers: [NodeJS.Signals, () => void][] = [
    ["SIGTERM", forward("SIGTERM")],
    ...(ignoresHangUp() ? [] : [["SIGHUP", forward("SIGHUP")] as [NodeJS.Signals, () => void]]),
    ["SIGINT", onTerminal ? () => undefined : forward("SIGINT")],
    ["SIGQUIT", onTerminal ? () => undefined : forward("SIGQUIT")],
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  try {
    child = Bun.spawn([...command], { env: { ...env }, stdio: ["inherit", "inherit", "inherit"] });
    for (const signal of early) child.kill(signal);
    await child.exited;
    const ended = child.signalCode;
    return ended ? (typeof ended === "number" ? 128 + ended : exitCodeOf(ended)) : (child.exitCode ?? 1);
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}

/**
 * Runs something that a stop ends, and leaves the signals as they were afterwards.
 *
 * @param work gets a signal as {@link stopSignal}'s
 */
export async function untilStopped<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => controller.abort(failure.interrupted());
  const terminate = () => controller.abort(failure.terminated());
  process.on("SIGINT", interrupt).on("SIGTERM", terminate);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", terminate);
  }
}

/** @returns true when whoever started this program had it ignore hang-ups, as `nohup` does; known on Linux only */
function ignoresHangUp(): boolean {
  try {
    const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return (BigInt(`0x${ignored ?? 0}`) & 1n) === 1n; // SIGHUP is signal 1, the lowest bit
  } catch {
    return false;
  }
}

/** The signals that ask this program to stop, one after the other, for programs that have something to finish. */
export class StopRequests {
  readonly #handlers: [NodeJS.Signals, () => void][];
  #came: NodeJS.Signals[] = [];
  #wake: () => void = () => undefined;

  constructor() {
    const signals = (["SIGINT", "SIGTERM", "SIGHUP"] as const).filter((one) => one !== "SIGHUP" || !ignoresHangUp());
    this.#handlers = signals.map((signal) => [
      signal,
      () => {
        this.#came.push(signal);
        this.#wake();
      },
    ]);
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
  }

  /** @returns the next signal, once it has come */
  async next(): Promise<NodeJS.Signals> {
    for (;;) {
      const signal = this.#came.shift();
      if (signal) return signal;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** From now on signals end the program again. */
  end(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }
}

/** @returns the exit code of a program that a signal ended */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** @returns true for a path that means something open in this process only, such as bash's `<(…)`; it is read once */
export const isDescriptor = (path: string): boolean => /^\/(dev\/fd|proc)\//.test(path);

/** The runtime's `fetch` sends 256 requests at once and lets the others wait, unless this stands in the environment at its start. */
const manyRequests = { BUN_CONFIG_MAX_HTTP_REQUESTS: "65535" } as const;

/**
 * Starts this program once more, in a session of its own, so that it lives on when this one and its terminal end.
 *
 * @param args its arguments; it has to write one line to standard output once it is ready
 * @param options `stdin`: what it reads; `log`: file its standard error goes to, mode 0600
 * @returns the line, or undefined when it ended without one
 * @throws `interrupted`, `terminated` when this program is stopped before the line has come; the started one ends too
 */
export async function startDetached(
  args: readonly string[],
  { env, stdin, log }: { env: Env; stdin: string | undefined; log: string },
): Promise<string | undefined> {
  const handle = await open(log, "w", 0o600);
  try {
    return await untilStopped(async (stop) => {
      const child = Bun.spawn([process.execPath, ...args], {
        argv0: "codemie",
        env: { ...env, ...manyRequests },
        stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
        stdout: "pipe",
        stderr: handle.fd,
        detached: true,
      });
      child.unref();
      stop.addEventListener("abort", () => child.kill("SIGTERM"));
      let text = "";
      const decoder = new TextDecoder();
      for await (const chunk of child.stdout) {
        text += decoder.decode(chunk, { stream: true });
        if (!stop.aborted && text.includes("\n")) return text.slice(0, text.indexOf("\n"));
      }
      stop.throwIfAborted();
      return undefined;
    });
  } finally {
    await handle.close();
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

/** @returns a signal that aborts, with the failure to end with, when the user or the system asks this program to stop */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort(failure.interrupted()));
  for (const signal of ["SIGTERM", "SIGHUP"] as const) {
    if (signal === "SIGHUP" && ignoresHangUp()) continue;
    process.once(signal, () => controller.abort(failure.terminated()));
  }
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
