import { randomBytes, randomUUID } from "node:crypto";
import { H3 } from "h3";
import { type Credentials, renewals } from "../auth/broker.ts";
import { asCodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { Secret } from "../core/secret.ts";
import type { Fetch } from "../platform/network.ts";
import { errorResponse } from "./errors.ts";
import { forward, loggedOut, type Outcome, replayableBody } from "./forward.ts";
import { guardKey, guardOrigin } from "./guard.ts";
import { upstreamHeaders } from "./inject.ts";
import { dialectOf, modelRoute } from "./paths.ts";

export interface GatewayOptions {
  readonly host: Host;
  readonly credentials: Credentials;
  /** `X-CodeMie-*` headers of every request */
  readonly ownHeaders: Readonly<Record<string, string>>;
  readonly fetch: Fetch;
  /** ms to wait for the first byte of an answer, 0 for ever */
  readonly timeoutMs: number;
}

export interface Gateway {
  /** base URL for the agent */
  readonly url: string;
  /** the key of this run: 256 random bits, base64url */
  readonly key: Secret;
  /** how many requests were forwarded, and how many refused, so far */
  readonly counts: { forwarded: number; denied: number };
  /** Stops listening and breaks what still runs. */
  close(): Promise<void>;
}

/**
 * Starts the local gateway on a random loopback port. A request passes guard → inject → forward, in this order
 * and in this one place.
 */
export function startGateway(options: GatewayOptions): Gateway {
  const key = new Secret(randomBytes(32).toString("base64url"));
  const counts = { forwarded: 0, denied: 0 };
  let port = 0;

  async function model(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const dialect = dialectOf(pathname);
    const requestId = randomUUID();
    const refuse = (error: Parameters<typeof errorResponse>[1]) => errorResponse(dialect, error, requestId);

    const refused = guardKey(request.headers, key.reveal());
    if (refused) {
      counts.denied++;
      return refuse(refused);
    }
    if (!modelRoute(request.method, pathname)) {
      return refuse({
        status: 404,
        message: `codemie gateway: ${request.method} ${pathname} is not part of the model API`,
      });
    }
    counts.forwarded++;
    const own = options.host.kind === "codemie" ? { ...options.ownHeaders, "x-codemie-request-id": requestId } : {};
    try {
      const outcome = await send(request, own);
      return outcome.kind === "answer" ? outcome.response : refuse(errorOf(outcome));
    } catch (error) {
      const failed = asCodemieError(error);
      return refuse({ status: failed.exitCode === 4 ? 401 : 500, message: `${failed.message}; ${failed.hint ?? ""}` });
    }
  }

  /** Inject and forward; once more with each newer credential while nothing has reached the agent. */
  async function send(request: Request, own: Record<string, string>): Promise<Outcome> {
    const { credentials } = options;
    const body = await replayableBody(request);
    let lease = await credentials.current();
    for (let left = renewals; ; left--) {
      const outcome = await forward(request, body, upstreamHeaders(request.headers, own, lease.authorize), options);
      // Stored before the first byte goes on: the old session may be spent already.
      if (outcome.kind !== "failed") await credentials.capture(lease, outcome.setCookies);
      if (outcome.kind !== "logged-out" || left === 0) return outcome;
      const newer = await credentials.renew(lease);
      if (!newer || body instanceof ReadableStream) return outcome;
      lease = newer;
    }
  }

  const errorOf = (outcome: Exclude<Outcome, { kind: "answer" }>) =>
    outcome.kind === "failed" ? outcome.error : loggedOut(options.host);

  const app = new H3({ silent: true });
  app.get("/health", () => Response.json({ status: "ok" }));
  // Claude Code asks this at its start, without a key, to see whether somebody listens.
  app.head("/", () => new Response(null));
  app.all("/**", ({ req }) => model(req));

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0, // a stream may be silent for as long as a model thinks
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    development: false,
    fetch: (request) => {
      const refused = guardOrigin(request.headers, port);
      if (refused) counts.denied++;
      return refused ? errorResponse("openai", refused, randomUUID()) : app.fetch(request);
    },
    error: () => errorResponse("openai", { status: 500, message: "codemie gateway: internal error" }, randomUUID()),
  });
  port = Number(server.port);
  return { url: `http://127.0.0.1:${port}`, key, counts, close: () => server.stop(true) };
}
