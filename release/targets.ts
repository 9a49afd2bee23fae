import { existsSync, readFileSync } from "node:fs";
import type { Build } from "bun";

/**
 * The machines that a release is for: the end of an archive's name, and Bun's name of the same. `baseline` is for processors
 * without AVX2, `musl` for Alpine and others with its C library.
 */
export const targets = {
  "linux-x64": "bun-linux-x64",
  "linux-x64-baseline": "bun-linux-x64-baseline",
  "linux-arm64": "bun-linux-arm64",
  "linux-x64-musl": "bun-linux-x64-musl",
  "linux-x64-baseline-musl": "bun-linux-x64-musl-baseline" as Build.CompileTarget,
  "linux-arm64-musl": "bun-linux-arm64-musl",
  "darwin-x64": "bun-darwin-x64",
  "darwin-arm64": "bun-darwin-arm64",
  "windows-x64": "bun-windows-x64",
  "windows-arm64": "bun-windows-arm64",
} as const satisfies Record<string, Build.CompileTarget>;

export type TargetName = keyof typeof targets;

/**
 * @param list names of targets with commas between them
 * @returns them, in the order of {@link targets}
 * @throws Error that names the known ones, for a name that is none
 */
export function namedTargets(list: string): TargetName[] {
  const names = list.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !Object.hasOwn(targets, name));
  if (unknown !== undefined)
    throw new Error(`no target ${JSON.stringify(unknown)}: there are ${Object.keys(targets).join(", ")}`);
  return (Object.keys(targets) as TargetName[]).filter((name) => names.includes(name));
}

/** @returns whether a target's program is `codemie.exe` */
export const isWindows = (target: TargetName): boolean => target.startsWith("windows-");

/** @returns the target that the installer finds on this machine */
export function ownTarget(): TargetName {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const processor = `${system}-${process.arch}`;
  if (system !== "linux") return processor as TargetName;
  const about = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  const isOld = process.arch === "x64" && !/\bavx2\b/.test(about);
  const hasMusl = existsSync(`/lib/ld-musl-${process.arch === "x64" ? "x86_64" : "aarch64"}.so.1`) && !hasGlibc();
  return `${processor}${isOld ? "-baseline" : ""}${hasMusl ? "-musl" : ""}` as TargetName;
}

const hasGlibc = () =>
  ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].some((loader) => existsSync(loader));
