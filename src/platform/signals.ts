import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { type CodemieError, failure } from "../core/errors.ts";

/**
 * Handles signals; no other place in this program does. It leaves a hang-up ignored if we were started that way
 * (`nohup`).
 *
 * @returns a function that stops handling them
 */
export function onSignals(signals: readonly NodeJS.Signals[], handle: (signal: NodeJS.Signals) => void): () => void {
  const handled = signals.filter((signal) => signal !== "SIGHUP" || !ignoresHangUp());
  const handlers = handled.map((signal) => [signal, () => handle(signal)] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

/** Signals that ask this program to stop. */
const stops: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** @returns the failure to end with after such a signal */
const stoppedBy = (signal: NodeJS.Signals): CodemieError =>
  signal === "SIGINT" ? failure.interrupted() : failure.terminated();

/** How long an ended terminal leaves us to finish, ms: to revoke what nobody keeps, for example. */
const hangUpMs = 5_000;

/**
 * Ends this program once its terminal is gone, whatever still waits: the runtime reads from such a terminal for ever, and
 * a question there is never answered.
 */
function endAfterHangUp(signal: NodeJS.Signals): void {
  if (signal === "SIGHUP") setTimeout(() => process.exit(stoppedBy(signal).exitCode), hangUpMs).unref();
}

/**
 * @returns a signal that aborts when the user or the system asks this program to stop; its reason is the failure to end
 *   with. A second request ends the program immediately
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const leave = onSignals(stops, (signal) => {
    leave();
    endAfterHangUp(signal);
    controller.abort(stoppedBy(signal));
  });
  return controller.signal;
}

/**
 * Runs work that a request to stop ends; a second one ends the program. Afterwards signals have the effect that they had before.
 *
 * @param work gets a signal that aborts as {@link stopSignal}'s does
 * @returns the result of `work`
 * @throws whatever `work` throws
 */
export async function untilStopped<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const leave = onSignals(stops, (signal) => {
    if (controller.signal.aborted) process.exit(stoppedBy(signal).exitCode);
    endAfterHangUp(signal);
    controller.abort(stoppedBy(signal));
  });
  try {
    return await work(controller.signal);
  } finally {
    leave();
  }
}

/** The signals that ask this program to stop, one after the other, for a command that first has work to finish. */
export class StopRequests {
  readonly #leave: () => void;
  #came: NodeJS.Signals[] = [];
  #wake: () => void = () => undefined;

  constructor() {
    this.#leave = onSignals(stops, (signal) => {
      this.#came.push(signal);
      this.#wake();
    });
  }

  /** Waits for the next signal. */
  async next(): Promise<NodeJS.Signals> {
    for (;;) {
      const signal = this.#came.shift();
      if (signal) return signal;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Stops handling signals: from now on they end the program again. */
  end(): void {
    this.#leave();
  }
}

/** @returns the exit code of a program that a signal ended */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/** @returns true when this program was started with hang-ups ignored, as `nohup` does; only Linux tells us */
function ignoresHangUp(): boolean {
  try {
    const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return (BigInt(`0x${ignored ?? 0}`) & 1n) === 1n; // SIGHUP is signal 1, the lowest bit
  } catch {
    return false;
  }
}
