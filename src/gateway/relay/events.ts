import type { HeaderRecord } from "../../http1/message.ts";
import type { RefusalReason } from "./refusal.ts";

/** The revision of MCP that the client speaks; undefined: it did not say. */
type Spoken = { readonly revision: string | undefined };

/** An event that the relay reports to the audit trail. */
export type RelayEvent =
  /** an authorization server issued a token */
  | ({ readonly kind: "authorized"; readonly server: string; readonly issuer: string; readonly grant: string } & Spoken)
  | ({ readonly kind: "refused"; readonly reason: RefusalReason; readonly host: string } & Spoken);

/** Of how many MCP servers we remember what their clients speak. */
const mostServers = 100;

/** Clients of MCP 2026-07-28 name it on each request; those before name theirs, if at all, once the session is open. */
const earlier = "before 2026-07-28";

/** @returns the revision of MCP that a request names (MCP 2026-07-28, transports: `MCP-Protocol-Version`); undefined for none */
export function revisionIn(headers: HeaderRecord): string | undefined {
  return /^\d{4}-\d{2}-\d{2}$/.exec(headers["mcp-protocol-version"] ?? "")?.[0];
}

/** Which revision of MCP the clients of each server speak, by their last request. */
export class Revisions {
  readonly #spoken = new Map<string, string>();

  /** @param server address of the MCP server that a request is for */
  note(server: string, headers: HeaderRecord): void {
    const revision = revisionIn(headers) ?? this.#spoken.get(server) ?? earlier;
    this.#spoken.delete(server);
    this.#spoken.set(server, revision);
    const [oldest] = this.#spoken.keys();
    if (this.#spoken.size > mostServers && oldest !== undefined) this.#spoken.delete(oldest);
  }

  /** @returns what the clients of a server spoke last; undefined when none has asked it anything */
  of(server: string): string | undefined {
    return this.#spoken.get(server);
  }
}
