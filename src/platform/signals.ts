import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { type CodemieError, failure } from "../core/errors.ts";

/**
 * Handles signals until it is told to leave them: the one place where this program does. A hang-up that whoever started us
 * had us ignore (`nohup`) stays ignored.
 *
 * @returns leaves the signals as they were
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

/** @returns the failure that a run ends with after such a signal */
const stoppedBy = (signal: NodeJS.Signals): CodemieError =>
  signal === "SIGINT" ? failure.interrupted() : failure.terminated();

/**
 * @returns a signal that aborts, with the failure to end with, when the user or the system asks this program to stop; asked a
 *   second time, it ends at once
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const leave = onSignals(stops, (signal) => {
    leave();
    controller.abort(stoppedBy(signal));
  });
  return controller.signal;
}

/**
 * Runs something that a stop ends, and leaves the signals as they were afterwards.
 *
 * @param work gets a signal as {@link stopSignal}'s
 */
export async function untilStopped<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const leave = onSignals(stops, (signal) => controller.abort(stoppedBy(signal)));
  try {
    return await work(controller.signal);
  } finally {
    leave();
  }
}

/** The signals that ask this program to stop, one after the other, for programs that have something to finish. */
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
    this.#leave();
  }
}

/** @returns the exit code of a program that a signal ended */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
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
