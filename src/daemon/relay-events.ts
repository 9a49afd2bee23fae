import { record } from "../access/audit.ts";
import type { Context } from "../access/context.ts";
import type { RelayEvent } from "../gateway/relay/events.ts";
import type { Vault } from "../vault/vault.ts";

/** So many refusals in one period get a line of their own; a line at its end counts the others. */
const ownLines = 50;

/** Writes what the relay did into the audit trail. */
export interface RelayEvents {
  readonly tell: (event: RelayEvent) => void;
  /** Ends a period: writes the line that counts, if there is something to count. */
  flush(): Promise<void>;
}

/** The revision of MCP that the client speaks, as far as it says so. */
const spoken = ({ revision }: RelayEvent): { mcp?: string } => (revision === undefined ? {} : { mcp: revision });

/** @returns the writer for the relay of a profile's gateway */
export function relayEvents(context: Context, vault: Vault, where: { profile: string }): RelayEvents {
  let refused = 0;
  let running = Promise.resolve();
  const write = (...fact: Parameters<typeof record>[2][]) => {
    for (const one of fact) running = running.then(() => record(context, vault, one));
  };
  const refusal = { event: "relay-refused", profile: where.profile, outcome: "denied" } as const;
  return {
    tell(event) {
      if (event.kind === "authorized") {
        const { server, issuer, grant } = event;
        const detail = { issuer, grant, kept: "by the client", through: "the relay", ...spoken(event) };
        write({ event: "mcp-authorized", profile: where.profile, host: server, outcome: "ok", detail });
      } else if (++refused <= ownLines)
        write({ ...refusal, host: event.host, detail: { reason: event.reason, ...spoken(event) } });
    },
    async flush() {
      if (refused > ownLines) write({ ...refusal, host: "", detail: { refused: refused - ownLines } });
      refused = 0;
      await running;
    },
  };
}
