import { randomBytes, randomUUID } from "node:crypto";
import type { Model } from "../api/schemas.ts";
import { type Credentials, renewals } from "../auth/broker.ts";
import { asCodemieError, failure, systemCode } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { Secret } from "../core/secret.ts";
import type { Fetch } from "../platform/network.ts";
import { errorResponse, type GatewayError } from "./errors.ts";
import { forward, loggedOut, replayableBody } from "./forward.ts";
import { guardForm, guardOrigin, keyGuard } from "./guard.ts";
import { upstreamHeaders } from "./inject.ts";
import { type LocalRoute, localRoutes } from "./local.ts";
import { type Call, callOf, dialectOf, modelCalls } from "./paths.ts";

export interface GatewayOptions {
  readonly host: Host;
  readonly credentials: Credentials;
  /** `X-CodeMie-*` headers of every request */
  readonly ownHeaders: Readonly<Record<string, string>>;
  readonly fetch: Fetch;
  /** ms to wait for the first byte of an answer, 0 for ever */
  readonly timeoutMs: number;
  /** port to listen on, 0 for a random one */
  readonly port: number;
  /** paths the profile adds to the model API */
  readonly extraPaths?: readonly string[];
  /** the models this account may use, for `GET …/models`; without it the question goes upstream */
  readonly models?: () => Promise<readonly Model[]>;
  /** more routes that are answered here and not upstream */
  readonly routes?: readonly LocalRoute[];
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
  const isModelCall = modelCalls(options.extraPaths ?? []);
  const locals = [...localRoutes({ ...options, counts, guardKey }), ...(options.routes ?? [])];
  let port = 0;
  let draining = false;
  let served = 0;

  /** What happens to every request, in this order and in this one place: guard → inject → forward → audit. */
  async function handle(request: Request): Promise<Response> {
    served++;
    const { headers } = request;
    const call = callOf(request);
    const requestId = randomUUID();
    const refuse = (error: GatewayError) => errorResponse(dialectOf(call?.path ?? "/"), error, requestId);
    const deny = (error: GatewayError) => {
      counts.denied++;
      return refuse(error);
    };

    const stranger = guardOrigin(headers, port);
    if (stranger) return deny(stranger);
    if (!call) return refuse({ status: 400, message: "codemie gateway: the request's target is not a path" });
    const local = locals.find((route) => route.takes(call, headers));
    const intruder = local?.open ? undefined : guardKey(headers);
    if (intruder) return deny(intruder);
    const malformed = draining ? stopping : guardForm(request);
    if (malformed) return refuse(malformed);
    try {
      if (local) return (await local.answer(call, request)) ?? refuse(unknownCall(call));
      if (!isModelCall(call)) return refuse(unknownCall(call));
      counts.forwarded++;
      const answer = await send(call, request, requestId);
      return answer instanceof Response ? answer : refuse(answer);
    } catch (error) {
      return refuse(asGatewayError(error));
    }
  }

  /** Inject and forward; once more with each newer credential while nothing has reached the agent. */
  async function send(call: Call, request: Request, requestId: string): Promise<Response | GatewayError> {
    const { credentials, host } = options;
    // A model provider is told nothing of CodeMie's.
    const own = host.kind === "codemie" ? { ...options.ownHeaders, "x-codemie-request-id": requestId } : {};
    const body = await replayableBody(request);
    let lease = await credentials.current();
    for (let left = renewals; ; left--) {
      const headers = upstreamHeaders(request.headers, own, lease.authorize);
      const outcome = await forward(call, body, headers, request.signal, options);
      if (outcome.kind === "failed") return outcome.error;
      // Stored before the first byte goes on: the old session may be spent already.
      if (outcome.setCookies.length > 0) await credentials.capture(lease, outcome.setCookies);
      if (outcome.kind === "answer") return outcome.response;
      const newer = left === 0 ? undefined : await credentials.renew(lease);
      if (!newer || body instanceof ReadableStream) return loggedOut(host, lease);
      lease = newer;
    }
  }

  const server = listen(options.port, handle);
  port = Number(server.port);
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
    },
  };
}

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

function listen(port: number, handle: (request: Request) => Promise<Response>) {
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
    if (code === "EADDRINUSE" || code === "EACCES") throw failure.portTaken(port, code === "EACCES");
    throw error;
  }
}
