import type { HeaderRecord } from "../http1/message.ts";

/** Whose wire format a path speaks, so that our own errors can be told in it. */
export type Dialect = "anthropic" | "openai" | "gemini";

/** A request's method and target. */
export interface Call {
  readonly method: string;
  /** as the runtime's URL parser leaves it: dots resolved, quotes and angle brackets encoded */
  readonly path: string;
  /** with its `?`, or empty */
  readonly query: string;
}

/** A request that came from our own machine and from no web page, as guards judge it and routes answer it. */
export interface IncomingRequest {
  /** random, the same upstream, in our records and in an error */
  readonly id: string;
  readonly call: Call;
  readonly headers: HeaderRecord;
  /** the runtime's own, for its body and its end */
  readonly raw: Request;
}

/**
 * The model API (CodeMie fact 5.1), every path with and without `/v1`. With what the table of routes and the profile add, it
 * is all that goes upstream: everything else the host serves (its login route above all, which answers with the session) is
 * out of the agent's reach.
 */
const modelPaths: ReadonlySet<string> = new Set(
  ["/messages", "/messages/count_tokens", "/chat/completions", "/completions", "/embeddings", "/responses"].flatMap(
    (path) => [path, `/v1${path}`],
  ),
);

/** A model's name in a path, as a regular expression. */
export const modelName = "[A-Za-z0-9][A-Za-z0-9._~@-]*";
const geminiPath = new RegExp(
  `^(?:/v1|/v1beta)?/models/${modelName}:(?:generateContent|streamGenerateContent|countTokens|embedContent)$`,
);

/** @returns whether a call asks a model for something, which is what agents do all day */
export const isModelCall = ({ method, path }: Call): boolean =>
  method === "POST" && (modelPaths.has(path) || geminiPath.test(path));

/** Where the host hands out credentials: no profile can open these (CodeMie facts 2.1, 4.4). */
const closed = /^(?:\/v1)?\/(?:auth|local-auth)(?:\/|$)/i;

/** Methods that would have the credential sent back in the answer, or make a tunnel. */
const neverMethods: ReadonlySet<string> = new Set(["TRACE", "TRACK", "CONNECT"]);

/**
 * @param paths what a profile adds, each `METHOD /path`, `*` for any method and for one segment of the path, for example
 *   `DELETE /v1/responses/*`
 * @returns whether a call is one of these
 */
export function addedCalls(paths: readonly string[]): (call: Call) => boolean {
  const added = paths.map((pattern) => {
    const [method = "", path = ""] = pattern.split(" ");
    const source = path.replace(/[.*]/g, (char) => (char === "*" ? "[A-Za-z0-9_~@:-][A-Za-z0-9._~@:-]*" : "\\."));
    return new RegExp(`^${method === "*" ? "[A-Z]+" : method} ${source}$`);
  });
  return ({ method, path }) =>
    !neverMethods.has(method) && added.some((pattern) => pattern.test(`${method} ${path}`)) && !closed.test(path);
}

/**
 * @param request an HTTP request
 * @returns its target within this server, or undefined when it has none (`CONNECT`, `OPTIONS *`)
 */
export function callOf(request: Request): Call | undefined {
  const { url, method } = request;
  const start = url.indexOf("/", "http://".length);
  if (!url.startsWith("http://") || start < 0) return undefined;
  const hash = url.indexOf("#", start);
  const target = hash < 0 ? url.slice(start) : url.slice(start, hash);
  const mark = target.indexOf("?");
  return mark < 0
    ? { method, path: target, query: "" }
    : { method, path: target.slice(0, mark), query: target.slice(mark) };
}

/** @returns the dialect an error on this path is best told in, model API or not */
export function dialectOf(path: string): Dialect {
  if (path.startsWith("/v1beta/") || /\/models\/[^/]+:\w+$/.test(path)) return "gemini";
  return /\/messages(?:\/|$)/.test(path) ? "anthropic" : "openai";
}
