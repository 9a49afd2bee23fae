import type { ForeignEnv } from "../../core/env.ts";
import { CodemieError } from "../../core/errors.ts";
import { browserFor, openBrowser } from "../../platform/browser.ts";
import type { Runtime } from "../../platform/runtime.ts";
import { authFailure } from "../failures.ts";
import { type Page, pages } from "./callback-page.ts";
import type { Callback, CallbackServer } from "./callback-server.ts";

/** How a login talks to the person in the terminal. */
export interface LoginDialogue {
  /** the browser is being opened at the URL (`opened`), or the person has to do it */
  atUrl(url: string, opened: boolean, canPaste: boolean): void;
  /** a short code to be typed at an address, in a browser anywhere */
  atCode(address: string, code: string): void;
  /** something went differently and the login goes on */
  note(text: string): void;
}

/** The person's side of a login, whatever its method. */
export interface LoginOptions {
  readonly runtime: Runtime;
  readonly dialogue: LoginDialogue;
  /** ms until the login is given up */
  readonly timeoutMs: number;
  /** false: print the URL only */
  readonly mayOpenBrowser: boolean;
  /** what the browser may see of the environment */
  readonly browserEnv: ForeignEnv;
  /** aborts with the failure to end with */
  readonly stop: AbortSignal;
}

/** Proves and stores what came back, and says what the browser shows in the end. */
export type Use<C, T> = (credential: C) => Promise<{ result: T; page: Page }>;

/**
 * Sends the person to a URL and waits for the browser to come back to the callback server, which listens already: a live
 * session comes back at once. The server is closed in the end, whatever happens.
 *
 * @param server where the browser comes back to
 * @param url where the person logs in
 * @param use what to do with the callback's URL; its failure is shown in the browser too
 * @param paste another way for the callback to arrive: pasted into the terminal
 * @returns what `use` returned
 * @throws `auth_timeout`, the stop signal's failure, and what `use` throws
 */
export async function browserLogin<T>(
  options: LoginOptions,
  server: CallbackServer,
  url: string,
  use: Use<URL, T>,
  paste?: (over: AbortSignal) => Promise<Callback>,
): Promise<T> {
  const { runtime, dialogue } = options;
  const time = loginDeadline(options);
  const over = new AbortController();
  try {
    const opens = options.mayOpenBrowser && browserFor(runtime.env).kind !== "none";
    const pastes = paste !== undefined && runtime.terminal.interactive && !opens;
    // Before the person is told of it: a terminal that is not read key by key yet shows what is pasted, and cuts it.
    const pasted = pastes ? paste(over.signal) : undefined;
    dialogue.atUrl(url, opens, pastes);
    if (opens) {
      try {
        openBrowser(url, options.browserEnv);
      } catch (error) {
        if (!(error instanceof CodemieError)) throw error;
        dialogue.note(`${error.message}: ${error.hint}`);
      }
    }
    const ways: Promise<Callback>[] = [server.received, time.over];
    if (pasted) ways.push(pasted);
    const callback = await Promise.race(ways);
    try {
      const { result, page } = await Promise.race([use(callback.url), time.over]);
      callback.finish(page);
      return result;
    } catch (error) {
      const lines = error instanceof CodemieError ? [error.message, error.hint ?? ""].filter(Boolean) : [];
      callback.finish(pages.failed(...lines));
      throw error;
    }
  } finally {
    over.abort();
    time.end();
    await server.close();
  }
}

/** @returns a promise that rejects when the time is over or the person stops; `end` it in any case */
export function loginDeadline({ timeoutMs, stop }: Pick<LoginOptions, "timeoutMs" | "stop">): {
  readonly over: Promise<never>;
  end(): void;
} {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const timer = setTimeout(() => reject(authFailure.loginTimedOut(Math.round(timeoutMs / 1000))), timeoutMs);
  const onStop = () => reject(stop.reason);
  if (stop.aborted) onStop();
  stop.addEventListener("abort", onStop);
  return {
    over: promise,
    end() {
      clearTimeout(timer);
      stop.removeEventListener("abort", onStop);
    },
  };
}
