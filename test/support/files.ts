import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** All that stands in the files below a folder, a byte a character. */
export function textBelow(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n");
}
