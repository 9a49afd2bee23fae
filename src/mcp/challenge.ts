/** What a server demands before it lets a request in (RFC 6750 section 3, RFC 9728 section 5.1). */
export interface Challenge {
  readonly status: 401 | 403;
  readonly error: string | undefined;
  readonly scope: string | undefined;
  readonly resourceMetadata: string | undefined;
}

/**
 * @param response an answer of the server
 * @returns what it demands; undefined when it demands no (other) token: any status but 401, and 403 for other reasons
 *   than `insufficient_scope`
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

/** Longest header that is looked at, characters: runs of blanks take time that grows with their square. */
const longestHeader = 4_096;

/**
 * The parameters of the first Bearer challenge in a `WWW-Authenticate` header (RFC 9110 section 11.6.1: several
 * challenges may stand in one header, each with parameters of its own).
 */
function bearerParams(header: string): Map<string, string> {
  const params = new Map<string, string>();
  const token = /\s*,?\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/gy;
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
