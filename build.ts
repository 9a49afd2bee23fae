import { chmod, mkdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { version } from "./package.json";
import { linkNames } from "./src/cli/commands/agent/agents.ts";

const out = join(import.meta.dir, "dist");
const git = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { cwd: import.meta.dir, stderr: "ignore" });
const commit = git.exitCode === 0 ? git.stdout.toString().trim() : "unknown";

if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`version ${version} is not MAJOR.MINOR.PATCH`);
await rm(out, { recursive: true, force: true });
await mkdir(join(out, "maps"), { recursive: true });

const result = await Bun.build({
  entrypoints: [join(import.meta.dir, "src/main.ts")],
  outdir: out,
  target: "bun",
  format: "esm",
  splitting: true,
  minify: true,
  bytecode: true,
  sourcemap: "external",
  define: { BUILD_VERSION: JSON.stringify(version), BUILD_COMMIT: JSON.stringify(commit) },
  compile: {
    outfile: join(out, "codemie"),
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
for (const log of result.logs) console.error(log);
if (!result.success) process.exit(1);

for (const output of result.outputs) {
  if (output.kind === "sourcemap") await rename(output.path, join(out, "maps", output.path.split("/").pop() ?? ""));
}
await chmod(join(out, "codemie"), 0o755);
for (const link of linkNames) await symlink("codemie", join(out, link));
console.log(`dist/codemie ${version} (${commit})`);
