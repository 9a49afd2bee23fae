import { readFileSync } from "node:fs";
import type { Env } from "../core/env.ts";
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
 * more.
 */
export type Peer =
  | { readonly kind: "trusted" | "unknown" | "gone" }
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

/** How often we look for the peer's line: the kernel may leave one out while others come and go. */
const looks = 3;

/**
 * Finds out whose program is at the other end of a connection over loopback. Linux lists all sockets with their owners,
 * also the peer's, which is on the same machine; other systems do not tell.
 *
 * @param peer the other end, as the runtime reports it
 * @param own our end
 * @param browserUser as {@link browserUser} returns it
 */
export function peerOf(peer: SocketEnd, own: SocketEnd, browserUser: number | undefined): Peer {
  if (process.platform !== "linux") return { kind: "unknown" };
  for (let look = 1; look <= looks; look++) {
    const sockets = readSockets();
    const listens = sockets && lineOf(sockets, own, nowhere(own))?.state === listening;
    if (!listens) return { kind: "unknown" }; // a sandbox that shows no sockets, or not ours
    const other = lineOf(sockets, peer, own);
    // A socket without an inode has no process any more: the kernel then reports root as its owner.
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

/** The lines of `/proc/net/tcp` and `tcp6` (proc(5)); undefined when they cannot be read. */
function readSockets(): string | undefined {
  try {
    const v6 = () => {
      try {
        return readFileSync("/proc/net/tcp6", "utf8");
      } catch {
        return ""; // a machine without IPv6
      }
    };
    return readFileSync("/proc/net/tcp", "utf8") + v6();
  } catch {
    return undefined;
  }
}

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
