import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { linkNames } from "../src/cli/commands/agent/agents.ts";
import { archiveOf } from "../src/update/archive.ts";
import { fileAddress } from "../src/update/releases.ts";
import { isWindows, type TargetName, targets } from "./targets.ts";

/** What the channels say of the program; the rest comes from the release. */
const about = {
  name: "codemie",
  /** Homebrew wants no article, no name of the program and at most 80 characters */
  description: "Runs coding agents on the models of a company's CodeMie host",
  license: "Apache-2.0",
  publisher: "CodeMie",
} as const;

/** A release, as the channels need it. */
export interface Manifest {
  readonly version: string;
  /** where it lies */
  readonly baseUrl: string;
  readonly homepage: string;
  /** address and SHA-256 sum of each machine's archive */
  readonly archives: ReadonlyMap<TargetName, { readonly url: string; readonly sha256: string }>;
}

/**
 * Reads a release's list of sums: the one source of all channels.
 *
 * @param sums the text of `SHA256SUMS`
 * @throws Error when it names no version
 */
export function manifestOf(sums: string, baseUrl: string): Manifest {
  const version = /^# codemie (\d+\.\d+\.\d+)\n/.exec(sums)?.[1];
  if (!version) throw new Error("SHA256SUMS names no version");
  const byName = new Map(
    [...sums.matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)].map(([, sum = "", name = ""]) => [name, sum]),
  );
  const archives = new Map<TargetName, { url: string; sha256: string }>();
  for (const target of Object.keys(targets) as TargetName[]) {
    const file = archiveOf(target);
    const sha256 = byName.get(file);
    if (sha256) archives.set(target, { url: fileAddress(baseUrl, version, file), sha256 });
  }
  return {
    version,
    baseUrl,
    homepage: baseUrl.replace(/^(https:\/\/github\.com\/[^/]+\/[^/]+)\/releases$/, "$1"),
    archives,
  };
}

/**
 * Writes what each channel wants to have of a release, into a folder of its own each. A channel whose machines are not all in
 * the release is left out.
 *
 * @param installer the text of the release's `install.sh`
 * @returns the paths of the files, relative to the folder
 * @throws Error where the release lies at no address
 */
export async function writeChannels(folder: string, manifest: Manifest, installer: string): Promise<string[]> {
  if (!manifest.baseUrl.startsWith("https://")) throw new Error("a channel needs the https address of the release");
  const files = [homebrew, scoop, winget, npm, devcontainer(installer)].flatMap((make) => {
    try {
      return Object.entries(make(manifest));
    } catch (error) {
      if (error instanceof Missing) return [];
      throw error;
    }
  });
  for (const [name, text] of files) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await Bun.write(join(folder, name), text);
  }
  return files.map(([name]) => name);
}

/** Texts by path. */
type Files = Record<string, string>;

class Missing extends Error {}

function archive({ archives }: Manifest, target: TargetName): { url: string; sha256: string } {
  const found = archives.get(target);
  if (!found) throw new Missing(target);
  return found;
}

const json = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`;

/** Homebrew's formula (docs.brew.sh/Formula-Cookbook). */
function homebrew(manifest: Manifest): Files {
  const of = (target: TargetName) => {
    const { url, sha256 } = archive(manifest, target);
    return `      url "${url}"\n      sha256 "${sha256}"`;
  };
  const system = (name: string, arm: TargetName, intel: TargetName) =>
    `  on_${name} do\n    on_arm do\n${of(arm)}\n    end\n    on_intel do\n${of(intel)}\n    end\n  end\n`;
  const text = `class Codemie < Formula
  desc "${about.description}"
  homepage "${manifest.homepage}"
  version "${manifest.version}"
  license "${about.license}"

${system("macos", "darwin-arm64", "darwin-x64")}
${system("linux", "linux-arm64", "linux-x64")}
  def install
    bin.install "codemie"
    %w[${linkNames.join(" ")}].each { |name| bin.install_symlink "codemie" => name }
    generate_completions_from_executable(bin/"codemie", "completion", shells: [:bash, :zsh, :fish])
  end

  test do
    assert_match "codemie #{version} (", shell_output("#{bin}/codemie --version")
  end
end
`;
  return { "homebrew/codemie.rb": text };
}

/** Scoop's manifest (github.com/ScoopInstaller/Scoop/wiki/App-Manifests). */
function scoop(manifest: Manifest): Files {
  const of = (target: TargetName) => {
    const { url, sha256 } = archive(manifest, target);
    return { url, hash: sha256 };
  };
  const shims = linkNames.map((name) => ["codemie.exe", name, name.slice("codemie-".length)]);
  return {
    "scoop/codemie.json": json({
      version: manifest.version,
      description: about.description,
      homepage: manifest.homepage,
      license: about.license,
      architecture: { "64bit": of("windows-x64"), arm64: of("windows-arm64") },
      bin: ["codemie.exe", ...shims],
    }),
  };
}

/** winget's three files (learn.microsoft.com/windows/package-manager/package/manifest). */
function winget(manifest: Manifest): Files {
  const id = `${about.publisher}.${about.name}`;
  const form = "1.10.0";
  const head = `PackageIdentifier: ${id}\nPackageVersion: ${manifest.version}\n`;
  const tail = (type: string) => `ManifestType: ${type}\nManifestVersion: ${form}\n`;
  const of = (architecture: string, target: TargetName) => {
    const { url, sha256 } = archive(manifest, target);
    return `  - Architecture: ${architecture}\n    InstallerUrl: ${url}\n    InstallerSha256: ${sha256.toUpperCase()}\n`;
  };
  const installers = of("x64", "windows-x64") + of("arm64", "windows-arm64");
  const nested = `InstallerType: zip
NestedInstallerType: portable
NestedInstallerFiles:
  - RelativeFilePath: codemie.exe
    PortableCommandAlias: codemie
Installers:
${installers}`;
  const locale = `PackageLocale: en-US
Publisher: ${about.publisher}
PackageName: ${about.name}
License: ${about.license}
ShortDescription: ${about.description}
PackageUrl: ${manifest.homepage}
`;
  return {
    [`winget/${id}.yaml`]: `${head}DefaultLocale: en-US\n${tail("version")}`,
    [`winget/${id}.installer.yaml`]: head + nested + tail("installer"),
    [`winget/${id}.locale.en-US.yaml`]: head + locale + tail("defaultLocale"),
  };
}

/** Machines as npm tells them apart (docs.npmjs.com, package.json: os, cpu, libc). It knows no `baseline`. */
const npmTargets = (Object.keys(targets) as TargetName[]).filter((target) => !target.includes("baseline"));

/**
 * npm's packages: one for each machine with the program, which whoever publishes it unpacks from its archive, and one that
 * starts the right program. Nothing is downloaded when they are installed, and no script runs.
 */
function npm(manifest: Manifest): Files {
  const { version, homepage } = manifest;
  const common = { version, license: about.license, homepage };
  const files: Files = {};
  for (const target of npmTargets) {
    archive(manifest, target);
    const [system = "", cpu = ""] = target.split("-");
    const program = isWindows(target) ? "codemie.exe" : "codemie";
    files[`npm/${about.name}-${target}/package.json`] = json({
      name: `${about.name}-${target}`,
      ...common,
      description: `The program of codemie for ${target}`,
      os: [system === "windows" ? "win32" : system],
      cpu: [cpu],
      ...(system === "linux" && { libc: [target.endsWith("-musl") ? "musl" : "glibc"] }),
      files: [program],
    });
  }
  const names = [about.name, ...linkNames];
  files[`npm/${about.name}/package.json`] = json({
    name: about.name,
    ...common,
    description: about.description,
    bin: Object.fromEntries(names.map((name) => [name, `${name}.cjs`])),
    files: names.map((name) => `${name}.cjs`),
    engines: { node: ">=18" },
    optionalDependencies: Object.fromEntries(npmTargets.map((target) => [`${about.name}-${target}`, version])),
  });
  files[`npm/${about.name}/codemie.cjs`] = launcherText;
  // Windows' shims name the file alone, so that each name has one.
  for (const name of linkNames)
    files[`npm/${about.name}/${name}.cjs`] = '#!/usr/bin/env node\nrequire("./codemie.cjs");\n';
  return files;
}

const launcherText = `#!/usr/bin/env node
"use strict";
// Starts the program of this machine, by the name that was typed.
const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const { basename } = require("node:path");
const system = process.platform === "win32" ? "windows" : process.platform;
const isWindows = system === "windows";
const program = isWindows ? "codemie.exe" : "codemie";
const kinds = system === "linux" ? ["", "-musl"] : [""];
let found;
for (const kind of kinds) {
  try {
    found ??= require.resolve(\`codemie-\${system}-\${process.arch}\${kind}/\${program}\`);
  } catch {}
}
if (!found) {
  console.error(\`error: there is no codemie for this machine (\${system} \${process.arch})\`);
  console.error("hint: install it again, with optional dependencies");
  process.exit(1);
}
const name = basename(process.argv[1]).replace(/\\.cjs$/, "");
const word = name.startsWith("codemie-") ? [name.slice("codemie-".length)] : [];
const child = spawn(found, [...word, ...process.argv.slice(2)], { stdio: "inherit" });
// Ctrl-C reaches the program from the terminal itself.
process.on("SIGINT", () => {});
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", ({ code }) => {
  console.error(\`error: the program could not be started (\${code})\`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
`;

/** A feature of dev containers (containers.dev/implementors/features): the release's own installer, with its checks. */
const devcontainer =
  (installer: string) =>
  (manifest: Manifest): Files => ({
    "devcontainer/src/codemie/devcontainer-feature.json": json({
      id: about.name,
      version: manifest.version,
      name: about.name,
      description: about.description,
      documentationURL: manifest.homepage,
      options: {},
    }),
    "devcontainer/src/codemie/install.sh": `#!/bin/sh
set -e
exec sh "$(dirname "$0")/codemie-install.sh" --version ${manifest.version} --dir /usr/local/bin
`,
    "devcontainer/src/codemie/codemie-install.sh": installer,
  });
