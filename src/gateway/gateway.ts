import { randomBytes, randomUUID } from "node:crypto";
import type { Model } from "../api/schemas.ts";
import { type Credentials, renewals } from "../auth/broker.ts";
import { asCodemieError, systemCode } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { Secret } from "../core/secret.ts";
import type { HeaderRecord, HttpClient } from "../http1/message.ts";
import { discard, forward, loggedOut, replayableBody, type UpstreamOutcome, upstreamUrl } from "./attempt.ts";
import { errorResponse, type GatewayError } from "./errors.ts";
import { gatewayFailure } from "./failures.ts";
import { type Guard, guardForm, keyGuard, originGuard } from "./guard.ts";
import { fixedHeaders, upstreamHeaders } from "./headers.ts";
import { type LocalRoute, localRoutes } from "./local-routes.ts";
import { type Call, callOf, dialectOf, modelCalls } from "./paths.ts";

export interface GatewayOptions {
  readonly host: Host;
  readonly credentials: Credentials;
  /** `X-CodeMie-*` headers of every request */
  readonly ownHeaders: Readonly<Record<string, string>>;
  /** the way to the host */
  readonly upstream: HttpClient;
  /** ms to wait for an answer to begin, or for all of it where it is short; 0 for ever */
  readonly timeoutMs: number;
  /** port to listen on, 0 for a random one */
  readonly port: number;
  /** paths the profile adds to the model API */
  readonly extraPaths?: readonly string[];
  /** the models this account may use, for `GET …/models`; without it the question goes upstream */
  readonly models?: () => Promise<readonly Model[]>;
}

export interface Gateway {
  /** base URL for the agent */
  readonly url: string;
  /** the key of this run: 256 random bits, base64url */
  readonly key: Secret;
  /** how many requests were forwarded, and how many refused, so far */
  readonly counts: { forwarded: number; denied: number };
  /** Refuses new requests and waits until the running ones have ended, at most `ms`. */
  drain(ms: number): Promise<void>;
  /** Stops listening and breaks what still runs. */
  close(): Promise<void>;
}

/** How often the gateway looks whether it has nothing to do, ms. */
const idleMs = 3_000;

/**
 * Starts the local gateway on a loopback port.
 *
 * @throws `port_taken`
 */
export function startGateway(options: GatewayOptions): Gateway {
  const key = new Secret(randomBytes(32).toString("base64url"));
  const guardKey = keyGuard(key.reveal());
  const counts = { forwarded: 0, denied: 0 };
  // A model provider is told nothing of CodeMie's.
  const isCodemie = options.host.kind === "codemie";
  const fixedFor = fixedHeaders(isCodemie ? options.ownHeaders : {});
  const isModelCall = modelCalls(options.extraPaths ?? []);
  const localRoute = localRoutes({ ...options, counts, guardKey });
  let guardOrigin: Guard;
  let draining = false;
  let served = 0;

  /** What happens to every request, in this order and in this one place: guard → inject → forward → audit. */
  function handle(request: Request): Response | Promise<Response> {
    served++;
    const headers: HeaderRecord = request.headers.toJSON();
    const call = callOf(request);
    const stranger = guardOrigin(headers);
    if (stranger) return deny(call, stranger);
    if (!call) return refuse(call, { status: 400, message: "codemie gateway: the request's target is not a path" });
    const local = localRoute(call, headers);
    const intruder = local?.open ? undefined : guardKey(headers);
    if (intruder) return deny(call, intruder);
    const malformed = draining ? stopping : guardForm(call.method, headers);
    if (malformed) return refuse(call, malformed);
    if (local) return answerHere(call, local, headers);
    if (!isModelCall(call)) return refuse(call, unknownCall(call));
    counts.forwarded++;
    return send(call, request, headers);
  }

  function deny(call: Call | undefined, error: GatewayError): Response {
    counts.denied++;
    return refuse(call, error);
  }

  async function answerHere(call: Call, route: LocalRoute, headers: HeaderRecord): Promise<Response> {
    try {
      return (await route.answer(headers)) ?? refuse(call, unknownCall(call));
    } catch (error) {
      return refuse(call, asGatewayError(error));
    }
  }

  /** Inject and forward; once more with each newer credential while nothing has reached the agent. */
  async function send(call: Call, request: Request, incoming: HeaderRecord): Promise<Response> {
    const { credentials, host } = options;
    const requestId = randomUUID();
    let outcome: UpstreamOutcome | undefined;
    try {
      const announced = incoming["content-length"];
      const length = announced === undefined ? undefined : Number(announced);
      const body = await replayableBody(request, length);
      const { method, signal } = request;
      const url = upstreamUrl(host, call);
      let lease = await credentials.current();
      for (let left = renewals; ; left--) {
        const fixed = fixedFor(lease.authorize);
        const headers = upstreamHeaders(incoming, fixed);
        if (isCodemie) headers["x-codemie-request-id"] = requestId;
        outcome = await forward({ method, url, headers, fixed, body, length, signal }, options);
        if (outcome.kind === "failed") return refuse(call, outcome.error, requestId);
        // Stored before the first byte goes on: the old session may be spent already.
        if (outcome.setCookies.length > 0) await credentials.capture(lease, outcome.setCookies);
        if (outcome.kind === "answer") return outcome.response;
        const newer = left === 0 ? undefined : await credentials.renew(lease);
        if (!newer || body instanceof ReadableStream) return refuse(call, loggedOut(host, lease), requestId);
        lease = newer;
      }
    } catch (error) {
      if (outcome?.kind === "answer") discard(outcome.response.body);
      return refuse(call, asGatewayError(error), requestId);
    }
  }

  const server = listen(options.port, handle);
  const port = Number(server.port);
  guardOrigin = originGuard(port);
  let collected = 0;
  const idle = setInterval(() => {
    // What a busy time left behind is given back in the quiet after it; the runtime alone would keep it for hours.
    if (served === collected || server.pendingRequests > 0) return;
    collected = served;
    Bun.gc(true);
  }, idleMs);
  idle.unref();
  return {
    url: `http://127.0.0.1:${port}`,
    key,
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
    },
  };
}

/** @returns a failure of ours, in the words of the API that was called */
const refuse = (call: Call | undefined, error: GatewayError, requestId: string = randomUUID()): Response =>
  errorResponse(dialectOf(call?.path ?? "/"), error, requestId);

const stopping: GatewayError = { status: 503, message: "codemie gateway: it is stopping" };

const unknownCall = ({ method, path }: Call): GatewayError => ({
  status: 404,
  message: `codemie gateway: ${method} ${path} is not part of the model API`,
});

function asGatewayError(error: unknown): GatewayError {
  const { exitCode, message, hint } = asCodemieError(error);
  const status = exitCode === 4 ? 401 : exitCode === 5 ? 502 : 500;
  return { status, message: hint ? `${message}; ${hint}` : message };
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
      error: () => errorResponse("openai", { status: 500, message: "codemie gateway: internal error" }, randomUUID()),
    });
  } catch (error) {
    const code = systemCode(error);
    if (code === "EADDRINUSE" || code === "EACCES") throw gatewayFailure.portTaken(port, code === "EACCES");
    throw error;
  }
}
