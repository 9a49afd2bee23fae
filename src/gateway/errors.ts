import { asCodemieError } from "../core/errors.ts";
import type { Call, Dialect } from "./paths.ts";

type Status = 400 | 401 | 403 | 404 | 500 | 501 | 502 | 503 | 504;

/** A failure of the gateway itself, before it takes the form of the API that was called. */
export class GatewayError extends Error {
  readonly status: Status;

  constructor(status: Status, message: string) {
    super(message);
    this.status = status;
  }
}

/** A refused request of a program that may not use the gateway. Each is counted, for the audit trail. */
export class Denied extends GatewayError {}

/** @returns the error for a call that the gateway neither forwards nor answers itself */
export const unknownCall = ({ method, path }: Call): GatewayError =>
  new GatewayError(404, `codemie gateway: ${method} ${path} is not part of the model API`);

/** For each status: the error types of the Anthropic and OpenAI APIs, and the status name of Google's (google.rpc.Code). */
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
 * @param dialect the API whose form the error takes
 * @param error anything thrown while the gateway handled a request
 * @param requestId the id that the host and our records know the request by
 * @returns the answer in that API's form, with the id where that API has a place for it
 */
export function errorResponse(dialect: Dialect, error: unknown, requestId: string): Response {
  const { status, message } = asGatewayError(error);
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

/** @returns the status and the words for the agent of anything thrown while the gateway handled a request */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const { exitCode, message, hint } = asCodemieError(error);
  const status = exitCode === 4 ? 401 : exitCode === 5 ? 502 : 500;
  return new GatewayError(status, hint ? `${message}; ${hint}` : message);
}
