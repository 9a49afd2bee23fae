import { randomBytes } from "node:crypto";
import { H3 } from "h3";
import { systemCode } from "../../core/errors.ts";
import { aheadHeaders } from "../../core/fetched-ahead.ts";
import { within } from "../../core/time.ts";
import { authFailure } from "../failures.ts";
import { type Page, pageHeaders, pages, renderPage } from "./callback-page.ts";

/** A login that came back: its URL, and how to answer the person who waits in the browser. */
export interface Callback {
  readonly url: URL;
  /** Shows the last page; the browser waits for it meanwhile. */
  finish(page: Page): void;
}

export interface CallbackServer {
  readonly port: number;
  /** Settles with the first callback that `accept` takes. */
  readonly received: Promise<Callback>;
  /** Stops listening once the last page has been fetched, or at once when no callback came. */
  close(): Promise<void>;
}

/** How long `close` waits for the browser to fetch the last page, ms. */
const lastPageMs = 3_000;
/** How long the last page may take from us to the browser, ms; idle connections of the browser end with it. */
const flushMs = 200;
/** Attempts to find a port that is free on both loopback addresses. */
const portAttempts = 20;

/**
 * Starts the one-shot server a login ends at. It listens on both loopback addresses (`localhost` may mean either) and
 * on no other. Whatever is not the callback (another path, method or `Host`, a request a page's script or image made)
 * is answered and forgotten; it can neither end nor spoil the login.
 *
 * The callback's URL holds the secret, so it is answered with a redirect: the address bar and the back button keep the
 * page behind it.
 *
 * @param path exact path of the callback
 * @param accept looks at a candidate's URL; false means it is not a callback after all
 * @param fixedPort the port to listen on; 0: any that is free
 * @throws usage error when the port cannot be had
 */
export function startCallbackServer(path: string, accept: (url: URL) => boolean, fixedPort = 0): CallbackServer {
  const received = Promise.withResolvers<Callback>();
  const lastPage = Promise.withResolvers<Page>();
  const lastPageFetched = Promise.withResolvers<void>();
  const resultPath = `/done/${randomBytes(16).toString("base64url")}`;
  let taken = false;
  let port = 0;

  const app = new H3({ silent: true });
  app.all("/**", async ({ req }) => {
    const url = new URL(req.url);
    if (req.method !== "GET") return plain(405, "only GET", { allow: "GET" });
    if (url.pathname !== path && url.pathname !== resultPath) return plain(404, "not found");
    if (!isNavigation(req.headers)) return plain(403, "only a page a person opened");
    if (url.pathname === resultPath) {
      const page = await lastPage.promise;
      lastPageFetched.resolve();
      return renderPage(page);
    }
    if (taken) return renderPage(pages.over());
    if (!accept(url)) {
      return renderPage(pages.unreadable(), 400);
    }
    taken = true;
    received.resolve({ url, finish: (page) => lastPage.resolve(page) });
    return new Response(null, { status: 303, headers: { ...pageHeaders, location: resultPath } });
  });

  // The host comes first: under an empty or odd one the request's URL need not even parse.
  const servers = listenOnLoopback(
    (request) => (isOurHost(request.headers.get("host"), port) ? app.fetch(request) : plain(421, "wrong host")),
    fixedPort,
  );
  port = servers.port;
  return {
    port,
    received: received.promise,
    async close() {
      if (taken) {
        lastPage.resolve(pages.unfinished());
        await within(lastPageMs, lastPageFetched.promise);
        await within(flushMs, servers.stop(false));
      }
      await servers.stop(true);
    },
  };
}

type Handler = (request: Request) => Response | Promise<Response>;

/** One port on `127.0.0.1` and, where the machine has it, `::1`. */
function listenOnLoopback(fetch: Handler, fixedPort: number): { port: number; stop(force: boolean): Promise<void> } {
  const listen = (hostname: string, port: number) =>
    // Outside development the runtime would share the port with others of this user, and some answers would be theirs.
    Bun.serve({
      hostname,
      port,
      reusePort: false,
      idleTimeout: 0,
      maxRequestBodySize: 65_536,
      development: false,
      fetch,
    });
  for (let attempt = 1; ; attempt++) {
    const v4 = fixedPort === 0 ? listen("127.0.0.1", 0) : listenAt(fixedPort, listen);
    const port = Number(v4.port);
    try {
      const v6 = listen("::1", port);
      return {
        port,
        stop: async (force) => void (await Promise.all([v4.stop(force), v6.stop(force)])),
      };
    } catch (error) {
      if (systemCode(error) !== "EADDRINUSE") return { port, stop: (force) => v4.stop(force) };
      void v4.stop(true);
      if (fixedPort !== 0) throw authFailure.callbackPortInUse(fixedPort);
      if (attempt === portAttempts) throw authFailure.noCallbackPort();
    }
  }
}

function listenAt<T>(port: number, listen: (hostname: string, port: number) => T): T {
  try {
    return listen("127.0.0.1", port);
  } catch {
    throw authFailure.callbackPortInUse(port);
  }
}

/** Under any other name a page in the browser may be talking to us through a forged DNS answer. */
function isOurHost(host: string | null, port: number): boolean {
  return host === `localhost:${port}` || host === `127.0.0.1:${port}` || host === `[::1]:${port}`;
}

/** Browsers mark what a person navigates to (Fetch Metadata); requests without the marks come from no such browser. */
function isNavigation(headers: Headers): boolean {
  const mode = headers.get("sec-fetch-mode");
  const destination = headers.get("sec-fetch-dest");
  const isMarkedSo = (mode === null || mode === "navigate") && (destination === null || destination === "document");
  // A page may have any address fetched ahead, and the browser calls that a navigation too.
  return isMarkedSo && !aheadHeaders.some((name) => headers.has(name));
}

function plain(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, {
    status,
    headers: { ...pageHeaders, "content-type": "text/plain; charset=utf-8", ...headers },
  });
}
