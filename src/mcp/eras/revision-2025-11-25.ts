import { changed, edited, elementsOf, membersOf, objectText, valueIn } from "../json-text.ts";
import { type Key, memberAt, textAt } from "../message.ts";

/**
 * The rules of MCP 2025-11-25 and of the revisions before it: a client opens a session with `initialize`, and a server may
 * ask the client.
 */

/** The revisions with a handshake, newest first. */
export const handshakeRevisions: readonly string[] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/** The newest one. */
export const newest = "2025-11-25";

/** Requests and notifications that only these revisions have. */
export const removed: ReadonlySet<string> = new Set([
  "initialize",
  "logging/setLevel",
  "notifications/initialized",
  "notifications/roots/list_changed",
  "ping",
  "resources/subscribe",
  "resources/unsubscribe",
]);

/** Requests of a server to a client, and the capability that each needs. */
export const serverRequests: Readonly<Record<string, string>> = {
  "elicitation/create": "elicitation",
  "sampling/createMessage": "sampling",
  "roots/list": "roots",
};

/** Code of the error by which a server asks for pages to be opened first; `data.elicitations` has them. */
const urlElicitationRequired = -32_042;
/** Code of the error for a resource that is not there. */
const noResource = -32_002;

/**
 * @param capabilities of the client, JSON text
 * @param client its name and version, JSON text
 * @returns the request that opens a session
 */
export function openingText(key: Key, capabilities: string, client: string): string {
  const params = `"protocolVersion":"${newest}","capabilities":${capabilities},"clientInfo":${client}`;
  return `{"jsonrpc":"2.0","id":${key},"method":"initialize","params":{${params}}}`;
}

/**
 * @param asked the version that the client asks for
 * @param parts of the answer, JSON text
 * @returns the answer to `initialize`
 */
export function openedText(
  key: Key,
  asked: string | undefined,
  parts: { readonly capabilities: string; readonly server: string; readonly instructions: string | undefined },
): string {
  const version = asked !== undefined && handshakeRevisions.includes(asked) ? asked : newest;
  const result = new Map([
    ["protocolVersion", JSON.stringify(version)],
    ["capabilities", parts.capabilities],
    ["serverInfo", parts.server],
  ]);
  if (parts.instructions !== undefined) result.set("instructions", parts.instructions);
  return `{"jsonrpc":"2.0","id":${key},"result":${objectText(result)}}`;
}

/**
 * @param request members of a request or notification of a later revision, of its parameters and of its `_meta`, JSON text by name
 * @param ownNames members of `_meta` that these revisions do not know
 * @param more changes of the message, its id for example
 * @returns it as a message of these revisions
 */
export function withoutMeta(
  { message, params, meta }: Record<"message" | "params" | "meta", ReadonlyMap<string, string>>,
  ownNames: ReadonlySet<string>,
  more: Readonly<Record<string, string>> = {},
): string {
  const rest = [...meta].filter(([name]) => !ownNames.has(name));
  const _meta = rest.length === 0 ? undefined : objectText(new Map(rest));
  const known = changed(params, { _meta, inputResponses: undefined, requestState: undefined });
  return changed(message, { params: known, ...more });
}

/**
 * @param text an answer of a later revision
 * @param method of the request that it answers
 * @returns it as an answer of these revisions
 */
export function asEarlierAnswer(text: string, method: string | undefined): string {
  return edited(text, {
    result: (result) =>
      result &&
      edited(result, {
        resultType: undefined,
        ttlMs: undefined,
        cacheScope: undefined,
        // Here it is an object; the text of the result says the same.
        structuredContent: (old) => (old?.startsWith("{") ? old : undefined),
        tools: (old) => old && withObjectSchemas(old),
      }),
    error: (error) => {
      const isMissing =
        method === "resources/read" &&
        Number(memberAt(error, "code")) === -32_602 &&
        memberAt(error, "data", "uri") !== undefined;
      return error && isMissing ? edited(error, { code: String(noResource) }) : error;
    },
  });
}

/** @returns a list of tools without the schemas of results that are no object: a client may refuse the whole list for one */
function withObjectSchemas(list: string): string {
  if (!list.includes('"outputSchema"')) return list;
  const shown = elementsOf(list)?.map((tool) => {
    const schema = memberAt(tool, "outputSchema");
    return schema === undefined || textAt(schema, "type") === "object"
      ? tool
      : edited(tool, { outputSchema: undefined });
  });
  return shown ? `[${shown.join(",")}]` : list;
}

/** How many pages a person may have to open for one call. */
const mostPages = 100;

/**
 * @returns requests for input, by name, in place of an error that demands that the person opens pages first; undefined for every
 *   other answer, and for more pages than anybody opens
 */
export function pagesToOpen(answer: string): Map<string, string> | undefined {
  if (!answer.includes(String(urlElicitationRequired))) return undefined;
  if (Number(memberAt(answer, "error", "code")) !== urlElicitationRequired) return undefined;
  const pages = valueIn(memberAt(answer, "error", "data", "elicitations"));
  if (!Array.isArray(pages) || pages.length === 0 || pages.length > mostPages) return undefined;
  return new Map(
    pages.map((page, i) => {
      const params = { ...page, mode: "url", elicitationId: undefined };
      return [`page-${i + 1}`, JSON.stringify({ method: "elicitation/create", params })];
    }),
  );
}

/**
 * @param responses `inputResponses` of a client, JSON text
 * @returns true when the person did not open a page that {@link pagesToOpen} asked for: the server would ask for it again
 */
export function leavesPageUnopened(responses: string | undefined): boolean {
  const given = [...(membersOf(responses) ?? [])];
  return given.some(([name, response]) => /^page-\d+$/.test(name) && textAt(response, "action") !== "accept");
}
