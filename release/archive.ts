import { chmod, copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { constants, gzip, zstdCompress } from "node:zlib";
import { zipSync } from "fflate";
import { create } from "tar";
import { isWindows, type TargetName } from "./targets.ts";

/** The first moment that a zip file can name, in local time as there; archives hold no other. */
const moment = new Date(1980, 0, 1);
/** Higher levels take minutes of the processor a program (zstd 19: two), and save a tenth at most. */
const levels = { deflate: 6, zstd: 9 } as const;
const gzipped = promisify(gzip);
const zstandard = promisify(zstdCompress);

/** Files that go into each archive beside the program. */
const documents = ["LICENSE", "README.md"];

/**
 * Puts a program into the archives of its machine: `.tar.gz` and `.tar.zst`, or `.zip` for Windows. The same program makes the
 * same bytes, whoever packs it, and wherever.
 *
 * @param program the compiled program
 * @param folder where the archives go
 * @returns their names
 */
export async function pack(target: TargetName, program: string, folder: string): Promise<string[]> {
  const staged = await mkdtemp(join(tmpdir(), "codemie-pack-"));
  try {
    const name = isWindows(target) ? "codemie.exe" : "codemie";
    await copyFile(program, join(staged, name));
    await chmod(join(staged, name), 0o755);
    for (const file of documents) {
      await copyFile(join(import.meta.dir, "..", file), join(staged, file));
      await chmod(join(staged, file), 0o644);
    }
    await mkdir(folder, { recursive: true });
    const base = isWindows(target) ? `codemie-${target}.exe` : `codemie-${target}`;
    const packed = isWindows(target) ? await zipped(staged, name) : await tarred(staged, name);
    for (const [ending, bytes] of Object.entries(packed)) await Bun.write(join(folder, `${base}.${ending}`), bytes);
    return Object.keys(packed).map((ending) => `${base}.${ending}`);
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

async function zipped(folder: string, name: string): Promise<Record<string, Uint8Array>> {
  const entries = [name, ...documents].map(async (file) => {
    const mode = file === name ? 0o100755 : 0o100644;
    const how = { mtime: moment, level: levels.deflate, os: 3, attrs: mode << 16 } as const;
    return [file, [await Bun.file(join(folder, file)).bytes(), how]] as const;
  });
  return { zip: zipSync(Object.fromEntries(await Promise.all(entries)) as Parameters<typeof zipSync>[0]) };
}

async function tarred(folder: string, name: string): Promise<Record<string, Uint8Array>> {
  // `portable` leaves out who packed it, and what only this file system knows.
  const options = { cwd: folder, portable: true, noPax: true, mtime: new Date(315_532_800_000) } as const;
  const tar = await create(options, [name, ...documents]).concat();
  const gz = await gzipped(tar, { level: levels.deflate });
  gz[9] = 255; // the system that packed it (RFC 1952, section 2.3.1): unknown
  const zst = await zstandard(tar, { params: { [constants.ZSTD_c_compressionLevel]: levels.zstd } });
  return { "tar.gz": gz, "tar.zst": zst };
}
