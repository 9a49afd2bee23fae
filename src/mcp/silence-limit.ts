/** A time limit that every sign of life sets back. */
export interface SilenceLimit {
  /** aborts when the time is over, or when its parent does */
  readonly signal: AbortSignal;
  /** a sign of life */
  touch(): void;
  /** the time stands still until the next sign of life */
  hold(): void;
  /** from now on there is so much time left, ms, whatever comes */
  last(ms: number): void;
  /** the work is done: the signal aborts with its parent only */
  end(): void;
}

/**
 * @param ms longest silence; 0 for ever
 * @param parent aborts it too
 * @param reason what the signal aborts with when the time is over
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
