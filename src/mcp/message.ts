/** The id of a request as JSON text; a number too large for a JavaScript `number` keeps its digits. */
export type Key = string;

/** The facts of a JSON-RPC text that the bridge needs. The text itself is never changed. */
export interface Envelope {
  /** ids of its requests (one, or several in a batch) */
  readonly requests: readonly Key[];
  /** ids of the requests that it answers */
  readonly answers: readonly Key[];
  /** id of the request that it cancels */
  readonly cancels: Key | undefined;
  /** its method, when it is a single request or notification */
  readonly method: string | undefined;
  /** the parsed value */
  readonly value: unknown;
}

/**
 * Reads a JSON-RPC 2.0 text, checking as little as possible: unknown methods, members and shapes pass.
 *
 * @returns the envelope; `not-json`, or `not-a-message` for JSON that is neither an object nor a batch of objects
 */
export function readEnvelope(text: string): Envelope | "not-json" | "not-a-message" {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "not-json";
  }
  const members = membersOf(value);
  if (members.length === 0 || !members.every(isObject)) return "not-a-message";
  const cancelled = member(member(value, "params"), "requestId");
  const rounded = members.some(({ id }) => isRounded(id)) || isRounded(cancelled);
  const exact = rounded ? withExactIds(text) : value;
  const requests: Key[] = [];
  const answers: Key[] = [];
  for (const one of membersOf(exact) as Record<string, unknown>[]) {
    if ("id" in one) (typeof one.method === "string" ? requests : answers).push(keyOf(one.id));
  }
  const method = isObject(value) && typeof value.method === "string" ? value.method : undefined;
  const cancels =
    method === "notifications/cancelled" && cancelled !== undefined
      ? keyOf(member(member(exact, "params"), "requestId"))
      : undefined;
  return { requests, answers, cancels, method, value };
}

/** @returns the messages of a batch, or the one message */
export function membersOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** A number with the digits of its source text. */
class Written {
  readonly source: string;
  constructor(source: string) {
    this.source = source;
  }
}

const isRounded = (id: unknown) => typeof id === "number" && Math.abs(id) > Number.MAX_SAFE_INTEGER;

/** Parses a text again, keeping the digits of numbers that a `number` would round. Slower, so only for such ids. */
function withExactIds(text: string): unknown {
  const exact = (_name: string, value: unknown, context?: { readonly source?: string }) =>
    isRounded(value) && context?.source !== undefined ? new Written(context.source) : value;
  return JSON.parse(text, exact);
}

const keyOf = (id: unknown): Key => (id instanceof Written ? id.source : JSON.stringify(id));

/** @returns the member of that name, or undefined when the value is no object or lacks it */
export function member(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Error codes of JSON-RPC 2.0 section 5.1; `failed` is in the range for implementations. */
export const rpcCodes = { parse: -32_700, invalid: -32_600, failed: -32_000 } as const;

/**
 * @param key id of the request, as JSON text; `null` if unknown
 * @param code one of {@link rpcCodes}
 * @returns the error answer, as one line without its end
 */
export function errorAnswer(key: Key, code: number, message: string, data?: Readonly<Record<string, unknown>>): string {
  const error = JSON.stringify({ code, message, ...(data ? { data } : {}) });
  return `{"jsonrpc":"2.0","id":${key},"error":${error}}`;
}

/**
 * @param text a JSON text
 * @returns the same on one line: in JSON, a line break is only possible between tokens, where a space means the same
 */
export function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, " ") : text;
}
