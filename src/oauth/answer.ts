import { missingIn, parseJson, type Schema } from "../core/json.ts";
import { readFault } from "./fault.ts";
import type { OAuthAnswer } from "./http.ts";

/** The result of a request to an endpoint of an authorization server that issues a document of type T. */
export type EndpointResult<T> = { readonly kind: "issued"; readonly document: T } | Refusal | Unusable;

/** An answer of another kind. */
export interface Unusable {
  readonly kind: "unusable";
  /** which kind */
  readonly why: string;
  /** true: the server has trouble now; the same request may succeed later */
  readonly passing: boolean;
}

/** A refusal (RFC 6749 section 5.2). */
export interface Refusal {
  readonly kind: "refused";
  /** the OAuth error code; the status if the server sends none */
  readonly code: string;
  readonly description: string;
  /** true: a temporary refusal; the same request may succeed later */
  readonly passing: boolean;
}

/** Codes of temporary refusals (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5); servers use them elsewhere too. */
const passingCodes = ["temporarily_unavailable", "server_error", "slow_down"];

/** @returns true for a status that says that the server cannot answer now (RFC 9110 section 15, RFC 6585 section 4) */
export const isPassing = (status: number): boolean => status >= 500 || status === 429 || status === 408;

/**
 * Judges the answer of an endpoint.
 *
 * @param what name of the endpoint for `why`, for example `the token endpoint`
 * @param schema shape of the document that the endpoint issues
 * @returns the document (status 200 or 201); a refusal (status 400 or 401, or an OAuth error code, unless the status is
 *   {@link isPassing}); `unusable` for all else
 */
export function judgeAnswer<T>(
  { status, text, sent }: OAuthAnswer,
  what: string,
  schema: Schema<T>,
): EndpointResult<T> {
  const document = status === 200 || status === 201 ? parseJson(text, schema) : undefined;
  if (document !== undefined) return { kind: "issued", document };
  // Following a redirect would hand a code or a token to another address.
  if (status >= 300 && status < 400) return { kind: "unusable", why: `${what} redirects`, passing: false };
  const fault = readFault(text, sent);
  // RFC 6749 section 5.2: these two refuse, even if a server leaves out the code.
  const code = fault.code ?? (status === 400 || status === 401 ? String(status) : undefined);
  if (code !== undefined && !isPassing(status)) {
    return { kind: "refused", code, description: fault.description ?? "", passing: passingCodes.includes(code) };
  }
  const lack = status === 200 || status === 201 ? ` ${missingIn(text, schema)}` : "";
  return { kind: "unusable", why: `${what} answered ${status}${lack}`, passing: isPassing(status) };
}
