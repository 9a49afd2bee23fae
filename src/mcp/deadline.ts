/** A time limit that every sign of life sets back. */
export interface Deadline {
  /** aborts when the time is over, or when its parent does */
  readonly signal: AbortSignal;
  /** a sign of life */
  touch(): void;
  /** the time stands still until the next sign of life */
  hold(): void;
  end(): void;
}

/**
 * @param ms longest silence; 0 for ever
 * @param parent aborts it too
 * @param reason what the signal aborts with when the time is over
 */
export function deadline(ms: number, parent: AbortSignal, reason: () => Error): Deadline {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const touch = () => {
    clearTimeout(timer);
    if (ms > 0) timer = setTimeout(() => controller.abort(reason()), ms);
  };
  const hold = () => clearTimeout(timer);
  touch();
  return { signal: AbortSignal.any([controller.signal, parent]), touch, hold, end: hold };
}
