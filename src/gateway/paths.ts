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

/**
 * The model API, the only thing that goes upstream (CodeMie fact 5.1): every path with and without `/v1`. Everything
 * else the host serves (its login route above all, which answers with the session) is out of the agent's reach.
 */
const modelApi = [
  "POST /messages",
  "POST /messages/count_tokens",
  "POST /chat/completions",
  "POST /completions",
  "POST /embeddings",
  "POST /responses",
  "GET /models",
] as const;

const exact: ReadonlySet<string> = new Set(
  modelApi.flatMap((route) => [route, route.replace(" /", " /v1/")]).concat("GET /v1/health"),
);

const model = "[A-Za-z0-9][A-Za-z0-9._~@-]*";
const geminiCall = new RegExp(
  `^(?:/v1|/v1beta)?/models/${model}:(?:generateContent|streamGenerateContent|countTokens|embedContent)$`,
);

/** Where the host hands out credentials: no profile can open these (CodeMie facts 2.1, 4.4). */
const closed = /^(?:\/v1)?\/(?:auth|local-auth)(?:\/|$)/i;

/** Methods that would have the credential sent back in the answer, or make a tunnel. */
const neverMethods: ReadonlySet<string> = new Set(["TRACE", "TRACK", "CONNECT"]);

/**
 * @param extra paths the profile adds, each `METHOD /path`, `*` for any method and for one segment of the path, for
 *   example `DELETE /v1/responses/*`
 * @returns whether a call goes upstream
 */
export function modelCalls(extra: readonly string[]): (call: Call) => boolean {
  const added = extra.map((pattern) => {
    const [method = "", path = ""] = pattern.split(" ");
    const source = path.replace(/[.*]/g, (char) => (char === "*" ? "[A-Za-z0-9_~@:-][A-Za-z0-9._~@:-]*" : "\\."));
    return new RegExp(`^${method === "*" ? "[A-Z]+" : method} ${source}$`);
  });
  return ({ method, path }) => {
    const line = `${method} ${path}`;
    if (neverMethods.has(method)) return false;
    if (exact.has(line)) return true;
    if (method === "POST" && geminiCall.test(path)) return true;
    return added.some((pattern) => pattern.test(line)) && !closed.test(path);
  };
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
