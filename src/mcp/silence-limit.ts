/** A time limit that restarts with every sign of life from the server. */
export interface SilenceLimit {
  /** aborts when the time is over, or when the parent aborts */
  readonly signal: AbortSignal;
  /** a sign of life: starts the time again */
  touch(): void;
  /** stops the time until the next sign of life */
  hold(): void;
  /** sets the remaining time, ms; signs of life no longer change it */
  last(ms: number): void;
  /** the work is done: stops the time for good */
  end(): void;
}

/**
 * @param ms longest silence, ms; 0: for ever
 * @param parent aborts the limit's signal too
 * @param reason makes the error that the signal aborts with when the time is over
 * @returns the limit; its time runs from now
 */
export function silenceLimit(ms: number, parent: AbortSignal, reason: () => Error): SilenceLimit {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let [fixed, ended] = [false, false];
  const arm = (left: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(reason()), left);
  };
  const touch = () => {
    if (ms > 0 && !fixed && !ended) arm(ms);
  };
  const hold = () => {
    if (!fixed) clearTimeout(timer);
  };
  const last = (left: number) => {
    if (!fixed && !ended) arm(left);
    fixed = true;
  };
  const end = () => {
    ended = true;
    clearTimeout(timer);
  };
  touch();
  return { signal: AbortSignal.any([controller.signal, parent]), touch, hold, last, end };
}

/** Resolves when the signal aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
