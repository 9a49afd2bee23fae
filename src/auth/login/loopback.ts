import { systemCode } from "../../core/errors.ts";
import { portsCanBeShared, type SocketEnd } from "../../platform/peer.ts";
import { authFailure } from "../failures.ts";

/** A request over loopback, and what its connection tells. */
export interface Visit {
  readonly request: Request;
  /** the other end of its connection, and ours; undefined when the other has hung up */
  ends(): { readonly peer: SocketEnd; readonly own: SocketEnd } | undefined;
  /** lets the answer take as long as it needs */
  mayWait(): void;
}

export type Handler = (visit: Visit) => Response | Promise<Response>;

export interface Listeners {
  readonly port: number;
  /** false: this machine has no `::1` */
  readonly isOnIpv6: boolean;
  /** true: another process of this user can listen on the port too */
  readonly isShared: boolean;
  stop(force: boolean): Promise<void>;
}

/** How long a connection may be idle, seconds: other users of the machine can open as many as they like. */
const idleSeconds = 10;
/** How often we try to find a port that is free on both loopback addresses. */
const portAttempts = 20;

/**
 * Listens on one port of `127.0.0.1` and, if the machine has it, of `::1`, and on no other address.
 *
 * @param handler answers every request
 * @param fixedPort the port to listen on; 0: any free one
 * @param mayShare true: other processes of this user may listen on the port too, and then get some of the requests
 * @throws usage error when the port is not free, or none is
 */
export function listenOnLoopback(handler: Handler, fixedPort: number, mayShare: boolean): Listeners {
  const isShared = mayShare && portsCanBeShared;
  const listen = (hostname: string, port: number) =>
    Bun.serve({
      hostname,
      port,
      // Without `reusePort: false`, other processes of this user could share the port.
      reusePort: isShared,
      idleTimeout: idleSeconds,
      maxRequestBodySize: 65_536,
      development: false,
      fetch: (request, server) =>
        handler({
          request,
          ends: () => {
            const peer = server.requestIP(request);
            return peer ? { peer, own: { address: hostname, port: Number(server.port) } } : undefined;
          },
          mayWait: () => server.timeout(request, 0),
        }),
    });
  for (let attempt = 1; ; attempt++) {
    const v4 = fixedPort === 0 ? listen("127.0.0.1", 0) : listenAt(fixedPort, listen);
    const port = Number(v4.port);
    try {
      const v6 = listen("::1", port);
      return {
        port,
        isOnIpv6: true,
        isShared,
        stop: async (force) => void (await Promise.all([v4.stop(force), v6.stop(force)])),
      };
    } catch (error) {
      if (systemCode(error) !== "EADDRINUSE") {
        return { port, isOnIpv6: false, isShared, stop: (force) => v4.stop(force) };
      }
      void v4.stop(true);
      if (fixedPort !== 0) throw authFailure.callbackPortInUse(fixedPort);
      if (attempt === portAttempts) throw authFailure.noCallbackPort();
    }
  }
}

function listenAt<T>(port: number, listen: (hostname: string, port: number) => T): T {
  try {
    return listen("127.0.0.1", port);
  } catch (error) {
    if (systemCode(error) === "EADDRINUSE") throw authFailure.callbackPortInUse(port);
    throw authFailure.callbackPortRefused(port, systemCode(error) ?? "unknown");
  }
}
