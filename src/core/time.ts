/** Waits so many ms, or until the signal aborts. */
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

/** Waits until a promise is settled, however, but for this many ms at most. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, ms);
  await Promise.race([promise.catch(() => undefined), over.promise]);
  clearTimeout(timer);
}

/**
 * Waits for work under way, or until the signal aborts.
 *
 * @param fails whether its error is thrown here too; else whoever started the work handles it
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

/** @returns ms to wait before the n-th try (from 0): doubling from a second to half a minute, a little uneven */
export function backoffMs(failures: number): number {
  return Math.min(longestPauseMs, 1_000 * 2 ** failures) * (0.85 + 0.3 * Math.random());
}

/** The longest pause between two tries, ms; a stream that was open for longer was one, though nothing came on it. */
const longestPauseMs = 30_000;

/** Counts the streams in a row that failed or came to nothing, so that the next is not asked for at once. */
export class Streak {
  #failures = 0;
  #openedAt = 0;

  /** A stream is open. */
  opened(): void {
    this.#openedAt = performance.now();
  }

  /** @param events how many events came: a stream without one that did not last either is no better than none */
  ended(events: number): void {
    if (events > 0 || performance.now() - this.#openedAt > longestPauseMs) this.#failures = 0;
    else this.#failures++;
  }

  failed(): void {
    this.#failures++;
  }

  /** @param retryMs what the server asks for, ms */
  pauseMs(retryMs: number | undefined): number {
    if (this.#failures === 0) return retryMs ?? backoffMs(0);
    return Math.max(retryMs ?? 0, backoffMs(this.#failures - 1));
  }
}
