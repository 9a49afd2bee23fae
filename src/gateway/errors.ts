import type { Dialect } from "./paths.ts";

/** A failure of the gateway itself, before it is put in the words of the API that was called. */
export interface GatewayError {
  readonly status: 400 | 401 | 403 | 404 | 500 | 501 | 502 | 503 | 504;
  readonly message: string;
}

type Status = GatewayError["status"];

/** By status: error type of the Anthropic API, of the OpenAI API, and status name of Google's APIs (google.rpc.Code). */
const names: Record<Status, readonly [anthropic: string, openai: string, google: string]> = {
  400: ["invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"],
  401: ["authentication_error", "authentication_error", "UNAUTHENTICATED"],
  403: ["permission_error", "permission_error", "PERMISSION_DENIED"],
  404: ["not_found_error", "invalid_request_error", "NOT_FOUND"],
  500: ["api_error", "server_error", "INTERNAL"],
  501: ["invalid_request_error", "invalid_request_error", "UNIMPLEMENTED"],
  502: ["api_error", "server_error", "UNAVAILABLE"],
  503: ["overloaded_error", "server_error", "UNAVAILABLE"],
  504: ["timeout_error", "server_error", "DEADLINE_EXCEEDED"],
};

/**
 * @param dialect whose error shape
 * @param error what went wrong
 * @param requestId id the request has upstream and in our records
 * @returns the answer an agent of that API understands, the id where that API puts one
 */
export function errorResponse(dialect: Dialect, error: GatewayError, requestId: string): Response {
  const { status, message } = error;
  const [anthropic, openai, google] = names[status];
  const requestInfo = { "@type": "type.googleapis.com/google.rpc.RequestInfo", requestId };
  const bodies = {
    anthropic: { type: "error", error: { type: anthropic, message }, request_id: requestId },
    openai: { error: { message, type: openai, param: null, code: null } },
    gemini: { error: { code: status, message, status: google, details: [requestInfo] } },
  };
  return Response.json(bodies[dialect], {
    status,
    headers: { "x-request-id": requestId, "request-id": requestId, "cache-control": "no-store" },
  });
}
