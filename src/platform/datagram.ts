import { dlopen, ptr, read } from "bun:ffi";
import { libraryName } from "./crash.ts";

/** Where programs reach the system's log. */
export const systemLogSocket = process.platform === "darwin" ? "/var/run/syslog" : "/dev/log";

const isLinux = process.platform === "linux";
/** `AF_UNIX` and `SOCK_DGRAM` (sys/socket.h); on Linux with `SOCK_CLOEXEC`, so that no child gets it. */
const unixFamily = 1;
const datagrams = isLinux ? 0x8_0002 : 2;
/** `MSG_DONTWAIT`; on Linux with `MSG_NOSIGNAL`. */
const withoutWaiting = isLinux ? 0x4040 : 0x80;
/** Error numbers (errno.h). */
const tooLong = isLinux ? 90 : 40;
const full: readonly number[] = isLinux ? [11, 105] : [35, 55];
const denied = 13;
/** `SOL_SOCKET` and `SO_SNDBUF` of macOS, where a datagram is otherwise 2,048 bytes at most. */
const [socketLevel, sendBuffer, longestDatagram] = [0xffff, 0x1001, 64 * 1024];

/** How sending a datagram ended: `full` means that the receiver has not read enough yet, `gone` that there is none now. */
export type DatagramOutcome = "sent" | "full" | "too-long" | "gone";

/** A socket for datagrams to a program of this machine. The runtime has none for paths. */
export interface DatagramSocket {
  send(bytes: Uint8Array): DatagramOutcome;
  close(): void;
}

/**
 * @param path of the receiver's socket
 * @returns a socket connected to it, or in words why there is none
 */
export function openDatagramSocket(path: string): DatagramSocket | string {
  if (process.platform === "win32") return "this system has no such socket";
  try {
    const { symbols, close } = dlopen(libraryName, {
      socket: { args: ["int", "int", "int"], returns: "int" },
      connect: { args: ["int", "ptr", "u32"], returns: "int" },
      setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
      send: { args: ["int", "ptr", "u64", "int"], returns: "i64" },
      close: { args: ["int"], returns: "int" },
      [isLinux ? "__errno_location" : "__error"]: { args: [], returns: "ptr" },
    });
    const errorAt = symbols[isLinux ? "__errno_location" : "__error"] as unknown as () => Parameters<
      typeof read.i32
    >[0];
    const lastError = () => read.i32(errorAt());
    const socket = symbols.socket(unixFamily, datagrams, 0);
    if (socket < 0) {
      close();
      return "the system gives no socket";
    }
    if (!isLinux) symbols.setsockopt(socket, socketLevel, sendBuffer, ptr(new Int32Array([longestDatagram])), 4);
    const address = addressOf(path);
    if (symbols.connect(socket, ptr(address), address.length) !== 0) {
      const why = lastError() === denied ? "permission denied" : "nobody listens there";
      symbols.close(socket);
      close();
      return why;
    }
    return {
      send(bytes) {
        if (Number(symbols.send(socket, ptr(bytes), bytes.length, withoutWaiting)) === bytes.length) return "sent";
        const error = lastError();
        return full.includes(error) ? "full" : error === tooLong ? "too-long" : "gone";
      },
      close() {
        symbols.close(socket);
        close();
      },
    };
  } catch {
    return "this system has no such socket"; // no such library
  }
}

/** `struct sockaddr_un` (sys/un.h): on Linux the family has two bytes, elsewhere its length comes first. */
function addressOf(path: string): Uint8Array {
  const name = Buffer.from(`${path}\0`);
  const head = isLinux ? [unixFamily, 0] : [name.length + 2, unixFamily];
  return Buffer.concat([Buffer.from(head), name]);
}
