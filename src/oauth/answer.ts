import type { ZodType } from "zod";
import { parseJson } from "../core/json.ts";
import { readFault } from "./fault.ts";
import type { OAuthAnswer } from "./http.ts";

/** What came of a request to an endpoint of an authorization server, for a document of kind T. */
export type EndpointResult<T> =
  | { readonly kind: "issued"; readonly document: T }
  | Refusal
  /** neither, and what it is instead */
  | { readonly kind: "unusable"; readonly why: string };

/** The server refused, and named a code (RFC 6749 section 5.2). */
export interface Refusal {
  readonly kind: "refused";
  readonly code: string;
  readonly description: string;
  /** the code says nothing about what was presented: the same may be taken later */
  readonly passing: boolean;
}

/** Codes that say nothing about what was presented (RFC 6749 section 4.1.2.1; servers use them at other endpoints too). */
const passingCodes = ["temporarily_unavailable", "server_error", "slow_down"];

/**
 * Judges the answer of an endpoint.
 *
 * @param what the endpoint, for the text of an answer that cannot be used: `the token endpoint`
 * @param schema the document it issues
 */
export function judgeAnswer<T>({ status, text }: OAuthAnswer, what: string, schema: ZodType<T>): EndpointResult<T> {
  const document = status === 200 || status === 201 ? parseJson(text, schema) : undefined;
  if (document !== undefined) return { kind: "issued", document };
  // A redirect would carry a code or a token along.
  if (status >= 300 && status < 400) return { kind: "unusable", why: `${what} redirects` };
  const { code, description } = readFault(text);
  if (code !== undefined && status < 500 && status !== 429) {
    return { kind: "refused", code, description: description ?? "", passing: passingCodes.includes(code) };
  }
  return { kind: "unusable", why: `${what} answered ${status}` };
}
