import { setTimeout } from "node:timers/promises";
import type { ForeignEnv } from "../../core/env.ts";
import { CodemieError } from "../../core/errors.ts";
import { parsePort, parseSeconds } from "../../core/parse.ts";
import { startHelper } from "../../platform/self.ts";
import { pageHeaders, pages, renderPage } from "./callback-page.ts";
import type { CallbackServer } from "./callback-server.ts";
import { listenOnLoopback } from "./loopback.ts";

/** Our first argument when we run only to hold a port, as `main` knows it; it is no command for people. */
const holdCommand = "hold-callback";

/**
 * How long the port of a login that nobody finished stays ours, minutes. By default oauth2-proxy forgets a login after
 * 15 minutes (`cookie-csrf-expire`), and then the browser's tab brings nothing any more.
 */
export const holdMinutes = 15;

/** How long the helper may take to listen, ms: on an idle machine it starts in a hundredth of that. */
const startMs = 5_000;
const retryMs = 20;

/**
 * Leaves the port of a login that nobody finished to a helper, which outlives us. Otherwise the tab that is still open
 * would bring the session to the next program that listens there, of any user.
 *
 * @param server the callback server, still listening; it may be closed now
 * @param env the helper's environment
 * @returns true when the helper listens; never throws
 */
export async function holdPort(server: CallbackServer, env: ForeignEnv): Promise<boolean> {
  const args = [holdCommand, String(server.port), String(holdMinutes * 60)];
  const isReady = startHelper(args, env, startMs);
  if (!server.isShared) await server.close();
  return await isReady;
}

/**
 * The helper: listens on a port, tells every browser that it comes too late, and ends. It ends at its time and not with
 * the first visitor, who may be another user and wait for the port.
 *
 * @param args port and seconds, as {@link holdPort} gives them
 * @param ready called once it listens
 * @returns the exit code
 */
export async function holdCallback(args: readonly string[], ready: () => void): Promise<number> {
  const port = parsePort(args[0] ?? "");
  const seconds = parseSeconds(args[1] ?? "");
  if (!port || !seconds) return 2;
  const end = performance.now() + seconds * 1_000;
  while (!listensAt(port)) {
    if (performance.now() > end) return 1;
    await setTimeout(retryMs); // the login's own process still has the port
  }
  ready();
  await setTimeout(end - performance.now());
  return 0;
}

const pagePath = "/late";

function listensAt(port: number): boolean {
  try {
    listenOnLoopback(
      // The redirect takes the session out of the browser's address bar.
      ({ request }) =>
        URL.parse(request.url)?.pathname === pagePath
          ? renderPage(pages.tooLate())
          : new Response(null, { status: 303, headers: { ...pageHeaders, location: pagePath } }),
      port,
      true,
    );
    return true;
  } catch (error) {
    if (error instanceof CodemieError) return false;
    throw error;
  }
}
