/**
 * @param text the body of an answer that refuses something
 * @returns the error code of OAuth (RFC 6749 section 5.2), and what is wrong in the server's words, in the forms that OAuth,
 *   JSON-RPC and web frameworks have for it; each undefined where it is not there
 */
export function readFault(text: string): {
  readonly code: string | undefined;
  readonly description: string | undefined;
} {
  const body = parsed(text);
  const error = member(body, "error");
  const words = [member(error, "message"), member(body, "error_description"), member(body, "message")];
  return { code: asText(error), description: words.map(asText).find((one) => one !== undefined) };
}

/** @returns an error code of OAuth as it is, and nothing else a server may have put in its place */
export function plainCode(text: string): string {
  return /^[a-z_]{1,40}$/.test(text) ? text : "an unknown error";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const asText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
