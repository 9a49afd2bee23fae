/** A server's demand for a token, or for one with more scopes (RFC 6750 section 3, RFC 9728 section 5.1). */
export interface Challenge {
  readonly status: 401 | 403;
  readonly error: string | undefined;
  readonly scope: string | undefined;
  readonly resourceMetadata: string | undefined;
}

/**
 * @param response an answer of the server
 * @returns the challenge of a 401, or of a 403 with `insufficient_scope`; undefined for all other answers
 */
export function readChallenge(response: Response): Challenge | undefined {
  const { status } = response;
  if (status !== 401 && status !== 403) return undefined;
  const params = bearerParams(response.headers.get("www-authenticate") ?? "");
  if (status === 403 && params.get("error") !== "insufficient_scope") return undefined;
  return {
    status,
    error: params.get("error"),
    scope: params.get("scope")?.trim() || undefined,
    resourceMetadata: params.get("resource_metadata"),
  };
}

/** How much of the header we parse, characters. */
const longestHeader = 4_096;

/**
 * Parses the parameters of the first Bearer challenge in a `WWW-Authenticate` header, which may hold several challenges
 * (RFC 9110 section 11.6.1).
 */
function bearerParams(header: string): Map<string, string> {
  const params = new Map<string, string>();
  const token = /[\s,]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/gy;
  let bearer = false;
  for (const [, name = "", quoted, bare] of header.slice(0, longestHeader).matchAll(token)) {
    const value = quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1");
    if (value === undefined) {
      if (bearer) break;
      bearer = name.toLowerCase() === "bearer";
    } else if (bearer && !params.has(name.toLowerCase())) params.set(name.toLowerCase(), value);
  }
  return params;
}
