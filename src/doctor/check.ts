import { asCodemieError, type CodemieError, systemCode } from "../core/errors.ts";
import { networkFailure } from "../platform/network.ts";

/** How a check ended; `skipped`: it did not apply. */
export type Status = "ok" | "warning" | "failed" | "skipped";

/** The finding of a check. */
export interface Finding {
  readonly status: Status;
  /** the state of things, one line */
  readonly message: string;
  /** what to do about it; undefined for nothing */
  readonly hint?: string | undefined;
}

/** One thing to check. */
export interface Check {
  /** stable, for scripts */
  readonly id: string;
  /** for people */
  readonly title: string;
  /** the host that it waits for, if any */
  readonly asks?: string | undefined;
  /** @param signal aborts when the check's time is over */
  run(signal: AbortSignal): Promise<Finding>;
}

/** The result of a finished check: its finding, and how long it took, ms. */
export type Result = Finding & { readonly id: string; readonly title: string; readonly ms: number };

/** @returns the finding that all is well */
export const ok = (message: string): Finding => ({ status: "ok", message });
/** @returns the finding that the check does not apply, and why */
export const skipped = (message: string): Finding => ({ status: "skipped", message });
/** @returns a finding that may do harm later */
export const warning = (message: string, hint?: string): Finding => ({ status: "warning", message, hint });
/** @returns the finding that something does not work */
export const failed = (message: string, hint?: string): Finding => ({ status: "failed", message, hint });
/** @returns the finding that a check failed with this error */
export const failedWith = ({ message, hint }: CodemieError): Finding => failed(message, hint);

/**
 * Runs all checks concurrently.
 *
 * @param limitMs how long one may take, ms; one that takes longer fails
 * @param done called with each result as its check ends
 * @returns the results, in the checks' order; a check that failed for the reason of an earlier one is skipped and names
 *   it
 */
export async function examine(
  checks: readonly Check[],
  limitMs: number,
  done: (result: Result) => void = () => undefined,
): Promise<Result[]> {
  const results = await Promise.all(
    checks.map(async ({ id, title, asks, run }) => {
      const start = performance.now();
      const finding = await withLimit(run, limitMs, asks);
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

/** An error of the system or the network says something of the machine or the host, and is no defect of ours. */
function unfinished(error: unknown, asks: string | undefined): Finding {
  const code = systemCode(error);
  if (code === "") return failedWith(asCodemieError(error));
  if (asks !== undefined) return failedWith(networkFailure(asks, error));
  return failed(`the system does not let codemie look (${code})`, "check the owner and mode of codemie's folder");
}

async function withLimit(run: Check["run"], limitMs: number, asks: string | undefined): Promise<Finding> {
  const over = Promise.withResolvers<Finding>();
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort();
    const silent = asks === undefined ? "no result" : `${asks} does not answer: nothing came`;
    over.resolve(failed(`${silent} within ${limitMs / 1000} s`, "try again; if it happens again, check the network"));
  }, limitMs);
  try {
    return await Promise.race([run(controller.signal).catch((error) => unfinished(error, asks)), over.promise]);
  } finally {
    clearTimeout(timer);
  }
}
