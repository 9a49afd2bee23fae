import type { HeaderRecord } from "../http1/message.ts";

/** The API that a path belongs to: our own errors take its form. */
export type Dialect = "anthropic" | "openai" | "gemini";

/** A request's method and target. */
export interface Call {
  readonly method: string;
  /** as the runtime's URL parser leaves it: dots resolved, quotes and angle brackets encoded */
  readonly path: string;
  /** with its `?`, or empty */
  readonly query: string;
}

/** A request that comes from this machine and from no web page: what guards check and routes answer. */
export interface IncomingRequest {
  /** random; the host, our records and an error show the same one */
  readonly id: string;
  readonly call: Call;
  readonly headers: HeaderRecord;
  /** the runtime's request, for its body and its abort signal */
  readonly raw: Request;
}

/**
 * The model API (CodeMie fact 5.1), every path with and without `/v1`. Only these paths, and those that the table of routes
 * and the profile add, go to the host. The agent cannot reach anything else there, above all not the login route, which
 * answers with the session.
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

/** @returns true for a call to a model, by far the most frequent request of an agent */
export const isModelCall = ({ method, path }: Call): boolean =>
  method === "POST" && (modelPaths.has(path) || geminiPath.test(path));

/** Paths where the host hands out credentials: no profile can add them (CodeMie facts 2.1, 4.4). */
const closed = /^(?:\/v1)?\/(?:auth|local-auth)(?:\/|$)/i;

/** Methods that would return the credential in the answer, or open a tunnel. */
const neverMethods: ReadonlySet<string> = new Set(["TRACE", "TRACK", "CONNECT"]);

/**
 * @param paths the paths that a profile adds, each `METHOD /path`; `*` is any method, or one segment of the path, for example
 *   `DELETE /v1/responses/*`
 * @returns a function that returns true for a call to one of them
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

/** @returns the API whose form an error on this path takes, whether the path is of the model API or not */
export function dialectOf(path: string): Dialect {
  if (path.startsWith("/v1beta/") || /\/models\/[^/]+:\w+$/.test(path)) return "gemini";
  return /\/messages(?:\/|$)/.test(path) ? "anthropic" : "openai";
}
