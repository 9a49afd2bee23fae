import { dlopen } from "bun:ffi";
import { libraryName } from "./crash.ts";

const streams = ["stdin", "stdout", "stderr"] as const;
let isatty: ((descriptor: number) => number) | undefined;

/**
 * Asks the system and not the runtime's streams: to set these up takes as long as all else that a short command does.
 *
 * @param stream standard input, output or error
 * @returns true when it is a terminal
 */
export function isTerminal(stream: (typeof streams)[number]): boolean {
  try {
    isatty ??= dlopen(libraryName, { isatty: { args: ["int"], returns: "int" } }).symbols.isatty;
    return isatty(streams.indexOf(stream)) === 1;
  } catch {
    return Boolean(process[stream].isTTY); // Windows, or a system without such a library
  }
}
