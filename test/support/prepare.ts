import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chromiumPath } from "./chromium.ts";
import { codemie } from "./codemie.ts";
import { hasRsyslog } from "./rsyslog.ts";
import { lacksWine } from "./wine/wine.ts";

/** Runs before the tests: installs the real counterparts npm and Debian have, or stops with one clear line. */

const debian = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };

if (!existsSync(codemie)) stop("dist/codemie is missing: run bun run build first");
for (const name of ["agents", "mcp"]) {
  const folder = join(import.meta.dir, "..", name);
  // Of what lockfile they are: a checkout moves on, and its installed programs with it.
  const [lock, installed] = [join(folder, "bun.lock"), join(folder, "node_modules/.installed.lock")];
  if (existsSync(installed) && readFileSync(installed).equals(readFileSync(lock))) continue;
  run(["bun", "install", "--frozen-lockfile"], folder, "the programs the tests run could not be installed");
  copyFileSync(lock, installed);
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

// Worth a try, and no more: a Chromium without windows, which costs the tests half of the processor's time; a real receiver of
// syslog, unless its package would become this machine's own log; a shell that is not bash. Tests say what they leave out.
const wished: string[] = [];
if (!process.env.CHROMIUM && !Bun.which("chromium-headless-shell")) wished.push("chromium-headless-shell");
if (!hasRsyslog && (Bun.which("rsyslogd") || !existsSync("/run/systemd/system")))
  wished.push("rsyslog", "rsyslog-openssl");
if (!Bun.which("busybox")) wished.push("busybox");
// Machines of other kinds, to run the programs for them: large, so only where everything runs.
if (process.env.CI && process.arch === "x64") {
  if (!Bun.which("qemu-aarch64-static")) wished.push("qemu-user-static", "libc6-arm64-cross");
  if (lacksWine !== undefined) wished.push("wine64", "gcc-mingw-w64-x86-64-win32");
}
if (maySetUp && wished.length > 0) {
  const quiet = { env: debian, stdout: "ignore", stderr: "ignore" } as const;
  Bun.spawnSync(["apt-get", "update", "-q"], quiet);
  for (const name of wished) Bun.spawnSync(["apt-get", "install", "-y", "-q", "--no-install-recommends", name], quiet);
}

function run(command: string[], cwd: string, failed: string): void {
  const done = Bun.spawnSync(command, { cwd, env: debian, stdout: "ignore", stderr: "pipe" });
  if (done.exitCode !== 0) stop(`${failed}: ${done.stderr.toString().trim().split("\n").at(-1)}`);
}

function stop(line: string): never {
  console.error(`tests cannot run: ${line}`);
  process.exit(1);
}
