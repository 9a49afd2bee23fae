import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";

let folder: string | undefined;

/**
 * Makes a program one file, with all it imports: it starts in little more than half of the time, and the tests that start
 * one start dozens. The program must not look for files beside its own.
 *
 * @returns the file, which goes with this process
 */
export function bundled(program: string): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), "codemie-bundle-"));
    process.on("exit", () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  const file = join(folder, `${basename(program, extname(program))}.js`);
  if (!existsSync(file)) {
    const built = Bun.spawnSync([process.execPath, "build", "--target=bun", "--minify", `--outfile=${file}`, program]);
    if (!built.success) throw new Error(built.stderr.toString());
  }
  return file;
}
