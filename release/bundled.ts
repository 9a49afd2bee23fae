import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "jsonc-parser";
import type { Licensed } from "../src/core/licenses.ts";

/** A package whose code is in the program. */
export interface Bundled {
  readonly name: string;
  readonly version: string;
  /** SPDX identifier */
  readonly license: string;
  /** SHA-512 of what the registry holds, hexadecimal, as the lockfile has it */
  readonly sha512: string;
  /** where it is installed */
  readonly folder: string;
  /** names of the packages among the bundled ones that it needs */
  readonly needs: readonly string[];
}

const top = join(import.meta.dir, "..");

/** What is bundled, apart from the way it is compiled. */
export const bundling = {
  entrypoints: [join(top, "src/main.ts")],
  target: "bun" as const,
  format: "esm" as const,
  splitting: true,
  minify: true,
};

const packageOf = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//;

type Locked = [id: string, registry: string, about: { dependencies?: Record<string, string> }, integrity: string];

/**
 * Asks the bundler which files it takes, so that a package of which nothing is left is not named.
 *
 * @returns the packages whose code is in the program, Bun as the last
 * @throws Error when the lockfile does not know one of them in the version that is installed
 */
export async function bundledPackages(): Promise<Bundled[]> {
  const built = await Bun.build({ ...bundling, metafile: true });
  const outputs = Object.values(built.metafile?.outputs ?? {});
  const files = outputs.flatMap(({ inputs }) => Object.keys(inputs).filter((file) => inputs[file]?.bytesInOutput));
  const names = new Set(files.flatMap((file) => packageOf.exec(file)?.[1] ?? []));
  const lock: { packages: Record<string, Locked> } = parse(await Bun.file(join(top, "bun.lock")).text());
  const all = [...[...names].sort(), "bun"];
  return await Promise.all(
    all.map(async (name) => {
      const folder = join(top, "node_modules", name);
      const { version, license } = await Bun.file(join(folder, "package.json")).json();
      const [id, , about, integrity] = lock.packages[name] ?? [];
      if (id !== `${name}@${version}` || !integrity?.startsWith("sha512-") || typeof license !== "string")
        throw new Error(`${name}@${version} is not what bun.lock names: run bun install --frozen-lockfile`);
      const sha512 = Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex");
      const needs = Object.keys(about?.dependencies ?? {}).filter((needed) => names.has(needed));
      return { name, version, license, sha512, folder, needs };
    }),
  );
}

/** Bun's packages bring no text of a licence, so `bun.txt` beside this file says what is in it. */
const textFile = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i;

/**
 * @param version of the program itself, which is the first
 * @returns each package with the text of its licence
 */
export async function licencesOf(version: string, packages: readonly Bundled[]): Promise<Licensed[]> {
  const own = await Bun.file(join(top, "LICENSE")).text();
  const others = await Promise.all(
    packages.map(async ({ name, version, license, folder }) => {
      const files =
        name === "bun"
          ? [join(import.meta.dir, "bun.txt")]
          : (await readdir(folder)).filter((file) => textFile.test(file)).map((file) => join(folder, file));
      const texts = await Promise.all(files.sort().map((file) => Bun.file(file).text()));
      return { name, version, license, text: texts.map((text) => text.trim()).join("\n\n") };
    }),
  );
  return [{ name: "codemie", version, license: "Apache-2.0", text: own.trimEnd() }, ...others];
}
