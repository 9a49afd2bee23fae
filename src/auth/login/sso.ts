import { apiFailure } from "../../api/failures.ts";
import { judge } from "../../api/judge.ts";
import type { Host } from "../../core/host.ts";
import { networkFailure } from "../../platform/network.ts";
import { browserUser } from "../../platform/peer.ts";
import type { Runtime } from "../../platform/runtime.ts";
import { type CookieSet, takeSessionCookies } from "../cookies.ts";
import { authFailure } from "../failures.ts";
import { browserLogin, type LoginDialogue, type LoginOptions, type Use } from "./browser.ts";
import { type Page, pages } from "./callback-page.ts";
import { startCallbackServer } from "./callback-server.ts";
import { type Handoff, handoffPath, readHandoff } from "./handoff.ts";
import { startPortKeeper } from "./late-callback.ts";

export interface SsoOptions extends LoginOptions {
  readonly host: Host;
  /**
   * true: start at oauth2-proxy's own login, which asks the identity provider again. The login route would return the
   * session that the browser still has, even if the token inside it has expired (CodeMie fact 2.6).
   */
  readonly anew?: boolean;
}

/** Time limit for checking the login route, ms. */
const lookMs = 15_000;

/**
 * Logs in through the host's own single sign-on: the CodeMie hand-off (CodeMie fact 2.1).
 *
 * @param use gets the session cookies, proves and stores them, and returns a result and the last page
 * @returns the result of `use`
 * @throws `auth_timeout`, `auth_refused`, `unreachable`, `tls`, `wrong_base_url`, `server_error`, the stop signal's
 *   failure, and what `use` throws
 */
export async function loginBySso<T>(options: SsoOptions, use: Use<CookieSet, T>): Promise<T> {
  const { host, runtime, dialogue } = options;
  const server = startCallbackServer({
    path: handoffPath,
    accept: handoffWithSession(host, dialogue),
    mayShare: true,
    browserUser: browserUser(runtime.env),
  });
  const keeper = startPortKeeper(server.port, options.browserEnv);
  const route = `${host.api}/v1/auth/login/${server.port}`;
  const url = options.anew ? `${host.origin}/oauth2/start?rd=${encodeURIComponent(new URL(route).pathname)}` : route;
  try {
    const look = () => lookAtLoginRoute(host, url, runtime);
    await (dialogue.awaiting ? dialogue.awaiting(host.origin, look) : look());
  } catch (error) {
    await server.close();
    await keeper.release();
    throw error;
  }
  return await browserLogin(options, server, url, (callback) => use(sessionOf(callback, host)), {
    faultOfPaste: (callback) => faultOf(callback, host),
    keeper,
  });
}

/** @returns why a pasted address of this login's callback brings no session; undefined when it brings one */
function faultOf(url: URL, host: Host): string | undefined {
  const handoff = readHandoff(url);
  if (!handoff) return "its token is missing, damaged or cut off";
  return lacksSession(handoff) ? authFailure.noSessionHandedOver(host.origin, handoff.provider).message : undefined;
}

/** True when a hand-off holds no session, not even one that cannot be used. */
function lacksSession({ cookies = {} }: Handoff): boolean {
  const taken = takeSessionCookies(cookies);
  return "set" in taken && Object.keys(taken.set).length === 0;
}

/**
 * Accepts a hand-off that may hold a session. One without comes from a host that has none to give, or from any page that
 * the browser shows: the person reads so, and the login goes on.
 */
function handoffWithSession(host: Host, dialogue: LoginDialogue): (url: URL) => boolean | Page {
  let isTold = false;
  return (url) => {
    const handoff = readHandoff(url);
    if (!handoff) return false;
    if (!lacksSession(handoff)) return true;
    const { message, hint = "" } = authFailure.noSessionHandedOver(host.origin, handoff.provider);
    if (!isTold) dialogue.note(`${message}: ${hint}`);
    isTold = true;
    return pages.failed(message, hint);
  };
}

function sessionOf(url: URL, host: Host): CookieSet {
  const handoff = readHandoff(url);
  const taken = takeSessionCookies(handoff?.cookies ?? {});
  if ("unsafe" in taken) throw authFailure.unsafeCookie(host.origin, taken.unsafe);
  if (Object.keys(taken.set).length === 0) {
    throw authFailure.noSessionHandedOver(host.origin, handoff?.provider ?? "unknown");
  }
  return taken.set;
}

/**
 * Requests the login route without a credential, as the browser will. A wrong, unreachable or untrusted address fails
 * now and not after two minutes of waiting.
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
    throw apiFailure.wrongBaseUrl(
      host.origin,
      answer.status === 405 ? "it answered 405 at its login address" : "it sent a web page",
    );
  }
  if (answer.status === 404) throw apiFailure.wrongBaseUrl(host.origin, "it answered 404 at its login address");
  if (verdict === "failed") throw apiFailure.server(host.origin, answer.status);
}
