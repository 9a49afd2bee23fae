import { randomBytes } from "node:crypto";
import { H3 } from "h3";
import { systemCode } from "../../core/errors.ts";
import { aheadHeaders } from "../../core/fetched-ahead.ts";
import { within } from "../../core/time.ts";
import { authFailure } from "../failures.ts";
import { type Page, pageHeaders, pages, renderPage } from "./callback-page.ts";

/** The callback of a login: its URL, and how to answer the person who waits in the browser. */
export interface Callback {
  readonly url: URL;
  /** Shows the last page; until then the browser waits. */
  finish(page: Page): void;
}

export interface CallbackServer {
  readonly port: number;
  /** Resolves with the first callback that `accept` takes. */
  readonly received: Promise<Callback>;
  /** Stops listening once the browser has fetched the last page; immediately when no callback came. */
  close(): Promise<void>;
}

/** How long `close` waits for the browser to fetch the last page, ms. */
const lastPageMs = 3_000;
/** How long `close` lets the last page flow to the browser, ms; then it closes the browser's idle connections too. */
const flushMs = 200;
/** How often we try to find a port that is free on both loopback addresses. */
const portAttempts = 20;

/**
 * Starts the server for the loopback redirect of one login (RFC 8252 section 7.3). It listens on both loopback
 * addresses (`localhost` may mean either) and on no other. Any request but the callback (another path, method or
 * `Host`, a request from a page's script or image) gets an error, and can neither end nor spoil the login.
 *
 * The callback's URL holds a secret, so the answer is a redirect: address bar and back button then show another URL.
 *
 * @param path exact path of the callback
 * @param accept checks a request to that path; false: it is not this login's callback
 * @param fixedPort the port to listen on; 0: any free one
 * @throws usage error when the port is not free, or none is
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

  // Check `Host` first: with an empty or malformed one, even parsing the request's URL may fail.
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

/** Listens on one port of `127.0.0.1` and, if the machine has it, of `::1`. */
function listenOnLoopback(fetch: Handler, fixedPort: number): { port: number; stop(force: boolean): Promise<void> } {
  const listen = (hostname: string, port: number) =>
    // Without `reusePort: false`, other processes of this user could share the port and get some of the requests.
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

/** Guards against DNS rebinding: under any other name, a foreign page in the browser may be talking to us. */
function isOurHost(host: string | null, port: number): boolean {
  return host === `localhost:${port}` || host === `127.0.0.1:${port}` || host === `[::1]:${port}`;
}

/** True for a navigation by Fetch Metadata headers, and for clients that do not send these headers. */
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
