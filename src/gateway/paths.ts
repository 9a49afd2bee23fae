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

/** A part of a model's name: never `.` or `..`, which would lead elsewhere at the host. */
const namePart = "[A-Za-z0-9_~@][A-Za-z0-9._~@:+-]*";
const modelName = new RegExp(`^${namePart}(?:/${namePart})*$`);
const geminiCall =
  /^(?:\/v1|\/v1beta)?\/models\/(.+):(?:generateContent|streamGenerateContent|countTokens|embedContent)$/;

/** @returns true for a call to a model, by far the most frequent request of an agent */
export const isModelCall = ({ method, path }: Call): boolean =>
  method === "POST" && (modelPaths.has(path) || modelName.test(decoded(geminiCall.exec(path)?.[1] ?? "")));

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
    const methods = method === "*" ? "[A-Z]+" : method === "GET" ? "(?:GET|HEAD)" : method;
    return new RegExp(`^${methods} ${source}$`);
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

/**
 * The path `/v1/models` belongs to two APIs; Anthropic's clients always send their version.
 *
 * @param path of any request, whether it is one of the model API or not
 * @returns the API whose form the answer, or the error, takes
 */
export function dialectOf(path: string, headers: HeaderRecord): Dialect {
  if (path.startsWith("/v1beta/") || geminiCall.test(path)) return "gemini";
  if (/\/messages(?:\/|$)/.test(path)) return "anthropic";
  return modelsPath.test(path) && headers["anthropic-version"] !== undefined ? "anthropic" : "openai";
}

/** The list of models, and what follows names one of them. */
const modelsPath = /^(?:\/v1|\/v1beta)?\/models(?:\/(.*))?$/;

/**
 * @param path of a request for models
 * @returns the model's name as the path gives it and as it is once decoded; undefined for a path that no name makes; none
 *   for the whole list
 */
export function namedModel(path: string): readonly string[] | undefined {
  const name = modelsPath.exec(path)?.[1];
  if (name === undefined) return [];
  const names = [name, decoded(name)];
  const isName = (text: string) => text.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  return names.every(isName) ? names : undefined;
}

/** @returns the text without its escapes; unchanged when one is broken */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
