/** Why the relay did not do as it was asked; the audit trail has it, too. */
export type RefusalReason =
  | "key"
  | "form"
  | "forged"
  | "address"
  | "private-network"
  | "unresolved"
  | "proxy"
  | "other-resource"
  | "secret"
  | "redirect"
  | "too-large"
  | "unreadable"
  | "unreachable"
  | "silent";

/** The relay's own failure, before it becomes an answer. */
export class RelayRefusal extends Error {
  readonly status: 400 | 403 | 404 | 405 | 413 | 502 | 504;
  readonly reason: RefusalReason;
  /** the host it is about, when that is known */
  readonly host: string;

  constructor(status: RelayRefusal["status"], reason: RefusalReason, message: string, host = "") {
    super(message);
    this.status = status;
    this.reason = reason;
    this.host = host;
  }
}

/** @returns the answer, in the form of the former relay (CodeMie fact 7.1) */
export function refusalResponse({ status, message }: RelayRefusal, requestId: string): Response {
  return Response.json(
    { error: { code: "MCP_AUTH_ERROR", message: `codemie relay: ${message}` } },
    { status, headers: { "x-request-id": requestId, "cache-control": "no-store" } },
  );
}
