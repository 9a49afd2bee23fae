import { closeSync, openSync, readSync } from "node:fs";
import type { Env } from "../core/env.ts";
import { systemCode } from "../core/errors.ts";
import { platformFailure } from "./failures.ts";

/** One end of a TCP connection. */
export interface SocketEnd {
  /** `127.0.0.1`, `::1`, or another IPv4 address */
  readonly address: string;
  readonly port: number;
}

/**
 * Whose program is at the other end of a connection over loopback. `trusted`: this user's, root's, or that of the user
 * named in {@link browserUser}; `unknown`: this system does not tell; `gone`: it has hung up, so that nobody can tell any
 * more; `hidden`: this system tells, but not now.
 */
export type Peer =
  | { readonly kind: "trusted" | "unknown" | "gone" | "hidden" }
  | { readonly kind: "stranger"; readonly user: number };

/**
 * @param env `CODEMIE_BROWSER_UID`: the number of the user that the browser runs as, if that is another one
 * @throws usage error when it is no number
 */
export function browserUser(env: Env): number | undefined {
  const named = env.CODEMIE_BROWSER_UID;
  if (!named) return undefined;
  if (!/^\d{1,10}$/.test(named)) throw platformFailure.notUserNumber("CODEMIE_BROWSER_UID", named);
  return Number(named);
}

/** True where several processes of one user, and of no other, can listen on one port (`SO_REUSEPORT`). */
export const portsCanBeShared = process.platform !== "win32";

/** How often we look for a line: the kernel may leave one out while others come and go. */
const looks = 3;

/** The sockets of this machine, with their owners. */
export interface SocketList {
  /**
   * Call it once our socket listens: where the list shows that one, it shows all of this machine, and a later reading
   * without it or without success proves nothing in favor of a visitor.
   */
  checkThatItShows(own: SocketEnd): void;
  /**
   * Finds out whose program is at the other end of a connection over loopback.
   *
   * @param peer the other end, as the runtime reports it
   * @param own our end
   * @param browserUser as {@link browserUser} returns it
   */
  peerOf(peer: SocketEnd, own: SocketEnd, browserUser: number | undefined): Peer;
  close(): void;
}

/**
 * Opens the list of sockets. Linux lists all of them, also the peer's, which is on the same machine; other systems do not
 * tell. Open it before listening: others can then use up our descriptors with connections.
 *
 * @throws the system's error when Linux has the list and we cannot open it
 */
export function openSocketList(): SocketList {
  const files = process.platform === "linux" ? openFiles() : [];
  let isTold = false;
  const read = (): string | undefined => {
    try {
      return files.map(readWhole).join("");
    } catch {
      return undefined;
    }
  };
  return {
    checkThatItShows(own) {
      for (let look = 1; look <= looks && !isTold; look++) isTold = listensIn(read() ?? "", own);
    },
    peerOf: (peer, own, user) => (isTold ? peerIn(read, peer, own, user) : { kind: "unknown" }),
    close: () => files.splice(0).forEach((file) => void closeSync(file)),
  };
}

/** @param read returns the list as it is now, undefined when it cannot be read */
function peerIn(
  read: () => string | undefined,
  peer: SocketEnd,
  own: SocketEnd,
  browserUser: number | undefined,
): Peer {
  for (let look = 1; look <= looks; look++) {
    const sockets = read();
    if (sockets === undefined) return { kind: "hidden" };
    // A socket without an inode has no process any more: the kernel then reports root as its owner.
    const other = lineOf(sockets, peer, own);
    if (other) return other.inode === "0" ? { kind: "gone" } : judge(other.user, browserUser);
    if (lineOf(sockets, own, peer)?.state !== established) return { kind: "gone" };
  }
  // The connection is open, and its other end not on this machine: WSL's, for example, may be on Windows.
  return { kind: "unknown" };
}

function judge(user: number, browserUser: number | undefined): Peer {
  const isTrusted = user === process.getuid?.() || user === 0 || user === browserUser;
  return isTrusted ? { kind: "trusted" } : { kind: "stranger", user };
}

const established = "01";
const listening = "0A";

/** `/proc/net/tcp` and, on a machine with IPv6, `tcp6` (proc(5)); none in a sandbox that hides them. */
function openFiles(): number[] {
  const hiding = ["ENOENT", "EACCES", "EPERM"];
  const tcp = openUnless(hiding, "/proc/net/tcp");
  if (tcp === undefined) return [];
  const tcp6 = openUnless(["ENOENT"], "/proc/net/tcp6");
  return tcp6 === undefined ? [tcp] : [tcp, tcp6];
}

function openUnless(codes: readonly string[], path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (codes.includes(systemCode(error))) return undefined;
    throw error;
  }
}

/** Reads an open file of `/proc` anew: the kernel makes its text as it is read, from position 0 on. */
function readWhole(file: number): string {
  const piece = Buffer.alloc(65_536);
  let text = "";
  for (let position = 0; ; ) {
    const length = readSync(file, piece, 0, piece.length, position);
    if (length === 0) return text;
    text += piece.toString("latin1", 0, length);
    position += length;
  }
}

const listensIn = (sockets: string, own: SocketEnd): boolean => lineOf(sockets, own, nowhere(own))?.state === listening;

/** The line of the socket between two ends. */
function lineOf(
  sockets: string,
  local: SocketEnd,
  remote: SocketEnd,
): { readonly state: string; readonly user: number; readonly inode: string } | undefined {
  // A program may have opened an IPv6 socket for an IPv4 address; then the line has the mapped address (RFC 4291).
  for (const prefix of ["", "0000000000000000FFFF0000"]) {
    const found = sockets.indexOf(` ${prefix}${written(local)} ${prefix}${written(remote)} `);
    if (found === -1) continue;
    // Local and remote end, state, queues, timer, tries, user, timeout, inode.
    const [, , state = "", , , , user = "", , inode = ""] = sockets.slice(found + 1, found + 400).split(/\s+/);
    return { state, user: Number(user), inode };
  }
  return undefined;
}

/** The other end of a socket that listens. */
const nowhere = (own: SocketEnd): SocketEnd => ({ address: own.address === "::1" ? "::" : "0.0.0.0", port: 0 });

/** Addresses of IPv6 that occur here. */
const six: Readonly<Record<string, string>> = { "::1": `${"0".repeat(24)}01000000`, "::": "0".repeat(32) };

/** An end as the lines have it: four bytes in this processor's order, which is little-endian wherever we run. */
function written({ address, port }: SocketEnd): string {
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, "0");
  const four = () => address.split(".").map((byte) => hex(Number(byte), 2));
  return `${six[address] ?? four().reverse().join("")}:${hex(port, 4)}`;
}
