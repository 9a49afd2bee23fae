import { Eras, type Protocol } from "./eras/eras.ts";
import type { Log } from "./log.ts";
import type { ServerClient } from "./server-client.ts";
import type { Transport, TransportEvents } from "./transport.ts";

type Make = (events: TransportEvents) => Transport;

/**
 * Loads the chosen transport, and no other.
 *
 * @param kind `auto`: Streamable HTTP, or HTTP+SSE if the server only knows that
 * @param protocol the revision of MCP that the server speaks; `auto`: as it shows
 * @param givenMs how long the user lets a request wait without a byte from the server, ms; 0: for ever; undefined: as usual
 * @returns makes the transport for a bridge
 */
export async function chooseTransport(
  kind: "auto" | "http" | "sse",
  protocol: Protocol,
  server: ServerClient,
  log: Log,
  givenMs: number | undefined,
): Promise<Make> {
  const make = await load(kind, server, log, givenMs);
  // The older transport carries no later revision.
  const spoken = kind === "sse" ? "2025-11-25" : protocol;
  const options = { origin: server.url.origin, protocol: spoken, masked: server.masked, log } as const;
  return (events) => new Eras(options, events, make);
}

async function load(
  kind: "auto" | "http" | "sse",
  server: ServerClient,
  log: Log,
  givenMs: number | undefined,
): Promise<Make> {
  if (kind === "sse") {
    const { Sse } = await import("./sse.ts");
    return (events) => new Sse(server, events, log, givenMs);
  }
  const { StreamableHttp } = await import("./streamable-http.ts");
  if (kind === "http") return (events) => new StreamableHttp(server, events, log, givenMs);
  const { Auto } = await import("./auto.ts");
  return (events) => {
    const older = async () => new (await import("./sse.ts")).Sse(server, events, log, givenMs);
    return new Auto(new StreamableHttp(server, events, log, givenMs), older, log);
  };
}
