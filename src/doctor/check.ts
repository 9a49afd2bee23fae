import { asCodemieError, type CodemieError } from "../core/errors.ts";

export type Status = "ok" | "warning" | "failed" | "skipped";

/** What a check found. */
export interface Finding {
  readonly status: Status;
  /** what is so, one line */
  readonly message: string;
  /** what to do about it */
  readonly hint?: string | undefined;
}

/** One thing to look at. */
export interface Check {
  /** stable, for scripts */
  readonly id: string;
  /** for people */
  readonly title: string;
  /** @param signal aborts when the check's time is over */
  run(signal: AbortSignal): Promise<Finding>;
}

/** A check that was made: its finding, and how long it took, ms. */
export type Result = Finding & { readonly id: string; readonly title: string; readonly ms: number };

export const ok = (message: string): Finding => ({ status: "ok", message });
export const skipped = (message: string): Finding => ({ status: "skipped", message });
export const warning = (message: string, hint?: string): Finding => ({ status: "warning", message, hint });
export const failed = (message: string, hint?: string): Finding => ({ status: "failed", message, hint });
export const failedWith = ({ message, hint }: CodemieError): Finding => failed(message, hint);

/**
 * Makes all checks at once.
 *
 * @param limitMs how long one may take, ms; one that takes longer has failed
 * @param done told of each as it ends
 * @returns the results, in the checks' order; what failed for a reason that was named before says so
 */
export async function examine(
  checks: readonly Check[],
  limitMs: number,
  done: (result: Result) => void = () => undefined,
): Promise<Result[]> {
  const results = await Promise.all(
    checks.map(async ({ id, title, run }) => {
      const start = performance.now();
      const finding = await withLimit(run, limitMs);
      const result = { ...finding, id, title, ms: Math.round(performance.now() - start) };
      done(result);
      return result;
    }),
  );
  return results.map((result, at) => {
    const first = results.slice(0, at).find((one) => one.status === "failed" && result.message.includes(one.message));
    if (result.status !== "failed" || !first) return result;
    return { ...result, status: "skipped", message: `fails for the same reason: see ${first.title}`, hint: undefined };
  });
}

async function withLimit(run: Check["run"], limitMs: number): Promise<Finding> {
  const over = Promise.withResolvers<Finding>();
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort();
    over.resolve(failed(`no result within ${limitMs / 1000} s`, "try again; if it happens again, check the network"));
  }, limitMs);
  try {
    return await Promise.race([
      run(controller.signal).catch((error) => failedWith(asCodemieError(error))),
      over.promise,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
