import { dlopen } from "bun:ffi";
import { libraryName } from "./crash.ts";

const standardInput = 0;

/**
 * @returns false when the shell has put us into the background: the system then stops whoever reads the terminal or
 *   changes its mode (SIGTTIN and SIGTTOU, POSIX.1-2017 section 11.1.4)
 */
export function isInForeground(): boolean {
  if (process.platform === "win32") return true;
  try {
    const { symbols, close } = dlopen(libraryName, {
      tcgetpgrp: { args: ["i32"], returns: "i32" },
      getpgrp: { args: [], returns: "i32" },
    });
    const isOurs = symbols.tcgetpgrp(standardInput) === symbols.getpgrp();
    close();
    return isOurs;
  } catch {
    return true; // a system without such a library
  }
}
