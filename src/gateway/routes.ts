import type { Model } from "../api/schemas.ts";
import type { HeaderRecord } from "../http1/message.ts";
import { unknownCall } from "./errors.ts";
import type { Guard, UsualGuards } from "./guard.ts";
import { modelsAnswer } from "./models.ts";
import { type Call, dialectOf, type IncomingRequest, namedModel } from "./paths.ts";

/** Answers a request. An error it throws reaches the agent in the form of the API that was called. */
export type RouteHandler = (
  incoming: IncomingRequest,
  params: Readonly<Record<string, string>>,
) => Response | Promise<Response>;

/** A line of the table: which requests, who may send them, and their answer. */
export interface Route {
  /** in capitals; `GET` takes HEAD too (RFC 9110 section 9.3.2), `*` any */
  readonly method: "GET" | "HEAD" | "POST" | "*";
  /** `:name` matches one segment, which the handler gets by that name; `**` matches any number of segments */
  readonly path: string;
  /** run in this order, after the check of `Host` and `Origin` */
  readonly guards: readonly Guard[];
  readonly answer: RouteHandler;
}

export interface RouteOptions {
  readonly guards: UsualGuards;
  readonly hasKey: (headers: HeaderRecord) => boolean;
  readonly counts: Readonly<Record<string, number>>;
  /** the models this account may use */
  readonly models: () => Promise<readonly Model[]>;
  /** @returns true for a call that the profile adds to the model API */
  readonly isAdded: (call: Call) => boolean;
  /** puts the credential on a request and forwards it to the host */
  readonly callHost: (incoming: IncomingRequest) => Promise<Response>;
}

/**
 * Every route except that of the model calls, which gateway.ts handles itself. To add a route, add a line with its guards. A
 * line matches its path in exactly this spelling; the last line takes every other path.
 */
export function gatewayRoutes(options: RouteOptions): readonly Route[] {
  const { hasKey, counts, models, isAdded, callHost } = options;
  const { open, keyed } = options.guards;
  // A client without the key learns that a gateway runs here, and no more.
  const alive: RouteHandler = ({ headers }) =>
    Response.json(hasKey(headers) ? { status: "ok", ...counts } : { status: "ok" });
  const added = (incoming: IncomingRequest) => {
    if (!isAdded(incoming.call)) throw unknownCall(incoming.call);
    return callHost(incoming);
  };
  const list: RouteHandler = async (incoming) => {
    const { call, headers } = incoming;
    const names = namedModel(call.path);
    const document = names && modelsAnswer(dialectOf(call.path, headers), names, await models());
    return document === undefined ? added(incoming) : Response.json(document);
  };
  return [
    // Claude Code sends one of these at its start, without a key, to see whether the gateway listens.
    { method: "HEAD", path: "/", guards: open, answer: () => new Response(null) },
    { method: "HEAD", path: "/api/hello", guards: open, answer: () => new Response(null) },
    { method: "GET", path: "/health", guards: open, answer: alive },
    { method: "GET", path: "/ready", guards: open, answer: alive },
    { method: "GET", path: "/v1/health", guards: keyed, answer: callHost },
    ...["/models", "/v1/models", "/v1beta/models"].flatMap((path): Route[] => [
      { method: "GET", path, guards: keyed, answer: list },
      { method: "GET", path: `${path}/**`, guards: keyed, answer: list },
    ]),
    // Agents send usage reports to their makers. These reports end here.
    { method: "*", path: "/api/event_logging/batch", guards: keyed, answer: () => Response.json({ success: true }) },
    { method: "GET", path: "/**/managed-settings", guards: keyed, answer: () => Response.json({}) },
    { method: "*", path: "/**", guards: keyed, answer: added },
  ];
}
