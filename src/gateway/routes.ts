import type { Model } from "../api/schemas.ts";
import type { HeaderRecord } from "../http1/message.ts";
import { unknownCall } from "./errors.ts";
import type { Guard, UsualGuards } from "./guard.ts";
import { modelsAnswer, modelsDialect } from "./models.ts";
import { type Call, type IncomingRequest, modelName } from "./paths.ts";

/** Answers a request; a GatewayError or CodemieError it throws is told in the words of the API that was called. */
export type RouteHandler = (
  incoming: IncomingRequest,
  params: Readonly<Record<string, string>>,
) => Response | Promise<Response>;

/** A line of the table: which requests, who may send them, and their answer. */
export interface Route {
  /** in capitals; `*` is any */
  readonly method: "GET" | "HEAD" | "POST" | "*";
  /** `:name(pattern)` stands for one segment, which the handler gets by that name, and `**` for any number of them */
  readonly path: string;
  /** judge the request in this order; its `Host` and `Origin` were judged before */
  readonly guards: readonly Guard[];
  readonly answer: RouteHandler;
}

export interface RouteOptions {
  readonly guards: UsualGuards;
  readonly hasKey: (headers: HeaderRecord) => boolean;
  readonly counts: Readonly<Record<string, number>>;
  /** the models this account may use; undefined: the host is asked */
  readonly models: (() => Promise<readonly Model[]>) | undefined;
  /** whether the profile adds a call */
  readonly isAdded: (call: Call) => boolean;
  /** puts the credential on a request and has the host answer it */
  readonly callHost: (incoming: IncomingRequest) => Promise<Response>;
}

/**
 * Every route but that of the model calls, which is the gateway's own. To add one, write a line with its own guards. A path
 * opens as it is written here and in no other spelling; any other path is the last line's.
 */
export function gatewayRoutes(options: RouteOptions): readonly Route[] {
  const { hasKey, counts, models, isAdded, callHost } = options;
  const { open, keyed } = options.guards;
  // Without the key one learns that something lives here, and no more.
  const alive: RouteHandler = ({ headers }) =>
    Response.json(hasKey(headers) ? { status: "ok", ...counts } : { status: "ok" });
  const added: RouteHandler = (incoming) => {
    if (!isAdded(incoming.call)) throw unknownCall(incoming.call);
    return callHost(incoming);
  };
  return [
    // Claude Code asks this at its start, without a key, to see whether somebody listens.
    { method: "HEAD", path: "/", guards: open, answer: () => new Response(null) },
    { method: "GET", path: "/health", guards: open, answer: alive },
    { method: "GET", path: "/ready", guards: open, answer: alive },
    { method: "GET", path: "/v1/health", guards: keyed, answer: callHost },
    ...modelRoutes(keyed, models, callHost),
    // Agents report about their users to their makers. These reports stay here.
    { method: "*", path: "/api/event_logging/batch", guards: keyed, answer: () => Response.json({ success: true }) },
    { method: "GET", path: "/**/managed-settings", guards: keyed, answer: () => Response.json({}) },
    { method: "*", path: "/**", guards: keyed, answer: added },
  ];
}

/** The models an account may use, under each path the three APIs know them by; without a list of ours, the host's. */
function modelRoutes(guards: readonly Guard[], models: RouteOptions["models"], callHost: RouteHandler): Route[] {
  const get = (path: string, answer: RouteHandler): Route => ({ method: "GET", path, guards, answer });
  if (!models) return [get("/models", callHost), get("/v1/models", callHost)];
  const list: RouteHandler = async ({ call, headers }, { id }) => {
    const document = modelsAnswer({ dialect: modelsDialect(call.path, headers), id }, await models());
    if (document === undefined) throw unknownCall(call);
    return Response.json(document);
  };
  return ["/models", "/v1/models", "/v1beta/models"].flatMap((path) => [
    get(path, list),
    get(`${path}/:id(${modelName})`, list),
  ]);
}
