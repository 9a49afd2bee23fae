import { rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pack } from "./release/archive.ts";
import { manifestOf, writeChannels } from "./release/channels.ts";
import { compile, editionOf } from "./release/compile.ts";
import { seal } from "./release/release.ts";
import { releaseKey } from "./release/signature.ts";
import { isWindows, namedTargets, type TargetName, targets } from "./release/targets.ts";
import { linkNames } from "./src/cli/commands/agent/agents.ts";

const out = join(import.meta.dir, "dist");
const { values: flags } = parseArgs({ options: { all: { type: "boolean" }, only: { type: "string" } } });
if (flags.only !== undefined && !flags.all) throw new Error("--only goes with --all");
const { CODEMIE_RELEASE_KEY, CODEMIE_INSTALL_BASE_URL = "" } = process.env;
const edition = await editionOf(releaseKey(CODEMIE_RELEASE_KEY), CODEMIE_INSTALL_BASE_URL);

if (flags.all)
  await buildRelease(flags.only === undefined ? (Object.keys(targets) as TargetName[]) : namedTargets(flags.only));
else await buildHere();

/** Builds the program for this machine, with its other names beside it. */
async function buildHere(): Promise<void> {
  await rm(out, { recursive: true, force: true });
  await compile(edition, join(out, "codemie"));
  for (const link of linkNames) await symlink("codemie", join(out, link));
  console.log(`dist/codemie ${edition.version} (${edition.commit})`);
}

/** Builds the files of a release into `dist/release`; they appear there all at once. */
async function buildRelease(names: readonly TargetName[]): Promise<void> {
  const work = join(out, "release.part");
  const release = join(out, "release");
  for (const folder of [work, release]) await rm(folder, { recursive: true, force: true });
  for (const name of names) {
    const program = join(work, "build", isWindows(name) ? "codemie.exe" : "codemie");
    await compile(edition, program, name);
    for (const file of await pack(name, program, join(work, "files"))) {
      console.log(`${file} ${Bun.file(join(work, "files", file)).size} bytes`);
    }
    await rm(join(work, "build"), { recursive: true });
  }
  await seal(join(work, "files"), edition);
  await rename(join(work, "files"), release);
  await rm(work, { recursive: true });
  const channels = join(out, "channels");
  await rm(channels, { recursive: true, force: true });
  if (edition.baseUrl.startsWith("https://")) {
    const text = (name: string) => Bun.file(join(release, name)).text();
    const manifest = manifestOf(await text("SHA256SUMS"), edition.baseUrl);
    for (const file of await writeChannels(channels, manifest, await text("install.sh")))
      console.log(`channels/${file}`);
  }
  console.log(`dist/release ${edition.version} (${edition.commit})`);
  if (!edition.key) {
    console.log("unsigned: CODEMIE_RELEASE_KEY is not set, so the installer installs this only with --checksum-only");
  }
}
