import type { Env, ForeignEnv } from "../core/env.ts";
import { within } from "../core/time.ts";
import { openToWrite } from "./private.ts";
import { untilStopped } from "./signals.ts";

export const onWindows = process.platform === "win32";

/**
 * @returns the path of this program; after an update, that of the one in its place: on Linux the system then adds a word to
 *   the path of a program that runs
 */
export const ownProgram = (): string =>
  process.platform === "linux" ? process.execPath.replace(/ \(deleted\)$/, "") : process.execPath;

/**
 * The runtime's `fetch` runs 256 requests at a time and lets others wait, unless this is in the environment at its
 * start.
 */
const manyRequests = { BUN_CONFIG_MAX_HTTP_REQUESTS: "65535" } as const;

/**
 * Starts this program again, in a session of its own, so that it keeps running when this one and its terminal end.
 *
 * @param args its arguments; it has to write one line to standard output once it is ready
 * @param options `env`: its environment; `stdin`: its standard input, if any; `log`: file for its standard error, mode
 *   0600
 * @returns the line, or undefined when it ended without one
 * @throws `interrupted`, `terminated` when this program is stopped before it has the line; it then stops the started
 *   one too; as {@link openToWrite} for `log`; the system's error when the program cannot be started
 */
export async function startDetached(
  args: readonly string[],
  { env, stdin, log }: { env: Env; stdin: string | undefined; log: string },
): Promise<string | undefined> {
  const handle = await openToWrite(log, false);
  try {
    await handle.truncate();
    return await untilStopped(async (stop) => {
      const child = Bun.spawn([ownProgram(), ...args], {
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

/** A started program that waits for its input to end, and with it for us. */
export interface Helper {
  /**
   * Ends its input, and waits for one line of its output, after which it has to write nothing.
   *
   * @param patienceMs how long the line may take, ms; after that it goes on alone
   * @returns true when it has written the line; never throws
   */
  proceed(patienceMs: number): Promise<boolean>;
  /** Kills it; resolves when it has ended. */
  end(): Promise<void>;
}

/**
 * Starts this program again, in a session of its own and without our input and outputs, so that nobody waits for it to
 * end.
 *
 * @param args its arguments
 * @param env its whole environment
 * @returns undefined when it cannot be started
 */
export function startHelper(args: readonly string[], env: ForeignEnv): Helper | undefined {
  try {
    const child = Bun.spawn([ownProgram(), ...args], {
      argv0: "codemie",
      env: { ...env },
      cwd: "/",
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    });
    child.unref();
    return {
      async proceed(patienceMs) {
        const reader = child.stdout.getReader();
        const line = reader.read().catch(() => ({ value: undefined }));
        let isReady = false;
        void child.stdin.end();
        await within(
          patienceMs,
          line.then(({ value }) => {
            isReady = value !== undefined;
          }),
        );
        await reader.cancel();
        return isReady;
      },
      async end() {
        child.ref();
        child.kill("SIGKILL");
        await child.exited;
      },
    };
  } catch {
    return undefined;
  }
}

/** How often we check that the parent is still alive, ms. */
const parentLookMs = 500;

/**
 * Calls back once the program that started us is gone. The system does not notify us, so we poll: when the parent dies,
 * `ppid` changes.
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

/** Calls back for every uncaught error; without a callback, such an error ends the process. */
export function onUncaught(callback: (error: unknown) => void): void {
  process.on("uncaughtException", callback);
  process.on("unhandledRejection", callback);
}

/** @returns this process's number */
export const processId = (): number => process.pid;

/** Ends the process immediately, whatever is still open. */
export function endProcess(code: number): never {
  process.exit(code);
}
