import type { Dialect } from "./paths.ts";

/** A failure of the gateway itself, before it is put in the words of the API that was called. */
export interface GatewayError {
  readonly status: 400 | 401 | 403 | 404 | 500 | 502 | 504;
  readonly message: string;
}

/** Error types of the Anthropic API, by status. */
const anthropicType: Record<GatewayError["status"], string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  500: "api_error",
  502: "api_error",
  504: "timeout_error",
};

/** Error types of the OpenAI API, by status. */
const openaiType: Record<GatewayError["status"], string> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "invalid_request_error",
  500: "server_error",
  502: "server_error",
  504: "server_error",
};

/** Status names of Google's APIs (google.rpc.Code), by status. */
const geminiStatus: Record<GatewayError["status"], string> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  500: "INTERNAL",
  502: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

/**
 * @param dialect whose error shape
 * @param error what went wrong
 * @param requestId id the request has upstream and in our records
 * @returns the answer an agent of that API understands
 */
export function errorResponse(dialect: Dialect, error: GatewayError, requestId: string): Response {
  const { status, message } = error;
  const bodies = {
    anthropic: { type: "error", error: { type: anthropicType[status], message }, request_id: requestId },
    openai: { error: { message, type: openaiType[status], param: null, code: null } },
    gemini: { error: { code: status, message, status: geminiStatus[status] } },
  };
  return Response.json(bodies[dialect], {
    status,
    headers: { "x-request-id": requestId, "cache-control": "no-store" },
  });
}
