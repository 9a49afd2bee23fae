import { jsonValue } from "../../core/json-value.ts";
import { readBody } from "../../platform/body.ts";
import { RelayRefusal } from "./refusal.ts";
import type { Rewriter } from "./rewrite.ts";

/** Longest request to an authorization server, bytes. */
const longestRequest = 1024 * 1024;

/** Parameters that name the MCP server (RFC 8707 section 2, RFC 8693 section 2.1). */
const naming = new Set(["resource", "audience"]);

export interface BodyOptions {
  readonly rewriter: Rewriter;
  /** the `Content-Type` */
  readonly type: string | undefined;
  /** what a registration's `client_name` becomes; undefined: it stays */
  readonly clientName: string | undefined;
  /** changes a form further */
  readonly ofForm?: ((form: string) => string) | undefined;
  /** true for a text that holds a key of the gateway */
  readonly holdsKey: (text: string) => boolean;
}

/** A request to an authorization server, ready to be sent. */
export interface MappedBody {
  readonly bytes: ArrayBuffer | null;
  /** the kind of grant that it asks for, if it does */
  readonly grant: string | undefined;
}

/**
 * Reads a request to an authorization server and puts the MCP server's own name in place of the relay's.
 *
 * @throws RelayRefusal when it is too long, or an address of the relay remains in it
 */
export async function mappedBody(
  body: ReadableStream<Uint8Array> | null,
  { rewriter, type, clientName, ofForm = (form) => form, holdsKey }: BodyOptions,
): Promise<MappedBody> {
  const { bytes, end } = await readBody(body, longestRequest);
  if (end === "cut") throw new RelayRefusal(413, "too-large", "a request to an authorization server has at most 1 MiB");
  if (end === "broken") throw new RelayRefusal(400, "unreadable", "the request broke off");
  if (bytes.length === 0) return { bytes: null, grant: undefined };
  const text = bytes.toString();
  const isForm = /^application\/x-www-form-urlencoded/i.test(type ?? "");
  const isJson = /^application\/(?:[a-z.]+\+)?json/i.test(type ?? "");
  const mapped = isForm ? ofForm(mappedForm(text, rewriter)) : isJson ? mappedJson(text, rewriter, clientName) : text;
  const form = isForm ? new URLSearchParams(mapped) : undefined;
  refuseKeys(form ? [...form.values()] : [mapped], holdsKey);
  const sent = mapped === text ? bytes : Buffer.from(mapped);
  return {
    bytes: sent.buffer.slice(sent.byteOffset, sent.byteOffset + sent.length) as ArrayBuffer,
    grant: grantOf(form),
  };
}

const grantOf = (form: URLSearchParams | undefined) => form?.get("grant_type") ?? undefined;

/** @returns a query or form with the resources of the MCP server; everything else stays byte for byte */
export function mappedForm(text: string, rewriter: Rewriter): string {
  const pairs = text.split("&").map((pair) => {
    const [[name, value] = ["", ""]] = [...new URLSearchParams(pair)];
    if (!naming.has(name)) return pair;
    const original = rewriter.original(value);
    return original === value ? pair : `${name}=${encodeURIComponent(original)}`;
  });
  return pairs.join("&");
}

function mappedJson(text: string, rewriter: Rewriter, clientName: string | undefined): string {
  let document: unknown;
  try {
    document = jsonValue(text);
  } catch {
    throw new RelayRefusal(400, "unreadable", "the request is not JSON, or nested too deeply");
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) return text;
  let isChanged = false;
  const changed = (before: unknown, after: unknown) => {
    isChanged ||= before !== after;
    return after;
  };
  const one = (value: unknown) => (typeof value === "string" ? changed(value, rewriter.original(value)) : value);
  const members = Object.entries(document).map(([name, value]): [string, unknown] => {
    if (naming.has(name)) return [name, Array.isArray(value) ? value.map(one) : one(value)];
    return [name, name === "client_name" && clientName !== undefined ? changed(value, clientName) : value];
  });
  return isChanged ? JSON.stringify(Object.fromEntries(members)) : text;
}

/**
 * Refuses what would tell a server the relay's address, and so its key: above all a signed assertion for that address (RFC 7523),
 * which no server would take, and which nobody but its signer can change.
 *
 * @throws RelayRefusal
 */
export function refuseKeys(values: readonly string[], holdsKey: (text: string) => boolean): void {
  for (const value of values) {
    if (holdsKey(value))
      throw new RelayRefusal(
        400,
        "secret",
        "a request must not name the relay's own address: the server would learn its key",
      );
    const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]*$/.exec(value) ?? [];
    if (payload !== undefined && holdsKey(Buffer.from(payload, "base64url").toString()))
      throw new RelayRefusal(
        400,
        "secret",
        "an assertion is signed for the relay's address, which the server does not know; use codemie-mcp-proxy for this server",
      );
  }
}
