import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls, type PeerCertificate } from "node:tls";

/**
 * @param hostname name or address; an IPv6 address may be in brackets
 * @returns the addresses it resolves to
 * @throws the system's error
 */
export async function addressesOf(hostname: string): Promise<string[]> {
  const found = await lookup(hostname.replace(/^\[|\]$/g, ""), { all: true });
  return found.map(({ address }) => address);
}

/**
 * Opens a connection and closes it again.
 *
 * @param signal ends the attempt
 * @throws the system's error
 */
export async function canConnect(hostname: string, port: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connectTcp({ host: hostname.replace(/^\[|\]$/g, ""), port });
  socket.once("connect", resolve);
  socket.once("error", reject);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  await promise.finally(() => socket.destroy());
}

/** The parts of a server's certificate that a person is shown. */
export interface Certificate {
  /** name of the authority: organisation, else common name */
  readonly issuer: string;
  /** ms since the epoch; NaN when it cannot be read */
  readonly validUntil: number;
  /** why it is not trusted, or undefined when it is */
  readonly problem: string | undefined;
}

/**
 * Fetches a server's certificate, trusted or not, and sends no request.
 *
 * @param authorities the only authorities to trust, PEM; undefined: the runtime's own
 * @param signal ends the attempt
 * @returns the certificate; undefined when there is no connection to look on
 * @throws the system's error when a connection is made, but none over TLS
 */
export async function certificateOf(
  hostname: string,
  port: number,
  authorities: string[] | undefined,
  signal: AbortSignal,
): Promise<Certificate | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<PeerCertificate | undefined>();
  // Verification is off to look at the certificate: nothing is sent here, and the real request verifies on its own
  // connection.
  const host = hostname.replace(/^\[|\]$/g, "");
  const name = { ...(isIP(host) ? {} : { servername: host }), ...(authorities && { ca: authorities }) };
  const socket = connectTls({ host, port, ...name, rejectUnauthorized: false }, () =>
    resolve(socket.getPeerCertificate()),
  );
  let isConnected = false;
  socket.once("connect", () => {
    isConnected = true;
  });
  // It may fail more than once: its end is reported too.
  socket.on("error", (error) => (isConnected ? reject(error) : resolve(undefined)));
  signal.addEventListener("abort", () => socket.destroy(new Error("no answer in time")), { once: true });
  const certificate = await promise;
  if (!certificate) return undefined;
  const { issuer, valid_to } = certificate;
  const problem = socket.authorized ? undefined : String(socket.authorizationError ?? "it does not verify");
  socket.destroy();
  const text = (value: string | string[] | undefined) => (Array.isArray(value) ? value.join(" ") : value);
  return { issuer: text(issuer?.O) || text(issuer?.CN) || "unknown", validUntil: Date.parse(valid_to), problem };
}

/** @returns true when a program can listen on this port of 127.0.0.1 */
export async function isFreePort(port: number): Promise<boolean> {
  try {
    await Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => undefined } }).stop(true);
    return true;
  } catch {
    return false;
  }
}
