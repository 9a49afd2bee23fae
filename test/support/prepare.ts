import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromiumPath } from "./chromium.ts";
import { codemie } from "./codemie.ts";

/** Runs before the tests: installs the real counterparts npm and Debian have, or stops with one clear line. */

const debian = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
const counterparts = { agents: "node_modules/opencode-ai", mcp: "node_modules/@modelcontextprotocol" } as const;

if (!existsSync(codemie)) stop("dist/codemie is missing: run bun run build first");
for (const [name, installed] of Object.entries(counterparts)) {
  const folder = join(import.meta.dir, "..", name);
  if (existsSync(join(folder, installed))) continue;
  run(["bun", "install", "--frozen-lockfile"], folder, "the programs the tests run could not be installed");
}
const missing = ["bash", "zsh", "fish", "openssl"].filter((program) => !Bun.which(program));
if (!Bun.which("cc")) missing.push("gcc", "libc6-dev");
const maySetUp = process.getuid?.() === 0 && Bun.which("apt-get") !== null;
if (!chromiumPath()) missing.push("chromium-headless-shell");
if (missing.length > 0) {
  const names = missing.join(" ");
  if (!maySetUp) {
    stop(`the tests need ${names}: install them (Debian: apt-get install ${names}); CHROMIUM may name a Chromium`);
  }
  run(["apt-get", "update", "-q"], "/", "the package lists could not be read");
  run(
    ["apt-get", "install", "-y", "-q", "--no-install-recommends", ...missing],
    "/",
    `${names} could not be installed`,
  );
}

// A Chromium with windows does as well, and costs the tests twice the processor's time: worth a try, and no more.
if (maySetUp && !process.env.CHROMIUM && !Bun.which("chromium-headless-shell")) {
  for (const command of ["update -q", "install -y -q --no-install-recommends chromium-headless-shell"])
    Bun.spawnSync(["apt-get", ...command.split(" ")], { env: debian, stdout: "ignore", stderr: "ignore" });
}

// The installer's test runs in busybox's shell too, where there is one.
if (maySetUp && !Bun.which("busybox")) {
  Bun.spawnSync(["apt-get", "install", "-y", "-q", "--no-install-recommends", "busybox"], {
    env: debian,
    stdout: "ignore",
    stderr: "ignore",
  });
}

function run(command: string[], cwd: string, failed: string): void {
  const done = Bun.spawnSync(command, { cwd, env: debian, stdout: "ignore", stderr: "pipe" });
  if (done.exitCode !== 0) stop(`${failed}: ${done.stderr.toString().trim().split("\n").at(-1)}`);
}

function stop(line: string): never {
  console.error(`tests cannot run: ${line}`);
  process.exit(1);
}
