import { CodemieError, systemCode } from "../core/errors.ts";
import { printable } from "../core/text.ts";

/**
 * Where the bridge writes down what it does. No token, code, verifier, cookie or body ever goes in. Of an address only scheme
 * and host stay: with some servers the path is the key.
 */
export interface Log {
  /** what somebody who looks for a fault wants to know */
  info(text: string): void;
  /** every message and answer, by name and size; written only when asked for */
  debug(text: string): void;
  /** the address a person has to open: the one that stays whole */
  toOpen(what: string, address: string): void;
}

/**
 * @param write takes a finished line
 * @param verbose whether `debug` says anything
 * @param now ms since the epoch
 * @param pid process number, to tell the bridges that share the file
 */
export function makeLog(write: (line: string) => void, verbose: boolean, now: () => number, pid: number): Log {
  const line = (text: string) => write(`${new Date(now()).toISOString()} ${pid} ${text}`);
  const said = (text: string) => line(printable(text, 4_000).replace(addresses, "$1$2"));
  return {
    info: said,
    debug: verbose ? said : () => undefined,
    toOpen: (what, address) => line(`${what}: ${printable(address, Number.POSITIVE_INFINITY)}`),
  };
}

/** An address: scheme, user (dropped), host, and the rest (dropped). */
const addresses = /(https?:\/\/)(?:[^\s/?#]*@)?([^\s/?#]*)(?:[/?#]\S*)?/gi;

/**
 * @returns what may stand in the log of an error: its message, without the words of the server where it has any; of an error
 *   that is not ours only what it is called, since the runtime puts addresses and more into its messages
 */
export function loggable(error: unknown): string {
  if (!(error instanceof CodemieError)) {
    return `unexpected: ${systemCode(error) || (error instanceof Error ? error.name : typeof error)}`;
  }
  const { message, cause, forLog } = error;
  return cause instanceof Error ? loggable(cause) : (forLog ?? message);
}
