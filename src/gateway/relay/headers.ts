import type { HeaderRecord } from "../../http1/message.ts";
import { staysBehind } from "../header-kinds.ts";
import { hopByHop, namedByConnection } from "../headers.ts";

/**
 * Headers that no MCP server gets from a client, each kind with its reason. The client's `Authorization` and what else the user
 * gave it for that server go there; an MCP server is nobody's front, so names that a front believes may pass.
 */
const notToServer = staysBehind({
  names: [
    ...hopByHop,
    "host", // the request gets the server's own name
    "content-length", // the HTTP client sets it when it sends the body
    "expect", // our own server has answered it already
    "referer", // it would be an address of the relay, with its key
    ...["via", "forwarded", "x-real-ip"], // where the request comes from, which is private
  ],
  secrets: ["cookie"], // a client's jar for this machine holds the cookies of every server
  passes: { names: [], beginnings: [] },
  beginnings: ["x-codemie-", "x-forwarded-", "sec-", "x-auth-request-"],
  words: [],
  parts: [],
});

/**
 * All that an authorization server gets. To a client, the relay is one server: what it adds for the MCP server comes along
 * here too.
 */
const toOthers = ["accept", "accept-language", "content-type", "mcp-protocol-version", "user-agent"] as const;

/** Headers that no client gets from a server, each kind with its reason. */
const notToClient = staysBehind({
  names: [
    ...hopByHop,
    ...["refresh", "alt-svc", "content-location", "location"], // they lead past the relay, which rewrites `Location` itself
    ...["clear-site-data", "strict-transport-security"], // they would hold for this whole machine
  ],
  secrets: ["set-cookie"], // a client would send it to every server behind the relay
  passes: { names: [], beginnings: [] },
  beginnings: ["access-control-"], // no web page may use the relay
  words: [],
  parts: [],
});

/** Who a request goes to. */
export type Recipient = "mcp-server" | "authorization-server" | "document";

/**
 * @param incoming the client's headers
 * @param receiver `document`: somebody who is asked for a public document, and gets no credential
 * @param holdsKey true for a text that holds a key of the gateway
 * @returns the headers for the server, by lower-case name
 */
export function headersFor(
  incoming: HeaderRecord,
  receiver: Recipient,
  holdsKey: (text: string) => boolean,
): Record<string, string> {
  const kept: Record<string, string> = { "accept-encoding": "identity" };
  if (receiver !== "mcp-server") {
    for (const name of receiver === "document" ? toOthers : [...toOthers, "authorization"]) {
      const value = incoming[name];
      if (value !== undefined && !holdsKey(value)) kept[name] = value;
    }
    return kept;
  }
  const named = namedByConnection(incoming.connection);
  for (const name in incoming) {
    const value = incoming[name] as string;
    if (!notToServer(name) && !named?.has(name) && !holdsKey(value)) kept[name] = value;
  }
  return kept;
}

/** @returns the headers of the answer to the client: the server's, without those that the client must not see */
export function headersBack(upstream: HeaderRecord): Record<string, string> {
  const kept: Record<string, string> = {};
  const named = namedByConnection(upstream.connection);
  for (const name in upstream) {
    if (!notToClient(name) && !named?.has(name)) kept[name] = upstream[name] as string;
  }
  return kept;
}
