import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import * as z from "zod/mini";
import { manifestOf, writeChannels } from "../../release/channels.ts";
import { ownTarget, targets } from "../../release/targets.ts";
import { linkNames } from "../../src/cli/commands/agent/agents.ts";
import { archiveOf } from "../../src/update/archive.ts";

/** What Homebrew, Scoop, winget, npm and dev containers want of a release: each in its form, with the release's sums. */

const folder = mkdtempSync(join(tmpdir(), "codemie-channels-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const baseUrl = "https://github.com/example/codemie/releases";
const sumOf = (file: string) => new Bun.CryptoHasher("sha256").update(file).digest("hex");
const archives = (Object.keys(targets) as (keyof typeof targets)[]).map(archiveOf);
const sums = `# codemie 1.2.3\n${archives.map((file) => `${sumOf(file)}  ${file}\n`).join("")}`;
const manifest = manifestOf(sums, baseUrl);
const written = await writeChannels(folder, manifest, '#!/bin/sh\necho installer "$@"\n');
const text = (name: string) => readFileSync(join(folder, name), "utf8");
const urlOf = (file: string) => `${baseUrl}/download/v1.2.3/${file}`;

/** Every address of an archive that a text has, with the sum that follows it. */
const pairsIn = (of: string) =>
  [
    ...of.matchAll(/(https:\S+?\/codemie-[^\s"]+)"?,?\s+"?(?:sha256|hash|InstallerSha256)"?:? "?([0-9A-Fa-f]{64})/g),
  ].map(([, url = "", sum = ""]) => [url, sum.toLowerCase()]);

test("addresses and sums are the release's; nothing else is downloaded", () => {
  const pairs = ["homebrew/codemie.rb", "scoop/codemie.json", "winget/CodeMie.codemie.installer.yaml"].map((name) => {
    const found = pairsIn(text(name));
    for (const [url, sum] of found) {
      const file = archives.find((one) => urlOf(one) === url);
      expect({ url, sum }).toEqual({ url, sum: sumOf(file ?? "") });
    }
    return found.map(([url = ""]) => /codemie-(.+?)\.(?:tar|exe)/.exec(url)?.[1]);
  });
  expect(pairs).toEqual([
    ["darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64"],
    ["windows-x64", "windows-arm64"],
    ["windows-x64", "windows-arm64"],
  ]);
});

test("a release without some machines has the channels that need none of them; one without an address has none", async () => {
  const some = manifestOf(sums.replace(/^.*windows-arm64.*\n/m, ""), baseUrl);
  const names = await writeChannels(join(folder, "some"), some, "");
  expect([...new Set(names.map((name) => name.split("/")[0]))]).toEqual(["homebrew", "devcontainer"]);
  await expect(writeChannels(folder, manifestOf(sums, "http://127.0.0.1:1"), "")).rejects.toThrow("https address");
  expect(() => manifestOf("<html>", baseUrl)).toThrow("names no version");
});

test("Homebrew: a formula that Ruby reads, with a description as its audit wants it", () => {
  const formula = text("homebrew/codemie.rb");
  const desc = /^ {2}desc "(.*)"$/m.exec(formula)?.[1] ?? "";
  // docs.brew.sh/Formula-Cookbook: no article, no name of the program, no full stop, at most 80 characters with the name
  expect(`codemie: ${desc}`.length).toBeLessThanOrEqual(80);
  expect(desc).not.toMatch(/^(?:An?|The|codemie)\b|\.$/i);
  expect(formula).toMatch(/^class Codemie < Formula$/m);
  for (const part of ["homepage", "version", "license", "def install", "test do"])
    expect(formula).toContain(`\n  ${part}`);
  for (const name of linkNames) expect(formula).toContain(name);
  if (Bun.which("ruby"))
    expect(Bun.spawnSync(["ruby", "-c", join(folder, "homebrew/codemie.rb")]).stdout.toString()).toBe("Syntax OK\n");
  const opened = formula.match(/\bdo$|^ *def |^class /gm)?.length;
  expect(formula.match(/^ *end$/gm)?.length).toBe(opened ?? 0);
});

const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const https = z.string().check(z.regex(/^https:\/\/[^\s]+$/));

test("Scoop: the members and kinds that its schema has (schema.json of ScoopInstaller/Scoop)", () => {
  const one = z.strictObject({ url: https, hash: sha256 });
  const form = z.strictObject({
    version: z.string().check(z.regex(/^[\w.\-+]+$/)),
    description: z.string(),
    homepage: https,
    license: z.string(),
    architecture: z.strictObject({ "64bit": one, arm64: one }),
    bin: z.array(z.union([z.string(), z.array(z.string()).check(z.minLength(2), z.maxLength(3))])),
  });
  const { bin } = form.parse(JSON.parse(text("scoop/codemie.json")));
  expect(bin).toContainEqual(["codemie.exe", "codemie-mcp-proxy", "mcp-proxy"]);
});

test("winget: the three files of a version, as the schemas of 1.10.0 want them", () => {
  const id = z.string().check(z.regex(/^[^\s.\\/:*?"<>|]{1,32}(\.[^\s.\\/:*?"<>|]{1,32}){1,7}$/));
  const common = { PackageIdentifier: id, PackageVersion: z.literal("1.2.3"), ManifestVersion: z.literal("1.10.0") };
  const files = {
    "": z.strictObject({ ...common, DefaultLocale: z.literal("en-US"), ManifestType: z.literal("version") }),
    ".locale.en-US": z.strictObject({
      ...common,
      PackageLocale: z.literal("en-US"),
      Publisher: z.string().check(z.minLength(2), z.maxLength(256)),
      PackageName: z.string().check(z.minLength(2)),
      License: z.string().check(z.minLength(3), z.maxLength(512)),
      ShortDescription: z.string().check(z.minLength(3), z.maxLength(256)),
      PackageUrl: https,
      ManifestType: z.literal("defaultLocale"),
    }),
    ".installer": z.strictObject({
      ...common,
      InstallerType: z.literal("zip"),
      NestedInstallerType: z.literal("portable"),
      NestedInstallerFiles: z.array(
        z.strictObject({ RelativeFilePath: z.literal("codemie.exe"), PortableCommandAlias: z.literal("codemie") }),
      ),
      Installers: z.array(
        z.strictObject({
          Architecture: z.enum(["x64", "arm64"]),
          InstallerUrl: https,
          InstallerSha256: z.string().check(z.regex(/^[A-F0-9]{64}$/)),
        }),
      ),
      ManifestType: z.literal("installer"),
    }),
  };
  for (const [ending, form] of Object.entries(files)) {
    const found = z.safeParse(form, parse(text(`winget/CodeMie.codemie${ending}.yaml`)));
    expect({ ending, issues: found.error?.issues }).toEqual({ ending, issues: undefined });
  }
});

test("npm: a package for each machine, no script at installation, and a launcher that starts the program by its name", () => {
  const wrapper = JSON.parse(text("npm/codemie/package.json"));
  expect(Object.keys(wrapper.bin).sort()).toEqual(["codemie", ...linkNames].sort());
  for (const file of Object.values(wrapper.bin) as string[]) expect(wrapper.files).toContain(file);
  for (const [name, version] of Object.entries(wrapper.optionalDependencies)) {
    const one = JSON.parse(text(`npm/${name}/package.json`));
    expect([one.name, one.version, one.version, one.scripts]).toEqual([name, version as string, "1.2.3", undefined]);
    expect(one.os.length + one.cpu.length).toBe(2);
  }
  expect(wrapper.scripts).toBeUndefined();
  const node = Bun.which("node");
  if (!node) return;
  const modules = join(folder, "modules/node_modules");
  const own = `codemie-${ownTarget().replace("-baseline", "")}`;
  mkdirSync(join(modules, own), { recursive: true });
  Bun.spawnSync(["cp", "-R", join(folder, "npm/codemie"), modules]);
  const run = (...words: string[]) => Bun.spawnSync([node, ...words], { stderr: "pipe" });
  const launcher = join(modules, "codemie/codemie.cjs");
  expect([run(launcher).exitCode, run(launcher).stderr.toString()]).toEqual([
    1,
    expect.stringContaining("there is no codemie for this machine"),
  ]);
  writeFileSync(join(modules, own, "package.json"), JSON.stringify({ name: own, version: "1.2.3" }));
  writeFileSync(join(modules, own, "codemie"), '#!/bin/sh\necho "$@"\nexit 7\n', { mode: 0o755 });
  const link = join(folder, "codemie-claude");
  symlinkSync(join(modules, "codemie/codemie-claude.cjs"), link);
  for (const [path, said] of [
    [launcher, "--task a b\n"],
    [link, "claude --task a b\n"],
    [join(modules, "codemie/codemie-mcp-proxy.cjs"), "mcp-proxy --task a b\n"],
  ] as const) {
    const { exitCode, stdout } = run(path, "--task", "a b");
    expect({ path, exitCode, out: stdout.toString() }).toEqual({ path, exitCode: 7, out: said });
  }
});

test("dev containers: a feature as its specification has it, which runs the release's own installer", () => {
  const folderOf = "devcontainer/src/codemie";
  const form = z.strictObject({
    id: z.literal("codemie"),
    version: z.string().check(z.regex(/^\d+\.\d+\.\d+$/)),
    name: z.string(),
    description: z.string(),
    documentationURL: https,
    options: z.strictObject({}),
  });
  form.parse(JSON.parse(text(`${folderOf}/devcontainer-feature.json`)));
  const ran = Bun.spawnSync(["sh", join(folder, folderOf, "install.sh")]).stdout.toString();
  expect(ran).toBe("installer --version 1.2.3 --dir /usr/local/bin\n");
  expect(written.every((name) => existsSync(join(folder, name)))).toBe(true);
});
