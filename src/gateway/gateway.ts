import type { Model } from "../api/schemas.ts";
import { type Credentials, type Lease, renewals } from "../auth/credentials.ts";
import { randomBytes } from "../core/crypto.ts";
import { systemCode } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { Secret } from "../core/secret.ts";
import type { HeaderRecord, HttpClient } from "../http1/message.ts";
import { discard, forward, loggedOut, replayableBody, type UpstreamOutcome, upstreamUrl } from "./attempt.ts";
import { watchForRefusal } from "./betas.ts";
import { asGatewayError, Denied, errorResponse, GatewayError } from "./errors.ts";
import { gatewayFailure } from "./failures.ts";
import { keyCheck, originGuard, usualGuards } from "./guard.ts";
import { fixedHeaders, upstreamHeaders } from "./headers.ts";
import { addedCalls, callOf, dialectOf, type IncomingRequest, isModelCall } from "./paths.ts";
import type { Relay } from "./relay/relay.ts";
import { routerOf } from "./router.ts";
import { gatewayRoutes } from "./routes.ts";

export interface GatewayOptions {
  readonly host: Host;
  readonly credentials: Credentials;
  /** `X-CodeMie-*` headers of every request */
  readonly ownHeaders: Readonly<Record<string, string>>;
  /** the way to the host */
  readonly upstream: HttpClient;
  /** time until an answer must begin (a short one: until it must be complete), ms; 0 for ever */
  readonly timeoutMs: number;
  /** port to listen on, 0 for a random one */
  readonly port: number;
  /** paths the profile adds to the model API */
  readonly extraPaths?: readonly string[];
  /** called with betas of Anthropic's API that the host refuses */
  readonly betasRefused?: ((betas: readonly string[]) => void | Promise<void>) | undefined;
  /** called after each request, as {@link LoginTold} says */
  readonly loginTold?: LoginTold | undefined;
  /** the models this account may use, for `GET …/models` */
  readonly models: () => Promise<readonly Model[]>;
  /** leads MCP clients to their servers; none by default */
  readonly relay?: Relay | undefined;
}

/**
 * Is told of the login after a request.
 *
 * @param ended what happened and what to do when the login is over; else undefined
 * @param lease the credential that the host took; undefined when the login is over
 */
export type LoginTold = (ended: string | undefined, lease?: Lease) => void;

export interface Gateway {
  /** base URL for the agent */
  readonly url: string;
  /** the key of this run: 256 random bits, base64url */
  readonly key: Secret;
  /** what comes before the percent-encoded address of an MCP server; holds the relay's key. Undefined without a relay */
  readonly relay: Secret | undefined;
  /** how many requests were forwarded, and how many refused, so far */
  readonly counts: { forwarded: number; denied: number };
  /** Refuses new requests and waits until the running ones have ended, at most `ms`. */
  drain(ms: number): Promise<void>;
  /** Stops listening and breaks what still runs. */
  close(): Promise<void>;
}

/** How often the gateway checks whether it is idle, ms. */
const idleMs = 3_000;

/**
 * Starts the local gateway on a loopback port.
 *
 * @throws `port_taken`
 */
export function startGateway(options: GatewayOptions): Gateway {
  const { host, credentials, betasRefused, loginTold, relay } = options;
  const key = new Secret(randomBytes(32).toString("base64url"));
  const counts = { forwarded: 0, denied: 0 };
  // Only a CodeMie host gets the X-CodeMie-* headers; a model provider does not.
  const isCodemie = host.kind === "codemie";
  const fixedFor = fixedHeaders(isCodemie ? options.ownHeaders : {});
  const hasKey = keyCheck(key.reveal());
  const guards = usualGuards(hasKey, () => draining);
  const isAdded = addedCalls(options.extraPaths ?? []);
  const route = routerOf(gatewayRoutes({ guards, hasKey, counts, models: options.models, isAdded, callHost }));
  let guardOrigin: ReturnType<typeof originGuard>;
  let draining = false;
  let served = 0;

  /** Every request enters here, and every failure becomes an answer here. */
  async function handle(raw: Request): Promise<Response> {
    served++;
    const id = crypto.randomUUID();
    try {
      const headers: HeaderRecord = raw.headers.toJSON();
      const call = callOf(raw);
      guardOrigin(headers, call?.method === "GET" && relay?.isForBrowser(call.path) === true);
      if (!call) throw new GatewayError(400, "codemie gateway: the request's target is not a path");
      const incoming = { id, call, headers, raw };
      // Through the router, each model call would cost a tenth more: docs/decisions/h3-and-the-hot-path.md.
      if (isModelCall(call)) return await modelCall(incoming);
      return await (relay?.takes(call.path) ? relayed(relay, incoming) : route(incoming));
    } catch (error) {
      if (error instanceof Denied) counts.denied++;
      return errorResponse(dialectOf(callOf(raw)?.path ?? "/", raw.headers.toJSON()), error, id);
    }
  }

  /** The order of a model call: guard, then {@link callHost}, which injects the credential and forwards the request. */
  function modelCall(incoming: IncomingRequest): Promise<Response> {
    for (const guard of guards.keyed) guard(incoming);
    return callHost(incoming);
  }

  /** The relay looks for its own key, since `Authorization` is for the MCP server, and for the gateway's only in one header. */
  function relayed(relay: Relay, incoming: IncomingRequest): Promise<Response> {
    for (const guard of guards.open) guard(incoming);
    const given = incoming.headers["x-api-key"];
    return relay.answer(incoming, key.reveal(), given !== undefined && hasKey({ "x-api-key": given }));
  }

  /** Puts the credential on a request and forwards it; again with each newer credential, until an answer begins. */
  async function callHost({ id, call, headers: incoming, raw }: IncomingRequest): Promise<Response> {
    counts.forwarded++;
    let outcome: UpstreamOutcome | undefined;
    try {
      const announced = incoming["content-length"];
      const length = announced === undefined ? undefined : Number(announced);
      const body = await replayableBody(raw, length);
      const { method, signal } = raw;
      const url = upstreamUrl(host, call);
      let lease = await credentials.current();
      for (let left = renewals; ; left--) {
        const fixed = fixedFor(lease.authorize);
        const headers = upstreamHeaders(incoming, fixed);
        if (isCodemie) headers["x-codemie-request-id"] = id;
        const { proofs } = lease.authorize;
        if (proofs) headers.dpop = await proofs.proof(method, url);
        outcome = await forward({ method, url, headers, fixed, body, length, signal }, options);
        if (outcome.kind === "failed") throw outcome.error;
        const wantsNonce = await proofs?.heard(url, outcome.status, outcome.headers);
        // Store the cookies before the agent gets the first byte: the old session may no longer work.
        if (outcome.setCookies.length > 0) await credentials.capture(lease, outcome.setCookies);
        if (outcome.kind === "answer") {
          loginTold?.(undefined, lease);
          return betasRefused
            ? watchForRefusal(outcome.response, incoming["anthropic-beta"], betasRefused)
            : outcome.response;
        }
        if (outcome.kind === "doubtful") {
          if (await credentials.confirm?.(lease)) return outcome.response;
          discard(outcome.response.body);
        }
        if (wantsNonce && left > 0 && !(body instanceof ReadableStream)) continue;
        const newer = left === 0 ? undefined : await credentials.renew(lease);
        if (!newer || body instanceof ReadableStream) throw loggedOut(host, lease);
        lease = newer;
      }
    } catch (error) {
      if (outcome && "response" in outcome) discard(outcome.response.body);
      const { status, message } = asGatewayError(error);
      if (status === 401) loginTold?.(message);
      throw error;
    }
  }

  const server = listen(options.port, handle);
  const port = Number(server.port);
  guardOrigin = originGuard(port);
  let collected = 0;
  const idle = setInterval(() => {
    // After busy times, collect garbage once: the runtime alone would keep the memory for hours.
    if (served === collected || server.pendingRequests > 0) return;
    collected = served;
    Bun.gc(true);
  }, idleMs);
  idle.unref();
  return {
    url: `http://127.0.0.1:${port}`,
    key,
    relay: relay && new Secret(`http://127.0.0.1:${port}/~${relay.key}/mcp_auth?original=`),
    counts,
    async drain(ms) {
      draining = true;
      void server.stop();
      const over = Date.now() + ms;
      // The runtime raises no event when its last request ends.
      while (server.pendingRequests > 0 && Date.now() < over) await Bun.sleep(20);
    },
    async close() {
      clearInterval(idle);
      await server.stop(true);
      options.upstream.close();
      relay?.close();
    },
  };
}

function listen(port: number, handle: (request: Request) => Response | Promise<Response>) {
  try {
    return Bun.serve({
      hostname: "127.0.0.1",
      port,
      reusePort: false, // outside development the runtime would share the port with others of this user
      idleTimeout: 0, // a stream may be silent for as long as a model thinks
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      fetch: handle,
      error: () =>
        errorResponse("openai", new GatewayError(500, "codemie gateway: internal error"), crypto.randomUUID()),
    });
  } catch (error) {
    const code = systemCode(error);
    if (code === "EADDRINUSE" || code === "EACCES") throw gatewayFailure.portTaken(port, code === "EACCES");
    throw error;
  }
}
