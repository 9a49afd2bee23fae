import { chmod, mkdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { version } from "../package.json";
import { type Bundled, bundledPackages, bundling, licencesOf } from "./bundled.ts";
import { blankLanguages } from "./icu.ts";
import { signMachO } from "./macho.ts";
import type { ReleaseKey } from "./signature.ts";
import { ownTarget, type TargetName, targets } from "./targets.ts";

const top = join(import.meta.dir, "..");

/** What is built: which commit, which version, what is in it, and the key that signs its release. */
export interface Edition {
  readonly version: string;
  readonly commit: string;
  readonly key: ReleaseKey | undefined;
  /** where its release will lie; "" when only its user knows */
  readonly baseUrl: string;
  readonly packages: readonly Bundled[];
}

/**
 * @param key what signs this build's release
 * @param baseUrl where it will lie; "" when only its user knows
 * @returns the build of what is checked out
 * @throws Error when the version of package.json is not MAJOR.MINOR.PATCH
 */
export async function editionOf(key: ReleaseKey | undefined, baseUrl = ""): Promise<Edition> {
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`version ${version} is not MAJOR.MINOR.PATCH`);
  const git = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { cwd: top, stderr: "ignore" });
  const commit = git.exitCode === 0 ? git.stdout.toString().trim() : "unknown";
  return { version, commit, key, baseUrl, packages: await bundledPackages() };
}

/**
 * Compiles the program into one file.
 *
 * @param outfile the program; its folder is made, and source maps go into `maps` beside it. Bun adds `.exe` for Windows
 * @param name the machine it is for: this one when undefined
 * @throws Error with Bun's messages
 */
export async function compile(edition: Edition, outfile: string, name?: TargetName): Promise<void> {
  const folder = dirname(outfile);
  const target = name && targets[name];
  await mkdir(join(folder, "maps"), { recursive: true });
  const result = await Bun.build({
    ...bundling,
    outdir: folder,
    bytecode: true,
    sourcemap: "external",
    define: {
      BUILD_VERSION: JSON.stringify(edition.version),
      BUILD_COMMIT: JSON.stringify(edition.commit),
      BUILD_RELEASE_KEY: JSON.stringify(edition.key?.publicKey ?? ""),
      BUILD_TARGET: JSON.stringify(name ?? ownTarget()),
      BUILD_INSTALL_BASE_URL: JSON.stringify(edition.baseUrl),
      BUILD_LICENSES: JSON.stringify(await licencesOf(edition.version, edition.packages)),
    },
    compile: {
      outfile,
      ...(target === undefined ? {} : { target }),
      // A cloned repository must not configure the program that holds its reader's credentials.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      // A login that comes back with split cookies is longer than the default 16 KB; corporate authorities are in the
      // system's store.
      execArgv: ["--max-http-header-size=262144", "--use-system-ca"],
    },
  });
  if (!result.success) throw new Error(result.logs.map(String).join("\n"));
  for (const output of result.outputs) {
    if (output.kind === "sourcemap") await rename(output.path, join(folder, "maps", basename(output.path)));
  }
  const file = target?.startsWith("bun-windows-") && !outfile.endsWith(".exe") ? `${outfile}.exe` : outfile;
  const program = Buffer.from(await Bun.file(file).arrayBuffer());
  const machine = name ?? ownTarget();
  if (name?.startsWith("darwin-")) await Bun.write(file, signMachO(program, "codemie"));
  // On macOS Bun uses the system's ICU.
  if (!machine.startsWith("darwin-") && blankLanguages(program) > 0) await Bun.write(file, program);
  if (!target?.startsWith("bun-windows-")) await chmod(outfile, 0o755);
}
