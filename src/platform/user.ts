import { readFile } from "node:fs/promises";
import { hostname, userInfo } from "node:os";

/**
 * Asks the system and not the environment's `USER`, which anybody can set.
 *
 * @returns the user's name and number, `name (1000)`; `(1000)` when the system has no name for it, the name alone on
 *   Windows
 */
export async function userName(): Promise<string> {
  const uid = process.getuid?.();
  if (uid === undefined) return userInfo().username;
  const names = await readFile("/etc/passwd", "utf8").catch(() => "");
  const name = names
    .split("\n")
    .find((line) => line.split(":")[2] === String(uid))
    ?.split(":")[0];
  return name ? `${name} (${uid})` : `(${uid})`;
}

/** @returns the name of this machine, as the system has it */
export const machineName = (): string => hostname();
