import { setTimeout } from "node:timers/promises";
import type { ForeignEnv } from "../../core/env.ts";
import { CodemieError } from "../../core/errors.ts";
import { parsePort, parseSeconds } from "../../core/parse.ts";
import { startHelper } from "../../platform/self.ts";
import { pageHeaders, pages, renderPage } from "./callback-page.ts";
import { listenOnLoopback } from "./loopback.ts";

/** Our first argument when we run only to hold a port, as `main` knows it; it is no command for people. */
const holdCommand = "hold-callback";

/**
 * How long the port of a login that did not succeed stays ours, minutes. By default oauth2-proxy forgets a login after
 * 15 minutes (`cookie-csrf-expire`), and then the browser's tab brings nothing any more.
 */
export const holdMinutes = 15;

/** How long the helper may take to listen, ms: on an idle machine it starts in a hundredth of that. */
const startMs = 5_000;
const retryMs = 20;

/** A helper that waits, and that keeps the login's port once we have ended, however that happens. */
export interface PortKeeper {
  /** Lets it listen, and outlive us. Resolves with true once it listens; never rejects. */
  takeOver(): Promise<boolean>;
  /** Ends it; the port is then free once we close it. */
  release(): Promise<void>;
}

/**
 * Starts the helper for the port of a login. Without it, a tab that is still open after the login would bring the
 * session to the next program that listens there, of any user. It starts before anybody can know the port: later,
 * others may have used up our descriptors with connections, and `kill -9` leaves no time.
 *
 * @param env the helper's environment
 */
export function startPortKeeper(port: number, env: ForeignEnv): PortKeeper {
  const helper = startHelper([holdCommand, String(port), String(holdMinutes * 60)], env);
  return {
    takeOver: async () => (await helper?.proceed(startMs)) ?? false,
    release: async () => await helper?.end(),
  };
}

/**
 * The helper: once its input ends, and so the login or its process, it listens on a port and tells every browser that
 * it comes too late. It ends at its time and not with the first visitor, who may be another user and wait for the port.
 *
 * @param args port and seconds, as {@link startPortKeeper} gives them
 * @param inputEnded resolves at the end of our input
 * @param ready called once it listens
 * @returns the exit code
 */
export async function holdCallback(
  args: readonly string[],
  inputEnded: () => Promise<void>,
  ready: () => void,
): Promise<number> {
  const port = parsePort(args[0] ?? "");
  const seconds = parseSeconds(args[1] ?? "");
  if (!port || !seconds) return 2;
  await inputEnded();
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
