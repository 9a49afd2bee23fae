import { jsonValue } from "../core/json-value.ts";
import { masked, secretsInHeaders } from "../core/redaction.ts";
import { printable } from "../core/text.ts";

/** The outcome of a request at the host, or at oauth2-proxy in front of it. */
export type Verdict = "ok" | "unauthenticated" | "forbidden" | "wrong-base-url" | "failed";

/** The parts of an answer that decide the verdict. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
}

/**
 * Judges an answer of the host (CodeMie fact 2.5, the four families of unauthenticated answers). The caller must not
 * follow redirects: one to a login page would end in HTML with status 200.
 *
 * @param answer status and headers
 * @param expectsJson true when only JSON can be right, so that HTML with status 200 is a login page or the web app
 */
export function judge(answer: ApiAnswer, expectsJson: boolean): Verdict {
  const { status, headers } = answer;
  if (status >= 300 && status < 400) return "unauthenticated";
  if (status === 401) return "unauthenticated";
  if (status === 403) return "forbidden";
  if (status === 405) return "wrong-base-url";
  if (status >= 400) return "failed";
  return expectsJson && isHtml(headers) ? "wrong-base-url" : "ok";
}

/** @returns true when the answer is a page for people */
export function isHtml(headers: Headers): boolean {
  return isHtmlType(headers.get("content-type"));
}

/** @returns true when a `Content-Type` is that of a page for people */
export function isHtmlType(contentType: string | null | undefined): boolean {
  return /^\s*(text\/html|application\/xhtml)/i.test(contentType ?? "");
}

/**
 * Finds the sentence meant for people in an error body of the host (CodeMie fact 3.7): `error.message`, then `message`,
 * then `detail`. It cuts off a stack trace. A server may repeat a credential in it, which then reads `[redacted]`.
 *
 * @param body the answer's text, untrusted
 * @param sent the request's headers, with the credential
 * @returns one printable line of 200 characters at most, or undefined when there is none
 */
export function errorSentence(body: string, sent: Headers): string | undefined {
  let json: unknown;
  try {
    json = jsonValue(body);
  } catch {
    return undefined;
  }
  const at = (value: unknown, key: string): unknown =>
    typeof value === "object" && value !== null && key in value ? (value as Record<string, unknown>)[key] : undefined;
  const secrets = secretsInHeaders(sent);
  for (const found of [at(at(json, "error"), "message"), at(json, "message"), at(json, "detail")]) {
    const sentence = typeof found === "string" ? printable(masked(found.split("<br>")[0] ?? "", secrets), 200) : "";
    if (sentence) return sentence;
  }
  return undefined;
}
