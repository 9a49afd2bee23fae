import { systemCode } from "../core/errors.ts";
import type { TlsSettings } from "../platform/network.ts";
import { type Connection, ConnectionError, Exchange, Stale } from "./exchange.ts";
import type { HttpClient, IncomingAnswer, OutgoingRequest } from "./message.ts";

/** How long an idle connection is kept open, s. */
const idleSeconds = 60;
/** How many idle connections are kept. */
const idleConnections = 256;

/** No connection came about, and nothing was sent: the next address may answer. */
const unconnected: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ConnectionRefused",
  "ETIMEDOUT",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "EADDRNOTAVAIL",
  "FailedToOpenSocket",
]);

/** A pool, which can also be left to end by itself. */
export interface ConnectionPool extends HttpClient {
  /** Keeps no connection any longer; the exchanges that run go on. It still takes requests. */
  retire(): void;
}

/**
 * A connection pool for one host, with one request at a time on each connection. The runtime's `fetch` would do the
 * same in a thread of its own, and from there every event of a stream takes twice as long.
 *
 * @param origin the only origin it connects to
 * @param tls yields the certificates to accept, for each new connection
 * @param addresses to connect to, the first that answers; default: those that the origin's name has at the time. The
 *   certificate must be the name's in either case
 * @returns a client whose requests must all go to that origin
 */
export function connectionPool(
  origin: string,
  tls: () => TlsSettings,
  addresses?: readonly [string, ...string[]],
): ConnectionPool {
  const { protocol, hostname, port } = new URL(origin);
  const secure = protocol === "https:";
  const name = hostname.replace(/^\[(.*)\]$/, "$1");
  const at = Number(port) || (secure ? 443 : 80);
  const idle: Connection[] = [];
  const open = new Set<Connection>();
  /** functions that abort each connection in the making */
  const connecting = new Set<() => void>();
  let closed = false;
  let retired = false;

  function keep(connection: Connection): void {
    connection.keptAt = Date.now();
    if (closed || retired || idle.length >= idleConnections) connection.socket.terminate();
    else {
      connection.socket.timeout(idleSeconds);
      idle.push(connection);
    }
  }

  /**
   * Skips connections that are too old: the machine slept meanwhile, and they are likely dead, though nobody told us.
   *
   * @returns an idle connection, if there is one
   */
  function take(): Connection | undefined {
    for (let kept = idle.pop(); kept; kept = idle.pop()) {
      kept.socket.timeout(0);
      if (Date.now() - kept.keptAt < idleSeconds * 1000) return kept;
      kept.socket.terminate();
    }
    return undefined;
  }

  function forget(connection: Connection): void {
    open.delete(connection);
    const at = idle.lastIndexOf(connection);
    if (at >= 0) idle.splice(at, 1);
  }

  function exchange(connection: Connection, request: OutgoingRequest): Promise<IncomingAnswer> {
    const exchanged = new Exchange(connection, request, (reusable) => {
      if (reusable) keep(connection);
      else connection.socket.terminate();
    });
    return exchanged.answer;
  }

  async function connect(signal: AbortSignal): Promise<Connection> {
    const [first, ...others] = addresses ?? [name];
    try {
      return await connectTo(first, signal);
    } catch (error) {
      let last = error;
      for (const other of others) {
        if (!unconnected.has(systemCode(last))) break;
        try {
          return await connectTo(other, signal);
        } catch (again) {
          last = again;
        }
      }
      throw last;
    }
  }

  function connectTo(address: string, signal: AbortSignal): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let connection: Connection | undefined;
      let problem: unknown;
      let pending: Bun.Socket<Connection> | undefined;
      const giveUp = () => {
        problem ??= signal.aborted ? signal.reason : new ConnectionError("ConnectionClosed");
        connecting.delete(giveUp);
        reject(problem);
        if (!connection) pending?.terminate();
      };
      const ready = (socket: Bun.Socket<Connection>) => {
        connecting.delete(giveUp);
        signal.removeEventListener("abort", giveUp);
        connection = { socket, exchange: undefined, keptAt: 0, ended: false };
        open.add(connection);
        resolve(connection);
      };
      const failed = (error: unknown) => {
        problem ??= error;
        giveUp();
      };
      connecting.add(giveUp);
      signal.addEventListener("abort", giveUp, { once: true });
      if (signal.aborted || closed) return giveUp();
      const settings = { ...tls(), serverName: name, ALPNProtocols: "http/1.1" };
      void Bun.connect<Connection>({
        hostname: address,
        port: at,
        ...(secure && { tls: settings }),
        socket: {
          open(socket) {
            pending = socket;
            socket.setNoDelay(true);
            if (problem) socket.terminate();
            else if (!secure) ready(socket);
          },
          handshake(socket, isTrusted, error) {
            if (!isTrusted || !socket.authorized) {
              problem = error ?? new ConnectionError("EPROTO");
              socket.terminate();
            } else if (!connection && !problem) ready(socket); // not at a renegotiation (TLS 1.2)
          },
          data(socket, bytes) {
            // Nobody asked: the next request could only take these bytes for its answer.
            if (connection?.exchange) connection.exchange.data(bytes);
            else socket.terminate();
          },
          drain: () => connection?.exchange?.drained(),
          timeout(socket) {
            if (!connection?.exchange) socket.terminate();
          },
          error(_, error) {
            problem = error;
          },
          close(_, error) {
            if (!connection) return failed(error);
            connection.ended = true;
            forget(connection);
            connection.exchange?.closed(problem ?? error);
          },
          connectError: (_, error) => failed(error),
        },
      }).catch(failed);
    });
  }

  return {
    async send(request) {
      // The host may close an idle connection at this very moment; the request is then sent again, which a stream
      // cannot be.
      const kept = request.body instanceof ReadableStream ? undefined : take();
      if (kept) {
        try {
          return await exchange(kept, request);
        } catch (error) {
          if (!(error instanceof Stale)) throw error;
        }
      }
      return await exchange(await connect(request.signal), request);
    },
    retire() {
      retired = true;
      for (const { socket } of idle.splice(0)) socket.terminate();
    },
    close() {
      closed = true;
      for (const { socket } of [...open]) socket.terminate();
      for (const giveUp of [...connecting]) giveUp();
    },
  };
}
