import { INVALID_REQUEST, PARSE_ERROR } from "@modelcontextprotocol/sdk/spec.types.js";
import type { JSONRPCErrorResponse } from "@modelcontextprotocol/sdk/types.js";
import { placeOf, readJsonText } from "./json-text.ts";

/** The id of a request as JSON text; a number too large for a JavaScript `number` keeps its digits. */
export type Key = string;

/** One message, as text, and the id that it answers. */
export interface Message {
  readonly text: string;
  readonly answers: Key | undefined;
}

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
  /** its messages, in their order */
  readonly messages: readonly Message[];
  /** true: they stand in an array */
  readonly isArray: boolean;
  /** true: it is nested too deep to be passed on */
  readonly isTooDeep: boolean;
}

/** The longest id, and the longest method, characters as written. */
const longestName = 4_096;

/**
 * Reads a JSON-RPC 2.0 text, checking as little as possible: unknown methods, members and shapes pass.
 *
 * @returns the envelope; `not-json`, or `not-a-message` for JSON that is neither an object nor a batch of objects, or whose
 *   id is no id
 */
export function readEnvelope(text: string): Envelope | "not-json" | "not-a-message" {
  const read = readJsonText(text, names);
  if (!read) return "not-json";
  if (!read.objects) return "not-a-message";
  const requests: Key[] = [];
  const messages: Message[] = [];
  for (const { text: one, members } of read.objects) {
    const id = members.get("id");
    const key = id === undefined ? undefined : keyOf(id);
    if (id !== undefined && key === undefined) return "not-a-message";
    const asks = members.get("method")?.startsWith('"');
    if (asks && key !== undefined) requests.push(key);
    messages.push({ text: one, answers: asks ? undefined : key });
  }
  const only = read.isArray ? undefined : read.objects[0]?.members;
  const method = textOf(only?.get("method"));
  const cancelled = method === "notifications/cancelled" && memberText(only?.get("params"), "requestId");
  return {
    requests,
    answers: messages.flatMap((one) => one.answers ?? []),
    cancels: cancelled ? keyOf(cancelled) : undefined,
    method,
    messages,
    isArray: read.isArray,
    isTooDeep: read.isTooDeep,
  };
}

const names: ReadonlySet<string> = new Set(["id", "method", "params"]);

/** @returns the key of an id as it is written; undefined when it is neither text, number nor `null`, or too long */
function keyOf(id: string): Key | undefined {
  if (id.length > longestName || !/^["\d-]|^null$/.test(id)) return undefined;
  const value: unknown = JSON.parse(id);
  const isRounded = typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER;
  return isRounded ? id : JSON.stringify(value);
}

/** @returns the same id as text where it is a number, and as a number where it is the text of one (`"1"`, `1`) */
export function otherSpelling(key: Key): Key | undefined {
  if (!key.startsWith('"')) return key === "null" ? undefined : `"${key}"`;
  const text = String(JSON.parse(key));
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) ? keyOf(text) : undefined;
}

/** @returns the text of a message with another id */
export function withId(text: string, key: Key): string {
  const place = placeOf(text, "id");
  return place ? text.slice(0, place.from) + key + text.slice(place.to) : text;
}

/** @returns the member of that name of an object, all of it JSON text; undefined when there is none */
function memberText(text: string | undefined, name: string): string | undefined {
  const read = text === undefined ? undefined : readJsonText(text, new Set([name]));
  return read?.isArray === false ? read.objects?.[0]?.members.get(name) : undefined;
}

/** @returns the text that a JSON text stands for; undefined when it is none, or too long */
function textOf(text: string | undefined): string | undefined {
  return text?.startsWith('"') && text.length <= longestName ? JSON.parse(text) : undefined;
}

/**
 * Finds a member within a message, for example the version in an answer to `initialize`.
 *
 * @param message JSON text
 * @param path names of members, each in the object before
 * @returns the member, JSON text; undefined when there is none
 */
export function memberAt(message: string | undefined, ...path: readonly string[]): string | undefined {
  return path.reduce(memberText, message);
}

/** @returns as {@link memberAt}, when it is a text and not a very long one: that text */
export function textAt(message: string | undefined, ...path: readonly string[]): string | undefined {
  return textOf(memberAt(message, ...path));
}

/**
 * Codes of JSON-RPC 2.0 section 5.1; `failed` is in the range left to implementations. They come from the SDK's generated
 * copy of the specification, which imports nothing; its `types.js` has them too, but would load all its schemas and zod.
 */
export const rpcCodes = { parse: PARSE_ERROR, invalid: INVALID_REQUEST, failed: -32_000 } as const;

/**
 * @param key id of the request, as JSON text; `null` if unknown
 * @param code one of {@link rpcCodes}
 * @returns the error answer, as one line without its end
 */
export function errorAnswer(key: Key, code: number, message: string, data?: Readonly<Record<string, unknown>>): string {
  const error: JSONRPCErrorResponse["error"] = { code, message, ...(data ? { data } : {}) };
  return `{"jsonrpc":"2.0","id":${key},"error":${JSON.stringify(error)}}`;
}

/** How much of a text is handled in one step, characters. */
const partLength = 1_048_576;

/**
 * @param text a JSON text
 * @returns the same on one line: in JSON, a line break is only possible between tokens, where a space means the same
 */
export function oneLine(text: string): string {
  if (!/[\r\n]/.test(text)) return text;
  // In parts: the runtime keeps a record of each place it replaces, and a message may be nothing but short lines.
  const parts: string[] = [];
  for (let at = 0; at < text.length; at += partLength) {
    parts.push(text.slice(at, at + partLength).replace(/[\r\n]+/g, " "));
  }
  return parts.join("");
}
