import { metaNames } from "./eras/revision-2026-07-28.ts";
import { edited } from "./json-text.ts";
import { textAt } from "./message.ts";

/** The extension of MCP that describes a way to get access, by grant. The others are part of MCP itself. */
const extensions = {
  enterprise: "io.modelcontextprotocol/enterprise-managed-authorization",
  "client-credentials": "io.modelcontextprotocol/oauth-client-credentials",
} as const;

/**
 * Names the extension by which we get access among what the client can do (MCP 2026-07-28, extensions: negotiation): to the
 * server, client and bridge are one.
 *
 * @returns a function from a message of the client to the one to send: its `initialize`, or, of a client of MCP 2026-07-28, each
 *   request, says so; undefined for a grant without an extension
 */
export function withExtensionOf(grant: string): ((text: string) => string) | undefined {
  const name = Object.entries(extensions).find(([one]) => one === grant)?.[1];
  if (name === undefined) return undefined;
  const within = (member: string, change: (text: string) => string) => (text: string) =>
    edited(text, { [member]: (old = "{}") => change(old) });
  const declared = within("extensions", (all) => edited(all, { [name]: (own = "{}") => own }));
  const opening = within("params", within("capabilities", declared));
  const request = within("params", within("_meta", within(metaNames.capabilities, declared)));
  return (text) => {
    if (text.includes(metaNames.capabilities) && textAt(text, "method") !== undefined) return request(text);
    return text.includes('"initialize"') && textAt(text, "method") === "initialize" ? opening(text) : text;
  };
}
