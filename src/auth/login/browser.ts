import type { ForeignEnv } from "../../core/env.ts";
import { CodemieError } from "../../core/errors.ts";
import type { ExpectedRedirect } from "../../core/hints.ts";
import { browserFor, openBrowser } from "../../platform/browser.ts";
import type { Runtime } from "../../platform/runtime.ts";
import { authFailure, type LoginFlag } from "../failures.ts";
import { type Page, pages } from "./callback-page.ts";
import type { Callback, CallbackServer } from "./callback-server.ts";
import { holdMinutes, type PortKeeper } from "./late-callback.ts";
import { pastedCallback } from "./pasted-callback.ts";

/** Messages of a login to the person in the terminal. */
export interface LoginDialogue {
  /** `opened`: we open the browser at the URL, else the person must; `canPaste`: they may paste the callback's URL */
  atUrl(url: string, opened: boolean, canPaste: boolean): void;
  /** the person has to type the code at the address, in any browser */
  atCode(address: string, code: string): void;
  /** Runs work that waits for a host, and says so once that takes a while; absent where nobody watches. */
  readonly awaiting?: (<T>(what: string, work: () => Promise<T>) => Promise<T>) | undefined;
  /** something failed, but the login continues */
  note(text: string): void;
  /**
   * Reads lines that the person pastes, and shows none of them, until one is not refused. Absent where the terminal is
   * not ours to read: it is an agent's, or nobody's.
   *
   * @param refuses true: the line is not the one we wait for, and the person knows why
   * @throws `interrupted` on Ctrl-C; on Escape that too, or what set-up goes back by; the reason of `over`
   */
  readonly readPaste?: ((refuses: (line: string) => boolean, over: AbortSignal) => Promise<void>) | undefined;
}

/** The person's side of a login, whatever its method. */
export interface LoginOptions {
  readonly runtime: Runtime;
  readonly dialogue: LoginDialogue;
  /** time limit of the login, ms */
  readonly timeoutMs: number;
  /** false: print the URL only */
  readonly mayOpenBrowser: boolean;
  /** flags of the command that would help when the time is over, and are not given; default: none */
  readonly unusedFlags?: readonly LoginFlag[];
  /** what the browser may see of the environment */
  readonly browserEnv: ForeignEnv;
  /** stops the login; its reason is the failure to throw */
  readonly stop: AbortSignal;
}

/**
 * Proves and stores what the login brought, and returns a result and the last page for the browser; `isDoubtful`: the
 * person has yet to say whether the login is theirs.
 */
export type Use<C, T> = (credential: C) => Promise<{ result: T; page: Page; isDoubtful?: boolean }>;

/** Steps that some methods take besides. */
export interface Extras {
  /** Lets the person paste the callback's URL; returns why an address of the callback is not this login's. */
  faultOfPaste(callback: URL): string | undefined;
  /** for the hint when nobody comes back */
  readonly expected: ExpectedRedirect;
  /** Takes over the port unless the login succeeds, beyond doubt, with what this user's own browser, or the person, brought. */
  readonly keeper: PortKeeper;
}

/**
 * Sends the person to a URL and waits until the browser returns to the callback server. The server must listen by now,
 * since with a live session the browser returns immediately. This function closes the server, whatever happens.
 *
 * The browser gets an address of the callback server, which leads to the URL: other users of the machine can read a
 * browser's command line, and the URL may hold `state` and `code_challenge`.
 *
 * @param server the callback server
 * @param url where the person logs in
 * @param use handles the callback's URL; the browser shows its failure too
 * @returns the result of `use`
 * @throws `auth_timeout`, the stop signal's failure, and what `use` throws
 */
export async function browserLogin<T>(
  options: LoginOptions,
  server: CallbackServer,
  url: string,
  use: Use<URL, T>,
  { faultOfPaste, expected, keeper }: Partial<Extras> = {},
): Promise<T> {
  const { runtime, dialogue } = options;
  const time = loginDeadline(options, expected);
  const over = new AbortController();
  let end: "failed" | "uncertain" | "own" = "failed";
  try {
    const opens = options.mayOpenBrowser && browserFor(runtime.env).kind !== "none";
    // Start to read before we ask for it: a terminal in line mode would show the pasted secret, and cut it.
    const pasted = faultOfPaste && pastedCallback(dialogue, server.redirect, faultOfPaste, over.signal);
    dialogue.atUrl(url, opens, pasted !== undefined);
    if (opens) {
      try {
        openBrowser(server.leadTo(url), options.browserEnv);
      } catch (error) {
        if (!(error instanceof CodemieError)) throw error;
        dialogue.note(`${error.message}: ${error.hint}`);
      }
    }
    void server.stranger.then((user) => dialogue.note(strangerRefused(user)));
    const ways: Promise<Callback>[] = [server.received, time.over];
    if (pasted) ways.push(pasted);
    const callback = await Promise.race(ways);
    over.abort();
    try {
      const { result, page, isDoubtful } = await Promise.race([use(callback.url), time.over]);
      callback.finish(page);
      end = callback.isTrusted && !isDoubtful ? "own" : "uncertain";
      return result;
    } catch (error) {
      const lines = error instanceof CodemieError ? [error.message, error.hint ?? ""].filter(Boolean) : [];
      callback.finish(pages.failed(...lines));
      throw error;
    }
  } finally {
    over.abort();
    time.end();
    if (end === "own") {
      await server.close();
      await keeper?.release();
    } else {
      const isKept = await server.close(keeper);
      if (keeper && end === "failed") dialogue.note(pageStaysOpen(server.port, isKept));
    }
  }
}

const pageStaysOpen = (port: number, isKept: boolean) =>
  isKept
    ? `close the page of this login; for ${holdMinutes} minutes codemie keeps port ${port}, so that nobody else gets the session the page may still bring`
    : `close the page of this login: it may still bring the session to port ${port}, whoever listens there`;

const strangerRefused = (user: number) =>
  `a program of another user of this machine (${user}) came to the callback of this login, and was refused; if that is your browser, set CODEMIE_BROWSER_UID=${user} and log in again`;

/**
 * @param expected where the provider should send the browser, for the hint
 * @returns `over`: rejects with `auth_timeout` or the stop signal's failure; `signal`: aborts then, with the same reason;
 *   call `end` in any case, it frees the timer
 */
export function loginDeadline(
  { timeoutMs, stop, unusedFlags = [] }: Pick<LoginOptions, "timeoutMs" | "stop" | "unusedFlags">,
  expected?: ExpectedRedirect,
): {
  readonly over: Promise<never>;
  readonly signal: AbortSignal;
  end(): void;
} {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const controller = new AbortController();
  const ended = (reason: unknown) => {
    reject(reason);
    controller.abort(reason);
  };
  const timedOut = () => ended(authFailure.loginTimedOut(Math.round(timeoutMs / 1000), unusedFlags, expected));
  const timer = setTimeout(timedOut, timeoutMs);
  const onStop = () => ended(stop.reason);
  if (stop.aborted) onStop();
  stop.addEventListener("abort", onStop);
  return {
    over: promise,
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      stop.removeEventListener("abort", onStop);
    },
  };
}
