/** Waits this many ms, or until the signal aborts; it does not throw. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const over = Promise.withResolvers<void>();
  const end = () => over.resolve();
  const timer = setTimeout(end, ms);
  signal.addEventListener("abort", end);
  await over.promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", end);
}

/** Waits until the event loop has gone round: timers, input, signals and other work that is ready come first. */
export async function nextRound(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/**
 * Waits until a promise settles, either way, but at most this many ms; it does not throw.
 *
 * @returns true when it settled in time
 */
export async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const over = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => over.resolve(false), ms);
  const settled = () => true;
  const isInTime = await Promise.race([promise.then(settled, settled), over.promise]);
  clearTimeout(timer);
  return isInTime;
}

/**
 * Waits for work under way, or until the signal aborts.
 *
 * @param work undefined: returns immediately
 * @param fails true: throws the work's error here too; false: ignores it, since whoever started the work handles it
 * @throws the signal's reason, and the work's error where `fails`
 */
export async function orAborted(work: Promise<void> | undefined, signal: AbortSignal, fails = false): Promise<void> {
  if (!work) return;
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([fails ? work : work.catch(() => undefined), aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    aborted.promise.catch(() => undefined);
  }
}

/**
 * @param failures how many tries in a row have failed
 * @returns ms to wait before the next try: doubles from 1 s to 30 s, give or take 15 % at random
 */
export function backoffMs(failures: number): number {
  return Math.min(longestPauseMs, 1_000 * 2 ** failures) * (0.85 + 0.3 * Math.random());
}

/** The longest pause between two tries, ms. A stream that stayed open for longer succeeded, even without an event. */
const longestPauseMs = 30_000;

/** Counts the streams in a row that failed or brought no event, and delays the request for the next one accordingly. */
export class Streak {
  #failures = 0;
  #openedAt = 0;

  /** Call it when a stream has opened. */
  opened(): void {
    this.#openedAt = performance.now();
  }

  /**
   * Call it when a stream has ended.
   *
   * @param events how many events it brought; a short stream without any counts as a failure
   */
  ended(events: number): void {
    if (events > 0 || performance.now() - this.#openedAt > longestPauseMs) this.#failures = 0;
    else this.#failures++;
  }

  /** Call it when opening or reading a stream failed. */
  failed(): void {
    this.#failures++;
  }

  /**
   * @param retryMs the pause the server asks for, ms
   * @returns how long to wait before the next request, ms
   */
  pauseMs(retryMs: number | undefined): number {
    if (this.#failures === 0) return retryMs ?? backoffMs(0);
    return Math.max(retryMs ?? 0, backoffMs(this.#failures - 1));
  }
}
