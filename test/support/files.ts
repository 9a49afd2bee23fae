import { type Dirent, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** All that stands in the files below a folder, a byte a character. A file that goes meanwhile counts for nothing. */
export function textBelow(folder: string): string {
  const textOf = ({ parentPath, name }: Dirent): string => {
    try {
      return readFileSync(join(parentPath, name), "latin1");
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOENT") throw error;
      return "";
    }
  };
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(textOf)
    .join("\n");
}
