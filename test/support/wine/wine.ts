import { existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, editionOf } from "../../../release/compile.ts";
import { waitForChange } from "../../../src/platform/files.ts";
import type { Finished } from "../codemie.ts";
import { Pty } from "../pty.ts";

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

/** @returns the path here of one of {@link windowsPath} */
export const unixPath = (path: string): string => path.replace(/^Z:/, "").replaceAll("\\", "/");

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

/** Takes an agent's place: it writes down what it was started with, asks the gateway for its models, and ends when the test says so. */
const agentScript = `
const { BUN_BE_BUN, ...env } = process.env;
const seen = { args: process.argv.slice(2), env, cwd: process.cwd() };
if (env.ANTHROPIC_BASE_URL) {
  const headers = { authorization: "Bearer " + env.ANTHROPIC_AUTH_TOKEN };
  const answer = await fetch(env.ANTHROPIC_BASE_URL + "/v1/models", { headers });
  seen.models = { status: answer.status, body: await answer.json() };
}
process.on("SIGINT", () => {
  console.log("interrupted");
  process.exit(7);
});
await Bun.write(env.SEEN, JSON.stringify(seen));
if (env.AGENT_WAITS) await new Promise((data) => {
  Bun.connect({ hostname: "127.0.0.1", port: Number(env.AGENT_WAITS), socket: { data } });
});
console.log("done");
process.exit(0); // the connection would keep it
`;

/** What a program that waits for the test is connected to. */
export interface Wait {
  /** for the variable AGENT_WAITS */
  readonly port: string;
  /** resolves once the program waits */
  readonly began: Promise<void>;
  /** lets it go on */
  readonly proceed: () => Promise<void>;
  /** resolves once the program that waited is gone */
  readonly gone: Promise<void>;
}

/** @returns a place where a program waits */
export function wait(): Wait {
  const began = Promise.withResolvers<Bun.Socket>();
  const gone = Promise.withResolvers<void>();
  const socket = { data: () => undefined, open: began.resolve, close: () => gone.resolve() };
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket });
  void gone.promise.then(() => server.stop());
  return {
    port: String(server.port),
    began: began.promise.then(() => undefined),
    proceed: async () => void (await began.promise).write("x"),
    gone: gone.promise,
  };
}

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
  readonly holder = join(this.folder, "app/holder.exe");
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
      // By its letters wine reads the arguments that it is given here.
      LANG: "C.UTF-8",
    };
  }

  /** Builds the program and makes the Windows: half a minute. */
  async start(): Promise<void> {
    await compile(await editionOf(undefined), this.program, "windows-x64");
    const source = (name: string) => join(import.meta.dir, name);
    build(["-shared", "-o", join(this.folder, "app/bcryptprimitives.dll"), source("bcryptprimitives.c"), "-ladvapi32"]);
    const runtime = `-DRUNTIME=L"${windowsPath(this.program).replaceAll("\\", "\\\\")}"`;
    build(["-municode", runtime, "-o", this.#launcher, source("launcher.c")]);
    build(["-municode", "-o", this.holder, source("holder.c")]);
    // Not to pipes: what it starts in the background would keep them open.
    const quiet = { env: this.#env, stdout: "ignore", stderr: "ignore" } as const;
    if (Bun.spawnSync([wine ?? "", "wineboot.exe", "--init"], quiet).exitCode !== 0)
      throw new Error("wine does not start");
    // While this one waits for its input, each other program finds Windows running.
    this.#idle = Bun.spawn([wine ?? "", "cmd.exe"], { ...quiet, stdin: "pipe" });
  }

  /** the profile folder of its user */
  get usersFolder(): string {
    const users = join(this.folder, "prefix/drive_c/users");
    return join(users, readdirSync(users).find((name) => name !== "Public") ?? "");
  }

  /** Puts the program into a folder, with what it needs here. @returns its path */
  copyTo(folder: string): string {
    for (const name of ["codemie.exe", "bcryptprimitives.dll"])
      linkSync(join(this.folder, "app", name), join(folder, name));
    return join(folder, "codemie.exe");
  }

  /** Ends all that runs in it, and removes it. */
  stop(): void {
    if (this.#idle) {
      this.#idle.kill();
      for (const how of ["--kill", "--wait"])
        Bun.spawnSync([server(), how], { env: this.#env, stdout: "ignore", stderr: "ignore" });
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** @returns a person's machine: empty folders for our files and to work in */
  person(): WindowsPerson {
    return new WindowsPerson(this, wine ?? "", this.#launcher, this.#env);
  }
}

interface WindowsOptions {
  readonly env?: Record<string, string>;
  readonly program?: string;
  readonly stdin?: string;
}

/** A person's machine: empty folders for our files and to work in, an environment without surprises. */
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

  /** Starts the program. */
  start(args: readonly string[], options: WindowsOptions = {}, stderr: "ignore" | Bun.BunFile = "ignore") {
    const command = [this.#wine, options.program ?? this.#windows.program, ...args];
    const env = { ...this.env, ...options.env };
    const child = Bun.spawn(command, { cwd: this.cwd, env, stdin: "pipe", stdout: "pipe", stderr });
    // Through a pipe: a file that wine did not open itself has no name there, and `fstat` fails.
    if (options.stdin !== undefined) child.stdin.write(options.stdin);
    child.stdin.end();
    return child;
  }

  /** Runs the program to its end. */
  async run(args: readonly string[], options: WindowsOptions = {}): Promise<Finished> {
    // No pipe: wine gives each program that this one starts its standard error too, also one that outlives it.
    const said = Bun.file(join(mkdtempSync(join(this.root, "run-")), "stderr"));
    const child = this.start(args, options, said);
    const [out, code] = await Promise.all([child.stdout.text(), child.exited]);
    return { code, out: out.replaceAll("\r\n", "\n"), err: (await said.text()).replaceAll("\r\n", "\n") };
  }

  /**
   * Puts an agent on PATH: `exe`, as its own installer does; `npm`, a batch file of npm's for a script with its package.
   *
   * @param version of the package; without one it says nothing of itself: Bun under wine complains of a package.json beside a script
   */
  install(name: string, kind: "exe" | "npm" = "exe", packageName = name, version?: string): void {
    if (kind === "exe") {
      linkSync(this.#launcher, join(this.bin, `${name}.exe`));
      writeFileSync(join(this.bin, `${name}.js`), agentScript);
      return;
    }
    const folder = join(this.bin, "node_modules", packageName);
    mkdirSync(folder, { recursive: true });
    if (version !== undefined)
      writeFileSync(join(folder, "package.json"), JSON.stringify({ name: packageName, version }));
    writeFileSync(join(folder, "cli.js"), `#!/usr/bin/env node\n${agentScript}`);
    this.batchFile(name, npmShim(`node_modules\\${packageName.replace("/", "\\")}\\cli.js`));
    linkSync(this.#launcher, join(this.bin, "node.exe"));
  }

  /** Puts a batch file on PATH. */
  batchFile(name: string, text: string): void {
    writeFileSync(join(this.bin, `${name}.cmd`), text);
  }

  /** Starts the program at a terminal, which wine makes a console of. */
  terminal(args: readonly string[], env: Record<string, string>): Pty {
    return new Pty(this, [this.#windows.program, ...args], env, this.#wine);
  }

  /**
   * Starts a login that opens the system's browser; wine hands the address to this machine's own opener.
   *
   * @returns the address that was opened, and how the login ends
   */
  async browserOpens(args: readonly string[]): Promise<{ opened: string; finished: Promise<Finished> }> {
    const [opener, file] = [join(this.root, "opener"), join(this.root, "opened")];
    mkdirSync(opener);
    const script = `#!/bin/sh\nprintf %s "$1" > '${file}.part' && mv '${file}.part' '${file}'\n`;
    writeFileSync(join(opener, "xdg-open"), script, { mode: 0o755 });
    const finished = this.run(args, { env: { CODEMIE_BROWSER: "", PATH: `${opener}:${this.env.PATH}` } });
    if (!(await waitForChange(this.root, 60_000, async () => existsSync(file))))
      throw new Error(`no browser opened: ${(await finished).err}`);
    return { opened: await Bun.file(file).text(), finished };
  }

  /**
   * Starts a program that keeps a file open.
   *
   * @returns a function that ends it
   */
  async hold(file: string): Promise<() => Promise<void>> {
    const { child, said } = this.#startQuietly([this.#windows.holder, windowsPath(file)]);
    await said;
    return async () => {
      await child.stdin.end();
      await child.exited;
    };
  }

  /** @returns a program with an open input, and its first words */
  #startQuietly(command: readonly string[]) {
    const child = Bun.spawn([this.#wine, ...command], {
      cwd: this.cwd,
      env: this.env,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "ignore",
    });
    return { child, said: child.stdout.getReader().read() };
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
