import { printable } from "../core/text.ts";

/** Where the bridge writes down what it does. No token, code, verifier, cookie or body ever goes in. */
export interface Log {
  /** what somebody who looks for a fault wants to know */
  info(text: string): void;
  /** every message and answer, by name and size; written only when asked for */
  debug(text: string): void;
}

/**
 * @param write takes a finished line
 * @param verbose whether `debug` says anything
 * @param now ms since the epoch
 * @param pid process number, to tell the bridges that share the file
 */
export function makeLog(write: (line: string) => void, verbose: boolean, now: () => number, pid: number): Log {
  const line = (text: string) => write(`${new Date(now()).toISOString()} ${pid} ${printable(text, 4_000)}`);
  return { info: line, debug: verbose ? line : () => undefined };
}

/** @returns an address without its query, user and fragment, which may hold secrets */
export function addressOnly(url: URL): string {
  return url.origin + url.pathname;
}
