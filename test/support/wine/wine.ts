import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, editionOf } from "../../../release/compile.ts";
import type { Finished } from "../codemie.ts";

/** Debian's package puts it outside of PATH. */
const wine = Bun.which("wine64") ?? ["/usr/lib/wine/wine64"].find((file) => existsSync(file));
const compiler = Bun.which("x86_64-w64-mingw32-gcc") ?? Bun.which("x86_64-w64-mingw32-gcc-win32");

/** What is missing to run a program for Windows here; undefined when nothing is. */
export const lacksWine: string | undefined =
  process.platform !== "linux" || process.arch !== "x64"
    ? "wine runs the program for Windows on Linux x64 only"
    : wine === undefined || compiler === null
      ? "no wine here (Debian: wine64, gcc-mingw-w64-x86-64-win32)"
      : undefined;

/** @returns a path of this machine as Windows programs see it */
export const windowsPath = (path: string): string => `Z:${path.replaceAll("/", "\\")}`;

/**
 * @param target a script with `#!/usr/bin/env node`, by its path from the batch file's folder
 * @returns the batch file that npm 11 puts on PATH for it (its package cmd-shim 8)
 */
export const npmShim = (target: string): string =>
  String.raw`@ECHO off
GOTO start
:find_dp0
SET dp0=%~dp0
EXIT /b
:start
SETLOCAL
CALL :find_dp0

IF EXIST "%dp0%\node.exe" (
  SET "_prog=%dp0%\node.exe"
) ELSE (
  SET "_prog=node"
  SET PATHEXT=%PATHEXT:;.JS;=;%
)

endLocal & goto #_undefined_# 2>NUL || title %COMSPEC% & "%_prog%"  "%dp0%\TARGET" %*
`
    .replaceAll("\n", "\r\n")
    .replace("TARGET", () => target);

/** Takes an agent's place: it writes down what it was started with, asks the gateway for its models, and ends. */
const agentScript = `
const { BUN_BE_BUN, ...env } = process.env;
const seen = { args: process.argv.slice(2), env, cwd: process.cwd() };
if (env.ANTHROPIC_BASE_URL) {
  const answer = await fetch(env.ANTHROPIC_BASE_URL + "/v1/models", { headers: { authorization: "Bearer " + env.ANTHROPIC_AUTH_TOKEN } });
  seen.models = { status: answer.status, body: await answer.json() };
}
await Bun.write(env.SEEN, JSON.stringify(seen));
console.log("done");
`;

/** What the agent wrote down. */
export interface Seen {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly models?: { readonly status: number; readonly body: unknown };
}

/** A Windows of its own, with the program for it. */
export class Windows {
  readonly folder = mkdtempSync(join(tmpdir(), "codemie-windows-"));
  readonly program = join(this.folder, "app/codemie.exe");
  readonly #launcher = join(this.folder, "app/launcher.exe");
  readonly #env: Record<string, string>;
  #idle: Bun.Subprocess | undefined;

  constructor() {
    this.#env = {
      WINEPREFIX: join(this.folder, "prefix"),
      WINEARCH: "win64",
      WINEDEBUG: "-all",
      // No entries in menus, and no .NET, which wine would ask for a window about.
      WINEDLLOVERRIDES: "winemenubuilder.exe,mscoree,mshtml=",
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      CODEMIE_BROWSER: "none",
    };
  }

  /** Builds the program and makes the Windows: half a minute. */
  async start(): Promise<void> {
    await compile(await editionOf(undefined), this.program, "windows-x64");
    const source = (name: string) => join(import.meta.dir, name);
    build(["-shared", "-o", join(this.folder, "app/bcryptprimitives.dll"), source("bcryptprimitives.c"), "-ladvapi32"]);
    const runtime = `-DRUNTIME=L"${windowsPath(this.program).replaceAll("\\", "\\\\")}"`;
    build(["-municode", runtime, "-o", this.#launcher, source("launcher.c")]);
    // Not to pipes: what it starts in the background would keep them open.
    const quiet = { env: this.#env, stdout: "ignore", stderr: "ignore" } as const;
    if (Bun.spawnSync([wine ?? "", "wineboot.exe", "--init"], quiet).exitCode !== 0)
      throw new Error("wine does not start");
    // While this one waits for its input, each other program finds Windows running.
    this.#idle = Bun.spawn([wine ?? "", "cmd.exe"], { ...quiet, stdin: "pipe" });
  }

  /** Ends all that runs in it, and removes it. */
  stop(): void {
    this.#idle?.kill();
    for (const how of ["--kill", "--wait"])
      Bun.spawnSync([server(), how], { env: this.#env, stdout: "ignore", stderr: "ignore" });
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** @returns a person's machine: empty folders for our files and to work in */
  person(): WindowsPerson {
    return new WindowsPerson(this, wine ?? "", this.#launcher, this.#env);
  }
}

export class WindowsPerson {
  readonly root: string;
  /** the base folder of everything codemie writes */
  readonly codemieHome: string;
  readonly cwd: string;
  readonly bin: string;
  readonly env: Record<string, string>;
  readonly #windows: Windows;
  readonly #wine: string;
  readonly #launcher: string;

  constructor(windows: Windows, program: string, launcher: string, env: Record<string, string>) {
    this.#windows = windows;
    this.#wine = program;
    this.#launcher = launcher;
    this.root = mkdtempSync(join(windows.folder, "person-"));
    [this.codemieHome, this.cwd, this.bin] = [
      join(this.root, "codemie"),
      join(this.root, "cwd"),
      join(this.root, "bin"),
    ];
    for (const folder of [this.cwd, this.bin]) mkdirSync(folder);
    this.env = {
      ...env,
      WINEPATH: windowsPath(this.bin),
      CODEMIE_HOME: windowsPath(this.codemieHome),
      SEEN: windowsPath(join(this.root, "seen.json")),
    };
  }

  /**
   * Starts the program.
   *
   * @param stdin comes through a pipe: a file that wine did not open itself has no name there, and `fstat` fails
   */
  start(args: readonly string[], options: { env?: Record<string, string>; program?: string; stdin?: string } = {}) {
    const command = [this.#wine, options.program ?? this.#windows.program, ...args];
    const env = { ...this.env, ...options.env };
    const child = Bun.spawn(command, { cwd: this.cwd, env, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    if (options.stdin !== undefined) child.stdin.write(options.stdin);
    child.stdin.end();
    return child;
  }

  /** Runs the program to its end. */
  async run(...call: Parameters<WindowsPerson["start"]>): Promise<Finished> {
    const child = this.start(...call);
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { code, out: out.replaceAll("\r\n", "\n"), err: err.replaceAll("\r\n", "\n") };
  }

  /** Puts an agent on PATH: `exe`, as its own installer does, or `cmd`, which is what npm makes for a script. */
  install(name: string, kind: "exe" | "cmd" = "exe"): void {
    if (kind === "exe") {
      linkSync(this.#launcher, join(this.bin, `${name}.exe`));
      writeFileSync(join(this.bin, `${name}.js`), agentScript);
      return;
    }
    const folder = join(this.bin, "node_modules", name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "cli.js"), `#!/usr/bin/env node\n${agentScript}`);
    writeFileSync(join(this.bin, `${name}.cmd`), npmShim(`node_modules\\${name}\\cli.js`));
    if (!existsSync(join(this.bin, "node.exe"))) copyFileSync(this.#launcher, join(this.bin, "node.exe"));
  }

  /** the folders of agents' runs */
  runFolders(): string[] {
    const run = join(this.codemieHome, "run");
    return existsSync(run) ? readdirSync(run).filter((name) => name.startsWith("agent-")) : [];
  }

  /** What the agent wrote down. */
  async seen(): Promise<Seen> {
    return await Bun.file(join(this.root, "seen.json")).json();
  }
}

const server = () =>
  ["/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver"].find((file) => existsSync(file)) ?? "wineserver";

function build(args: readonly string[]): void {
  const done = Bun.spawnSync([compiler ?? "", "-O2", "-s", "-Wall", ...args], { stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(done.stderr.toString());
}
