/** The id of a request as JSON text: what its answer is known by. */
export type Key = string;

/** What has to be known of a JSON-RPC text to carry it: the text itself is never changed. */
export interface Envelope {
  /** ids of the requests in it (one, or several in a batch) */
  readonly requests: readonly Key[];
  /** ids of the requests it answers */
  readonly answers: readonly Key[];
  /** its method, when it is a single request or notification */
  readonly method: string | undefined;
  /** the parsed value */
  readonly value: unknown;
}

/**
 * Looks at a JSON-RPC 2.0 text as little as it can: methods, members and shapes that are not known pass.
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
  const members: unknown[] = Array.isArray(value) ? value : [value];
  if (members.length === 0 || !members.every(isObject)) return "not-a-message";
  const requests: Key[] = [];
  const answers: Key[] = [];
  for (const member of members) {
    if (!("id" in member)) continue;
    (typeof member.method === "string" ? requests : answers).push(JSON.stringify(member.id));
  }
  const method = isObject(value) && typeof value.method === "string" ? value.method : undefined;
  return { requests, answers, method, value };
}

/** @returns the member of an object by that name, or undefined where there is no such object or member */
export function member(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Codes of JSON-RPC 2.0 section 5.1; `failed` is in the range left to implementations. */
export const rpcCodes = { parse: -32_700, invalid: -32_600, failed: -32_000 } as const;

/**
 * @param key id of the request, as JSON text (`null` where it cannot be told)
 * @returns the error answer, as one line without its end
 */
export function errorAnswer(key: Key, code: number, message: string, data?: Readonly<Record<string, unknown>>): string {
  const error = JSON.stringify({ code, message, ...(data ? { data } : {}) });
  return `{"jsonrpc":"2.0","id":${key},"error":${error}}`;
}

/**
 * @param text a JSON text
 * @returns the same on one line: a line break in JSON can only stand between tokens, where a space means the same
 */
export function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, " ") : text;
}

/** @returns what a refusing server says is wrong, in the forms JSON-RPC, OAuth and web frameworks have for it */
export function faultOf(text: string): string | undefined {
  const envelope = readEnvelope(text);
  if (typeof envelope === "string") return undefined;
  const { value } = envelope;
  const said = [
    member(member(value, "error"), "message"),
    member(value, "error_description"),
    member(value, "message"),
  ];
  return said.find((one) => typeof one === "string") as string | undefined;
}
