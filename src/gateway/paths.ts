/** Whose wire format a path speaks, so that our own errors can be told in it. */
export type Dialect = "anthropic" | "openai" | "gemini";

interface Route {
  readonly method: string;
  readonly path: RegExp;
  readonly dialect: Dialect;
}

const model = "[A-Za-z0-9][A-Za-z0-9._~@-]*";

/**
 * The model API, the only thing that goes upstream (CodeMie fact 5.1): every path with and without `/v1`. Everything
 * else the host serves (its login route above all, which answers with the session) is out of the agent's reach.
 */
const routes: readonly Route[] = [
  { method: "POST", path: /^(?:\/v1)?\/messages(?:\/count_tokens)?$/, dialect: "anthropic" },
  { method: "POST", path: /^(?:\/v1)?\/(?:chat\/completions|completions|embeddings|responses)$/, dialect: "openai" },
  { method: "GET", path: /^(?:\/v1)?\/models$/, dialect: "openai" },
  {
    method: "POST",
    path: new RegExp(`^(?:/v1|/v1beta)?/models/${model}:(?:generateContent|streamGenerateContent|countTokens)$`),
    dialect: "gemini",
  },
];

/**
 * @param method HTTP method
 * @param pathname path of the request, normalised by the URL parser
 * @returns the route's dialect, or undefined when the path is not part of the model API
 */
export function modelRoute(method: string, pathname: string): Dialect | undefined {
  return routes.find((route) => route.method === method && route.path.test(pathname))?.dialect;
}

/** @returns the dialect an error on this path is best told in, model API or not */
export function dialectOf(pathname: string): Dialect {
  if (/:(?:generateContent|streamGenerateContent|countTokens)$/.test(pathname)) return "gemini";
  return /\/messages(?:\/|$)/.test(pathname) ? "anthropic" : "openai";
}
