import type { Log } from "./log.ts";
import type { ServerClient } from "./server-client.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/**
 * Loads the chosen transport, and no other.
 *
 * @param kind `auto`: Streamable HTTP, or HTTP+SSE if the server only knows that
 * @param givenMs how long the user lets a request wait without a byte from the server, ms; 0: for ever; undefined: as usual
 * @returns makes the transport for a bridge
 */
export async function chooseTransport(
  kind: "auto" | "http" | "sse",
  server: ServerClient,
  log: Log,
  givenMs: number | undefined,
): Promise<(events: TransportEvents) => Transport> {
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
