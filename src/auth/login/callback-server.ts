import { H3 } from "h3";
import { randomBytes } from "../../core/crypto.ts";
import { aheadHeaders } from "../../core/fetched-ahead.ts";
import type { CallbackChoice } from "../../core/host.ts";
import { within } from "../../core/time.ts";
import { openSocketList, type Peer, type SocketList } from "../../platform/peer.ts";
import { authFailure } from "../failures.ts";
import { type Page, pageHeaders, pages, renderPage } from "./callback-page.ts";
import type { PortKeeper } from "./late-callback.ts";
import { type Handler, type Listeners, listenOnLoopback, type Visit } from "./loopback.ts";

/** The callback of a login: its URL, and how to answer the person who waits in the browser. */
export interface Callback {
  readonly url: URL;
  /** true: this user's own browser, or the person, brought it; false: nobody can tell */
  readonly isTrusted: boolean;
  /** Shows the last page; until then the browser waits. */
  finish(page: Page): void;
}

export interface CallbackOptions extends CallbackChoice {
  /** exact path of the callback */
  readonly path: string;
  /** checks a request to that path; true: it is this login's callback; a page: it is not, and why */
  accept(url: URL): boolean | Page;
  /** true: another process of this user can take over the port without a gap */
  readonly mayShare?: boolean;
  /** the user that the browser runs as, if it is neither this one nor root */
  readonly browserUser: number | undefined;
}

export interface CallbackServer {
  readonly port: number;
  /** the address the provider sends the browser to; its host is `localhost` unless the options name another */
  readonly redirect: URL;
  /** Resolves with the first callback that `accept` takes. */
  readonly received: Promise<Callback>;
  /** Resolves with the number of the first other user whose request was refused. */
  readonly stranger: Promise<number>;
  /** @returns an address of this server that leads to the URL, for command lines, which other users can read */
  leadTo(url: string): string;
  /**
   * Stops listening once the browser has fetched the last page; immediately when no callback came.
   *
   * @param keeper takes over the port, if it can without a gap
   * @returns true when the keeper listens
   */
  close(keeper?: PortKeeper): Promise<boolean>;
}

/** How long `close` waits for the browser to fetch the last page, ms. */
const lastPageMs = 3_000;
/** How long `close` lets the last page flow to the browser, ms; then it closes the browser's idle connections too. */
const flushMs = 200;

const secretPath = (name: string) => `/${name}/${randomBytes(16).toString("base64url")}`;

/**
 * Starts the server for the loopback redirect of one login (RFC 8252 section 7.3). It listens on both loopback
 * addresses (`localhost` may mean either) and on no other. Any request but the callback (another path, method or
 * `Host`, a request from a page's script or image, another user's) gets an error, and can neither end nor spoil the
 * login.
 *
 * The callback's URL holds a secret, so the answer is a redirect: address bar and back button then show another URL.
 *
 * @throws usage error when the port is not free, or none is, or when there is no `::1` to be the callback's host; as
 *   {@link openSocketList}
 */
export function startCallbackServer(options: CallbackOptions): CallbackServer {
  const { path, accept, browserUser, callbackHost = "localhost" } = options;
  const received = Promise.withResolvers<Callback>();
  const stranger = Promise.withResolvers<number>();
  const lastPage = Promise.withResolvers<Page>();
  const lastPageFetched = Promise.withResolvers<void>();
  const startPath = secretPath("start");
  const resultPath = secretPath("done");
  let destination: string | undefined;
  let hasStarted = false;
  let taken = false;
  let port = 0;

  const app = new H3({ silent: true });
  app.all("/**", async ({ req, context }) => {
    const url = new URL(req.url);
    if (req.method !== "GET") return plain(405, "only GET", { allow: "GET" });
    if (![path, startPath, resultPath].includes(url.pathname)) return plain(404, "not found");
    if (!isNavigation(req.headers)) return plain(403, "only a page a person opened");
    if (url.pathname === resultPath) {
      (context.visit as Visit).mayWait();
      const page = await lastPage.promise;
      lastPageFetched.resolve();
      return renderPage(page);
    }
    if (taken) return renderPage(pages.over());
    if (url.pathname === startPath) {
      if (destination === undefined) return plain(404, "not found");
      // Where nobody can tell who asks, another user may have read this address: then the person has to see that.
      if (hasStarted && !context.isTrusted) return renderPage(pages.startedBefore(), 410);
      hasStarted = true;
      return redirect(destination);
    }
    const verdict = accept(url);
    if (verdict !== true) return renderPage(verdict || pages.unreadable(), 400);
    taken = true;
    received.resolve({ url, isTrusted: context.isTrusted === true, finish: (page) => lastPage.resolve(page) });
    return redirect(resultPath);
  });

  const sockets = openSocketList();
  const handle: Handler = (visit) => {
    // Check `Host` first: with an empty or malformed one, even parsing the request's URL may fail.
    if (!isOurHost(visit.request.headers.get("host"), port)) return plain(421, "wrong host");
    const peer = peerOf(visit, sockets, browserUser);
    if (peer.kind === "stranger") stranger.resolve(peer.user);
    if (peer.kind !== "trusted" && peer.kind !== "unknown")
      return plain(403, "not your login", { connection: "close" });
    return app.request(visit.request, undefined, { visit, isTrusted: peer.kind === "trusted" });
  };
  const listeners = listenOrClose(sockets, handle, options);
  port = listeners.port;
  sockets.checkThatItShows({ address: "127.0.0.1", port });
  return {
    port,
    redirect: new URL(`http://${callbackHost === "::1" ? "[::1]" : callbackHost}:${port}${path}`),
    received: received.promise,
    stranger: stranger.promise,
    leadTo(url) {
      destination = url;
      return `http://127.0.0.1:${port}${startPath}`;
    },
    async close(keeper) {
      if (taken) {
        lastPage.resolve(pages.unfinished());
        await within(lastPageMs, lastPageFetched.promise);
      }
      const kept = keeper?.takeOver() ?? Promise.resolve(false);
      if (listeners.isShared) await kept;
      if (taken) await within(flushMs, listeners.stop(false));
      await listeners.stop(true);
      sockets.close();
      return await kept;
    },
  };
}

function listenOrClose(sockets: SocketList, handler: Handler, options: CallbackOptions): Listeners {
  try {
    const { callbackHost, callbackPort = 0, mayShare = false } = options;
    const listeners = listenOnLoopback(handler, callbackPort, mayShare);
    if (callbackHost !== "::1" || listeners.isOnIpv6) return listeners;
    void listeners.stop(true);
    throw authFailure.noIpv6Callback();
  } catch (error) {
    sockets.close();
    throw error;
  }
}

/** Whose program asks. */
function peerOf(visit: Visit, sockets: SocketList, browserUser: number | undefined): Peer {
  const ends = visit.ends();
  return ends ? sockets.peerOf(ends.peer, ends.own, browserUser) : { kind: "gone" };
}

/** A redirect to another page; the browser then shows that one's address. */
const redirect = (location: string) => new Response(null, { status: 303, headers: { ...pageHeaders, location } });

/** Guards against DNS rebinding: under any other name, a foreign page in the browser may be talking to us. */
function isOurHost(host: string | null, port: number): boolean {
  const name = host?.endsWith(`:${port}`) ? host.slice(0, -`:${port}`.length) : port === 80 ? host : undefined;
  return name === "localhost" || name === "127.0.0.1" || name === "[::1]";
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
