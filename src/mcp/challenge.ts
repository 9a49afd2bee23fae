/** A server's demand for a token, or for one with more scopes (RFC 6750 section 3, RFC 9728 section 5.1). */
export interface Challenge {
  readonly status: 401 | 403;
  readonly error: string | undefined;
  readonly scope: string | undefined;
  readonly resourceMetadata: string | undefined;
  /** the kinds of token that the server takes, as it says; bearer, when it says none of the two */
  readonly takes: { readonly bearer: boolean; readonly bound: boolean };
}

/**
 * @param response an answer of the server
 * @returns the challenge of a 401, or of a 403 with `insufficient_scope`; undefined for all other answers
 */
export function readChallenge(response: Response): Challenge | undefined {
  const { status } = response;
  if (status !== 401 && status !== 403) return undefined;
  const { bearer, dpop } = readParams(response.headers.get("www-authenticate") ?? "");
  const error = dpop?.get("error") ?? bearer?.get("error");
  if (status === 403 && error !== "insufficient_scope") return undefined;
  const either = (name: string) => bearer?.get(name) ?? dpop?.get(name);
  return {
    status,
    error,
    scope: either("scope")?.trim() || undefined,
    resourceMetadata: either("resource_metadata"),
    takes: { bearer: bearer !== undefined || dpop === undefined, bound: dpop !== undefined },
  };
}

/** How much of the header we parse, characters. */
const longestHeader = 4_096;

/** Schemes that we know (RFC 6750 section 3, RFC 9449 section 7.1). */
const schemes = ["bearer", "dpop"] as const;

/**
 * Parses the parameters of the first challenge of each scheme in a `WWW-Authenticate` header, which may hold several
 * challenges (RFC 9110 section 11.6.1).
 */
function readParams(header: string): Partial<Record<(typeof schemes)[number], Map<string, string>>> {
  const found: ReturnType<typeof readParams> = {};
  const token = /[\s,]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/gy;
  let params: Map<string, string> | undefined;
  for (const [, name = "", quoted, bare] of header.slice(0, longestHeader).matchAll(token)) {
    const value = quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1");
    if (value === undefined) {
      const scheme = schemes.find((one) => one === name.toLowerCase() && found[one] === undefined);
      params = scheme && new Map();
      if (scheme && params) found[scheme] = params;
    } else if (params && !params.has(name.toLowerCase())) params.set(name.toLowerCase(), value);
  }
  return found;
}
