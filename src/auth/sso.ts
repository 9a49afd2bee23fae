import { judge } from "../api/judge.ts";
import { CodemieError, failure } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { browserFor, openBrowser } from "../platform/browser.ts";
import { networkFailure } from "../platform/network.ts";
import type { Env, Runtime } from "../platform/runtime.ts";
import type { Page } from "./callback-page.ts";
import { type Callback, startCallbackServer } from "./callback-server.ts";
import { type CookieSet, takeSessionCookies } from "./cookies.ts";
import { handoffPath, readHandoff, readPastedUrl } from "./handoff.ts";

/** How the login talks to the person in the terminal. */
export interface LoginDialogue {
  /** the browser is being opened at the URL (`opened`), or the person has to do it */
  atUrl(url: string, opened: boolean, canPaste: boolean): void;
  /** something went differently and the login goes on */
  note(text: string): void;
}

export interface SsoOptions {
  readonly host: Host;
  readonly runtime: Runtime;
  readonly dialogue: LoginDialogue;
  /** ms until the login is given up */
  readonly timeoutMs: number;
  /**
   * true: begin at the front's own login, which asks the identity provider anew. The login route would hand back the
   * session the browser still has, also when the token inside it is dead (CodeMie fact 2.6).
   */
  readonly anew?: boolean;
  /** false: print the URL only */
  readonly mayOpenBrowser: boolean;
  /** aborts with the failure to end with */
  readonly stop: AbortSignal;
}

/** How long the look at the login route may take, ms. */
const lookMs = 15_000;

/**
 * Logs in through the host's own single sign-on: the CodeMie hand-off (CodeMie fact 2.1).
 *
 * @param options host, person, time
 * @param use gets the session cookies, proves and stores them, and says what the browser shows in the end
 * @returns what `use` returned
 * @throws `auth_timeout`, `auth_refused`, `unreachable`, `tls`, `wrong_base_url`, the stop signal's failure, and what
 *   `use` throws
 */
export async function loginBySso<T>(
  options: SsoOptions,
  use: (cookies: CookieSet) => Promise<{ result: T; page: Page }>,
): Promise<T> {
  const { host, runtime, dialogue, timeoutMs } = options;
  // The server listens before the browser opens: a live session at the host comes back at once.
  const server = startCallbackServer(handoffPath, (url) => readHandoff(url) !== undefined);
  const over = new AbortController();
  try {
    const route = `${host.api}/v1/auth/login/${server.port}`;
    const loginUrl = options.anew
      ? `${host.origin}/oauth2/start?rd=${encodeURIComponent(new URL(route).pathname)}`
      : route;
    await lookAtLoginRoute(host, loginUrl, runtime);
    const opens = options.mayOpenBrowser && browserFor(runtime.env).kind !== "none";
    const pastes = runtime.terminal.interactive && !opens;
    dialogue.atUrl(loginUrl, opens, pastes);
    if (opens) await startBrowser(loginUrl, runtime.env, dialogue);

    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => undefined);
    const timer = setTimeout(() => ended.reject(failure.loginTimedOut(Math.round(timeoutMs / 1000))), timeoutMs);
    const onStop = () => ended.reject(options.stop.reason);
    if (options.stop.aborted) onStop();
    options.stop.addEventListener("abort", onStop);
    over.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      options.stop.removeEventListener("abort", onStop);
    });
    const ways: Promise<Callback>[] = [server.received, ended.promise];
    if (pastes) ways.push(pasted(server.port, runtime, dialogue, over.signal));
    const callback = await Promise.race(ways);
    return await Promise.race([answer(callback, host, use), ended.promise]);
  } finally {
    over.abort();
    await server.close();
  }
}

async function answer<T>(
  callback: Callback,
  host: Host,
  use: (cookies: CookieSet) => Promise<{ result: T; page: Page }>,
): Promise<T> {
  try {
    const { result, page } = await use(sessionOf(callback.url, host));
    callback.finish(page);
    return result;
  } catch (error) {
    const lines = error instanceof CodemieError ? [error.message, error.hint ?? ""] : ["Look at your terminal."];
    callback.finish({ good: false, title: "Not logged in", lines: lines.filter(Boolean) });
    throw error;
  }
}

function sessionOf(url: URL, host: Host): CookieSet {
  const handoff = readHandoff(url);
  const taken = takeSessionCookies(handoff?.cookies ?? {});
  if ("unsafe" in taken) throw failure.unsafeCookie(host.origin, taken.unsafe);
  if (Object.keys(taken.set).length === 0) {
    throw failure.noSessionHandedOver(host.origin, handoff?.provider ?? "unknown");
  }
  return taken.set;
}

/**
 * Asks for the login route without a credential, as the browser will: an address that is wrong, cannot be reached or
 * not be trusted is said now and not after two minutes of waiting.
 */
async function lookAtLoginRoute(host: Host, loginUrl: string, runtime: Runtime): Promise<void> {
  let answer: Response;
  try {
    answer = await runtime.fetch(loginUrl, {
      headers: { accept: "text/html" },
      signal: AbortSignal.timeout(lookMs),
    });
  } catch (error) {
    throw networkFailure(host.origin, error);
  }
  await answer.body?.cancel();
  const verdict = judge(answer, true);
  if (verdict === "wrong-base-url") {
    throw failure.wrongBaseUrl(host.origin, answer.status === 405 ? "405 at its login address" : "it sent a web page");
  }
  if (answer.status === 404) throw failure.wrongBaseUrl(host.origin, "404 at its login address");
  if (verdict === "failed") throw failure.server(host.origin, answer.status);
}

async function startBrowser(url: string, env: Env, dialogue: LoginDialogue): Promise<void> {
  try {
    await openBrowser(url, env);
  } catch (error) {
    if (!(error instanceof CodemieError)) throw error;
    dialogue.note(`${error.message}: ${error.hint}`);
  }
}

/** Waits for the person to paste the address the browser ended at; what is no such address is said and asked for again. */
async function pasted(port: number, runtime: Runtime, dialogue: LoginDialogue, over: AbortSignal): Promise<Callback> {
  for (;;) {
    const line = await runtime.terminal.readLine({ echo: false, signal: over });
    const url = readPastedUrl(line, port);
    if (url && readHandoff(url)) return { url, finish: () => undefined };
    if (line)
      dialogue.note(`that is not the address of this login: it begins with http://localhost:${port}/auth?token=`);
  }
}
