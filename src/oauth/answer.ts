import { parseJson, type Schema } from "../core/json.ts";
import { readFault } from "./fault.ts";
import type { OAuthAnswer } from "./http.ts";

/** The result of a request to an endpoint of an authorization server that issues a document of type T. */
export type EndpointResult<T> =
  | { readonly kind: "issued"; readonly document: T }
  | Refusal
  /** an answer of another kind; `why` says which */
  | { readonly kind: "unusable"; readonly why: string };

/** A refusal with an error code (RFC 6749 section 5.2). */
export interface Refusal {
  readonly kind: "refused";
  readonly code: string;
  readonly description: string;
  /** true: a temporary refusal; the same request may succeed later */
  readonly passing: boolean;
}

/** Codes of temporary refusals (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5); servers use them elsewhere too. */
const passingCodes = ["temporarily_unavailable", "server_error", "slow_down"];

/**
 * Judges the answer of an endpoint.
 *
 * @param what name of the endpoint for `why`, for example `the token endpoint`
 * @param schema shape of the document that the endpoint issues
 * @returns the document (status 200 or 201); a refusal (an OAuth error code, with a status below 500 that is not 429);
 *   `unusable` for all else
 */
export function judgeAnswer<T>({ status, text }: OAuthAnswer, what: string, schema: Schema<T>): EndpointResult<T> {
  const document = status === 200 || status === 201 ? parseJson(text, schema) : undefined;
  if (document !== undefined) return { kind: "issued", document };
  // Following a redirect would hand a code or a token to another address.
  if (status >= 300 && status < 400) return { kind: "unusable", why: `${what} redirects` };
  const { code, description } = readFault(text);
  if (code !== undefined && status < 500 && status !== 429) {
    return { kind: "refused", code, description: description ?? "", passing: passingCodes.includes(code) };
  }
  return { kind: "unusable", why: `${what} answered ${status}` };
}
