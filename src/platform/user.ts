import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";

/**
 * @returns the user's number, and the system's name for it. The environment's `USER` is anybody's to set, so it is not asked.
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
