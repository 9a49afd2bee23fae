import { CodemieError, systemCode } from "../core/errors.ts";
import { printable } from "../core/text.ts";

/**
 * The log of the bridge. It never holds a token, code, verifier, cookie or body. Of an address it keeps scheme and host
 * only: with some servers the path is the key.
 */
export interface Log {
  /** events that help to find a fault */
  info(text: string): void;
  /** every message and answer, by method and size; only in verbose mode */
  debug(text: string): void;
  /** the address that a person has to open; the only one that stays whole */
  toOpen(what: string, address: string): void;
}

/**
 * Makes a log.
 *
 * @param write takes a finished line
 * @param verbose true: `debug` writes too
 * @param now clock, ms since the epoch
 * @param pid process number, to tell apart the bridges that share the file
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

/** An address: the scheme and host stay; user, path, query and fragment are dropped. */
const addresses = /(https?:\/\/)(?:[^\s/?#]*@)?([^\s/?#]*)(?:[/?#]\S*)?/gi;

/**
 * @returns an error's text for the log: of ours the message, without words that a server chose; of any other its code
 *   or name only, since the runtime puts addresses and more into its messages
 */
export function loggable(error: unknown): string {
  if (!(error instanceof CodemieError)) {
    return `unexpected: ${systemCode(error) || (error instanceof Error ? error.name : typeof error)}`;
  }
  const { message, cause, forLog } = error;
  return cause instanceof Error ? loggable(cause) : (forLog ?? message);
}
