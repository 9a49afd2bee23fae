import type { Call } from "../paths.ts";
import { type Capabilities, type Flow, originalOf, type Role } from "./capability.ts";
import { RelayRefusal } from "./refusal.ts";

/** The documents that have a well-known address (RFC 8414, RFC 9728, OpenID Connect Discovery 1.0). */
const wellKnown = ["oauth-authorization-server", "oauth-protected-resource", "openid-configuration"] as const;
export type WellKnown = (typeof wellKnown)[number];

/** A client's request to the relay, taken apart. */
export interface Asked {
  readonly flow: Flow;
  readonly role: Role;
  /** the issuer of the target, where its answers in the browser name it (RFC 9207) */
  readonly issuer?: string | undefined;
  /** the target's address; for a well-known document, what the document is about */
  readonly target: string;
  /** which document about the target, and whether its name goes before the target's path or behind it */
  readonly document?: { readonly type: WellKnown; readonly place: "before" | "behind" } | undefined;
  /** the address by which the client names what such a document is about */
  readonly shown: string;
}

const entryPath = /^(?:\/\.well-known\/([A-Za-z0-9_-]+))?(?:\/~([^/]*))?\/mcp_auth(\/.*)?$/;
const relayPath = /^(?:\/\.well-known\/([A-Za-z0-9_-]+))?\/~([^/]*)\/mcp_relay\/([^/]+)\/([^/]+)(\/.*)?$/;

/** @returns true for a path that belongs to the relay, whether it is well formed or not */
export const isRelayPath = (path: string): boolean =>
  path.startsWith("/~") ||
  path.startsWith("/mcp_auth") ||
  path.startsWith("/mcp_relay") ||
  (path.startsWith("/.well-known/") && /\/(?:mcp_auth|mcp_relay)(?:\/|$)/.test(path));

/**
 * Takes a request's target apart.
 *
 * @param base where the client reaches the gateway
 * @param hasGatewayKey true: a header has the gateway's key, which an address without the relay's needs
 * @returns what is asked for; its target is not judged yet
 * @throws RelayRefusal for a wrong key, and for an address that the gateway did not hand out
 */
export function askedFor(
  { path, query }: Call,
  base: string,
  hasGatewayKey: boolean,
  capabilities: Capabilities,
): Asked {
  const relayed = relayPath.exec(path);
  if (relayed) {
    const [, type, key = "", root = "", relay = "", rest = ""] = relayed;
    requireKey(capabilities.isKey(key));
    return handedOut(base, root, relay, rest, query, type, capabilities);
  }
  const [whole, type, key, behind = ""] = entryPath.exec(path) ?? [];
  if (whole === undefined) {
    requireKey(hasGatewayKey || capabilities.isKey(/^\/~([^/]*)/.exec(path)?.[1] ?? ""));
    throw new RelayRefusal(404, "form", "this is no address of the relay");
  }
  requireKey(key === undefined ? hasGatewayKey : capabilities.isKey(key));
  const raw = /^\?original=(.+)$/.exec(query)?.[1];
  const original = raw === undefined ? undefined : originalOf(raw);
  if (raw === undefined || original === undefined)
    throw new RelayRefusal(
      400,
      "form",
      "the address of the MCP server is missing: /mcp_auth?original=ADDRESS, percent-encoded",
    );
  const flow: Flow = { base, entry: key === undefined ? "header" : "path", raw, original };
  const document = documentOf(type, behind);
  if (behind !== "" && !document) throw new RelayRefusal(404, "form", "this is no address of the relay");
  return { flow, role: "mcp", target: original, document, shown: capabilities.entry(flow) };
}

function handedOut(
  base: string,
  root: string,
  relay: string,
  rest: string,
  query: string,
  type: string | undefined,
  capabilities: Capabilities,
): Asked {
  const forged = () =>
    new RelayRefusal(403, "forged", "the gateway did not hand out this address, or not for this MCP server");
  const behind = /\/\.well-known\/([A-Za-z0-9_-]+)$/.exec(rest);
  const document = documentOf(type, behind?.[0] ?? "");
  // The relay hands out the issuer that documents are about, and every other address in full.
  // A slash at the end of an issuer is left out before its document's name is put in (RFC 8414 section 3.1).
  const about = type === undefined && behind ? rest.slice(0, -behind[0].length) : rest;
  const found =
    document &&
    (capabilities.proved(base, root, relay, about, query) ??
      capabilities.proved(base, root, relay, `${about}/`, query));
  if (found && document && ["issuer", "mcp"].includes(found.role)) {
    const url = URL.parse(found.origin + found.path);
    if (!url) throw forged();
    const shown = capabilities.handOut(found.flow, found.role, url, found.path);
    return { flow: found.flow, role: found.role, target: found.origin + found.path, document, shown };
  }
  const exact = type === undefined ? capabilities.proved(base, root, relay, rest, query) : undefined;
  if (!exact || exact.role === "issuer") throw forged();
  const { flow, role, issuer } = exact;
  return { flow, role, issuer, target: exact.origin + exact.path + query, shown: "" };
}

function documentOf(before: string | undefined, behind: string): Asked["document"] {
  const name = before ?? /^\/\.well-known\/([A-Za-z0-9_-]+)$/.exec(behind)?.[1];
  const type = wellKnown.find((one) => one === name);
  if (name !== undefined && !type) throw new RelayRefusal(404, "form", "the relay knows no such document");
  return type && { type, place: before === undefined ? "behind" : "before" };
}

function requireKey(isRight: boolean): void {
  if (!isRight)
    throw new RelayRefusal(403, "key", "this key is not the relay's; codemie proxy start --json prints its address");
}
