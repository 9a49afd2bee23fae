import { mkdirSync, renameSync } from "node:fs";
import { basename, extname, join } from "node:path";

const folder = join(import.meta.dir, "../../dist/bundles");
const made = new Map<string, string>();

/**
 * Makes a program one file, with all it imports: it starts in little more than half of the time, and the tests that start
 * one start dozens. The program must not look for files beside its own.
 *
 * @returns the file, made once in a process; test processes side by side make the same one
 */
export function bundled(program: string): string {
  const known = made.get(program);
  if (known !== undefined) return known;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${basename(program, extname(program))}.js`);
  const ours = `${file}.${process.pid}`;
  const built = Bun.spawnSync([process.execPath, "build", "--target=bun", "--minify", `--outfile=${ours}`, program]);
  if (!built.success) throw new Error(built.stderr.toString());
  renameSync(ours, file);
  made.set(program, file);
  return file;
}
