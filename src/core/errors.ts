import { printable } from "./text.ts";

/** Every error code that scripts see (`error.code` with `--json`), with the exit code the contract gives it. */
export const exitCodes = {
  failed: 1,
  internal: 1,
  config_damaged: 1,
  disk: 1,
  audit_unsynced: 1,
  exists: 1,
  agent_missing: 1,
  port_taken: 1,
  server_error: 1,
  wrong_base_url: 1,
  usage: 2,
  auth_needed: 4,
  auth_expired: 4,
  auth_refused: 4,
  auth_timeout: 4,
  other_person: 4,
  unreachable: 5,
  tls: 5,
  vault_key: 6,
  vault_passphrase: 6,
  vault_damaged: 6,
  vault_locked: 6,
  vault_unreadable: 6,
  interrupted: 130,
  terminated: 143,
} as const;

/** A stable code to switch on. */
export type ErrorCode = keyof typeof exitCodes;

/** @returns true for a text that is one of our codes */
export const isErrorCode = (text: unknown): text is ErrorCode =>
  typeof text === "string" && Object.hasOwn(exitCodes, text);

/** The cause of a failure, and the text that a log may hold. */
export interface FailureDetail {
  /** the error that led to it */
  readonly cause?: unknown;
  /** the message without the words a server chose, for a log that must not hold them */
  readonly forLog?: string;
  /** the HTTP status that a server answered */
  readonly status?: number;
}

/** An expected failure: what happened (`message`), what to do (`hint`), and a stable `code` to switch on. */
export class CodemieError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** the message without the words a server chose; undefined when it has none */
  readonly forLog: string | undefined;
  /** the HTTP status that a server answered, where that is what failed */
  readonly status: number | undefined;

  constructor(code: ErrorCode, message: string, hint?: string, { cause, forLog, status }: FailureDetail = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "CodemieError";
    this.code = code;
    this.hint = hint;
    this.forLog = forLog;
    this.status = status;
  }

  /** the process's exit code by contract */
  get exitCode(): number {
    return exitCodes[this.code];
  }
}

/**
 * @returns the `code` of an operating-system or Bun error (`ENOSPC`, `ConnectionRefused`); an empty string for any
 *   other, ours included
 */
export function systemCode(error: unknown): string {
  const isTheirs = error instanceof Error && !(error instanceof CodemieError) && "code" in error;
  const code = isTheirs ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

/**
 * @param error anything thrown
 * @returns the same error if it is one of ours, else an `internal` one that names it without its stack and without
 *   addresses, which may hold a key
 */
export function asCodemieError(error: unknown): CodemieError {
  if (error instanceof CodemieError) return error;
  const text = (error instanceof Error ? error.message : String(error)).replace(
    /\bhttps?:\/\/[^\s"'<>]+/gi,
    "an address",
  );
  return new CodemieError(
    "internal",
    `unexpected: ${printable(text)}`,
    "this is a defect in codemie: please report it with the output of codemie --version",
    { cause: error },
  );
}

/**
 * Failures that belong to no room; each room keeps its own in its `failures.ts`. A message is in lower case and has no
 * full stop; the hint names the next command.
 */
export const failure = {
  badHost: (given: string, why: string, hint = "give the host as https://codemie.example.com") =>
    new CodemieError(
      "usage",
      `cannot use ${printable(given, 120) || "an empty address"} as a CodeMie host: ${why}`,
      hint,
    ),
  interrupted: () => new CodemieError("interrupted", "interrupted"),
  terminated: () => new CodemieError("terminated", "terminated"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
