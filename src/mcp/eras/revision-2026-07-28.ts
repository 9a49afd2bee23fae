import { printable } from "../../core/text.ts";
import type { Carriage } from "../carriage.ts";
import { edited, membersOf, objectText, valueIn } from "../json-text.ts";
import { type Key, memberAt, textAt } from "../message.ts";
import { encodedHeader } from "./header-value.ts";
import type { ToolHeaders } from "./tool-headers.ts";

/**
 * The rules of MCP 2026-07-28: no handshake and no session; each request says in `_meta` which version it is of, and what
 * the client can do.
 */

/** The name of the revision. */
export const revision = "2026-07-28";

/** Before the names of the protocol's own members of `_meta`. */
const own = "io.modelcontextprotocol/";

/** Names of members of `_meta`. */
export const metaNames = {
  version: `${own}protocolVersion`,
  client: `${own}clientInfo`,
  capabilities: `${own}clientCapabilities`,
  logLevel: `${own}logLevel`,
  server: `${own}serverInfo`,
  subscription: `${own}subscriptionId`,
} as const;

/** Codes of errors that only servers of this revision send, and one whose meaning it changed. */
export const codes = { headerMismatch: -32_020, capability: -32_021, version: -32_022, params: -32_602 } as const;

/** Codes of errors that the specification keeps for itself. */
const isReserved = (code: number): boolean => code <= -32_020 && code >= -32_099;

/** Requests that answer with how long they may be kept. */
const cacheable: ReadonlySet<string> = new Set([
  "prompts/list",
  "resources/list",
  "resources/read",
  "resources/templates/list",
  "server/discover",
  "tools/list",
]);

/** A request of this revision, read once: members as JSON text by name. */
export interface ReadRequest {
  readonly message: ReadonlyMap<string, string>;
  readonly params: ReadonlyMap<string, string>;
  readonly meta: ReadonlyMap<string, string>;
}

/** @returns the parts of a request of this revision */
export function readRequest(text: string): ReadRequest {
  const message = membersOf(text) ?? new Map<string, string>();
  const params = membersOf(message.get("params")) ?? new Map<string, string>();
  return { message, params, meta: membersOf(params.get("_meta")) ?? new Map() };
}

/** @returns the version that a message says it is of; undefined for one of an earlier revision */
export function claimedVersion(text: string): string | undefined {
  // Most messages of the earlier revisions do not hold the name at all.
  return text.includes(metaNames.version) ? textAt(text, "params", "_meta", metaNames.version) : undefined;
}

/** @returns the members of the `_meta` of a request, JSON text by name */
export function metaOf(text: string): Map<string, string> {
  return membersOf(memberAt(text, "params", "_meta")) ?? new Map();
}

/** @returns what each request of a client says in `_meta`, by name, from its `initialize` */
export function metaFor(opening: string): Map<string, string> {
  const params = memberAt(opening, "params");
  const capabilities = edited(memberAt(params, "capabilities") ?? "{}", {
    tasks: undefined,
    roots: (roots) => roots && "{}",
  });
  const meta = new Map<string, string>([
    [metaNames.version, JSON.stringify(revision)],
    [metaNames.capabilities, capabilities],
  ]);
  const client = memberAt(params, "clientInfo");
  if (client !== undefined) meta.set(metaNames.client, client);
  return meta;
}

/** The longest text that is looked at for one of the errors of this revision, characters. */
const longestFault = 65_536;

/** @returns the code of an error that only a server of this revision sends; undefined for all other texts */
export function faultOf(text: string | undefined): number | undefined {
  if (text === undefined || text.length > longestFault || !text.includes("-3202")) return undefined;
  const code = Number(memberAt(text, "error", "code"));
  return code === codes.headerMismatch || code === codes.capability || code === codes.version ? code : undefined;
}

/** How many versions of a server we look at. */
const mostVersions = 100;

/** @returns the versions that a server says it knows, in its answer to `server/discover` or in its refusal of a version */
export function versionsIn(answer: string | undefined): readonly string[] | undefined {
  const list =
    memberAt(answer, "result", "supportedVersions") ??
    (faultOf(answer) === codes.version ? memberAt(answer, "error", "data", "supported") : undefined);
  const versions = valueIn(list);
  if (!Array.isArray(versions)) return undefined;
  return versions.slice(0, mostVersions).map((one) => printable(String(one), 40));
}

/** How messages of this revision are carried: headers repeat the body, and nothing ties one request to another. */
export function carriageFor(tools: ToolHeaders): Carriage {
  return {
    hasSession: false,
    endsToCancel: true,
    headers(text) {
      const message = membersOf(text);
      const params = membersOf(message?.get("params"));
      const method: unknown = JSON.parse(message?.get("method") ?? "null");
      const named = params?.get("name") ?? params?.get("uri");
      const name: unknown = named?.startsWith('"') ? JSON.parse(named) : undefined;
      const version = textAt(params?.get("_meta"), metaNames.version) ?? revision;
      return {
        ...(method === "tools/call" && typeof name === "string" ? tools.headersOf(name, text) : {}),
        "mcp-protocol-version": encodedHeader(version),
        "mcp-method": encodedHeader(String(method)),
        ...(typeof name === "string" && namedRequests.has(String(method)) ? { "mcp-name": encodedHeader(name) } : {}),
      };
    },
  };
}

/** Requests whose name or address is repeated in a header. */
const namedRequests: ReadonlySet<string> = new Set(["tools/call", "resources/read", "prompts/get"]);

/**
 * @param params members that a request is to have, JSON text by name
 * @param meta members of its `_meta`
 * @returns a request of this revision
 */
export function requestText(
  key: Key,
  method: string,
  params: Readonly<Record<string, string>>,
  meta: ReadonlyMap<string, string>,
): string {
  const all = new Map([...Object.entries(params), ["_meta", objectText(meta)]]);
  return `{"jsonrpc":"2.0","id":${key},"method":${JSON.stringify(method)},"params":${objectText(all)}}`;
}

/**
 * @param text a request of any revision
 * @param meta members that `_meta` has to have
 * @returns it as a request of this revision
 */
export function withMeta(text: string, meta: ReadonlyMap<string, string>): string {
  const addTo = (old: string | undefined) => objectText(new Map([...(membersOf(old) ?? []), ...meta]));
  return edited(text, { params: (params) => edited(params ?? "{}", { _meta: addTo }) });
}

/**
 * @param answer of an earlier revision
 * @param key id that it is to have
 * @param method of the request that it answers
 * @param server the server's name and version, JSON text
 * @returns it as an answer of this revision
 */
export function asAnswer(answer: string, key: Key, method: string, server: string | undefined): string {
  return edited(answer, {
    id: key,
    result: (result) => {
      if (result === undefined) return undefined;
      const caches = cacheable.has(method)
        ? { ttlMs: (old?: string) => old ?? "0", cacheScope: (old?: string) => old ?? '"private"' }
        : {};
      const _meta = (old?: string) =>
        server === undefined ? old : edited(old ?? "{}", { [metaNames.server]: server });
      return edited(result, { resultType: '"complete"', ...caches, _meta });
    },
    error: (error) => {
      const code = Number(memberAt(error, "code"));
      if (error === undefined || !(isReserved(code) || code === -32_002)) return error;
      // -32002 was a resource that is not there; the others mean something else here than to the server.
      return edited(error, { code: code === -32_002 ? String(codes.params) : "-32603" });
    },
  });
}

const inputMembers: ReadonlySet<string> = new Set(["resultType", "inputRequests", "requestState"]);

/** @returns the members of an answer that asks for input before the request goes on; undefined for every other answer */
export function inputAskedIn(answer: string): Map<string, string> | undefined {
  // The word stands in every such answer, and in few others.
  if (!answer.includes("input_required")) return undefined;
  const result = membersOf(memberAt(answer, "result"), inputMembers);
  return result?.get("resultType") === '"input_required"' ? result : undefined;
}

/** @returns an answer that asks the client for input */
export function inputRequired(key: Key, requests: ReadonlyMap<string, string>, state: string): string {
  const result = `"resultType":"input_required","inputRequests":${objectText(requests)},"requestState":${JSON.stringify(state)}`;
  return `{"jsonrpc":"2.0","id":${key},"result":{${result}}}`;
}
