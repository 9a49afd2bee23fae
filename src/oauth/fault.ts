import { jsonValue } from "../core/json-value.ts";
import { masked } from "../core/redaction.ts";

/**
 * Reads an error body of OAuth, JSON-RPC or a web framework. Without zod: the bridge would load it at its start for this.
 *
 * @param text the body of an error answer
 * @param sent the secrets of the request: a server may repeat them
 * @returns `code`: the OAuth error code (RFC 6749 section 5.2); `description`: the server's own words; each undefined
 *   if the body lacks it
 */
export function readFault(
  text: string,
  sent: readonly string[],
): {
  readonly code: string | undefined;
  readonly description: string | undefined;
} {
  const body = parsed(text);
  const error = member(body, "error");
  const words = [member(error, "message"), member(body, "error_description"), member(body, "message")];
  const [code, description] = [asText(error), words.map(asText).find((one) => one !== undefined)];
  return { code: code && masked(code, sent), description: description && masked(description, sent) };
}

/** @returns the text if it looks like an OAuth error code, else `an unknown error`: a server may send any text there */
export function plainCode(text: string): string {
  return /^[a-z_]{1,40}$/.test(text) ? text : "an unknown error";
}

function parsed(text: string): unknown {
  try {
    return jsonValue(text);
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
