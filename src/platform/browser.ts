import type { Env, ForeignEnv } from "../core/env.ts";
import { platformFailure } from "./failures.ts";
import { findProgram, type Program, type ProgramCall, startProgram } from "./processes.ts";

/**
 * Decides how a URL reaches a browser.
 *
 * @param env `CODEMIE_BROWSER`, then `BROWSER`
 * @returns `none` when the user asks for that (`CODEMIE_BROWSER=none`) or there is no screen (SSH, a Linux machine
 *   without a display), and whether it is the user's wish; `program` with the path of the one the user named; else `system`
 */
export function browserFor(
  env: Env,
): { kind: "none"; isWish: boolean } | { kind: "program"; name: string } | { kind: "system" } {
  const named = env.CODEMIE_BROWSER || env.BROWSER;
  if (named === "none") return { kind: "none", isWish: true };
  if (named) return { kind: "program", name: named };
  if (env.SSH_CONNECTION || env.SSH_TTY) return { kind: "none", isWish: false };
  const desktop = process.platform !== "linux" || env.DISPLAY || env.WAYLAND_DISPLAY || env.WSL_DISTRO_NAME;
  return desktop ? { kind: "system" } : { kind: "none", isWish: false };
}

/**
 * Opens a URL, unless {@link browserFor} finds no browser. A program that the user named gets the URL as its one
 * argument, without a shell in between.
 *
 * @param url other users of this machine may see it in the process list
 * @param env what the browser may see
 * @throws `failed` when there is no such program, or it cannot be started
 */
export function openBrowser(url: string, env: ForeignEnv): void {
  const browser = browserFor(env);
  if (browser.kind === "none") return;
  const name = browser.kind === "program" ? browser.name : "the system's browser";
  const command = browser.kind === "program" ? namedBrowser(browser.name, url, env) : systemBrowser(url, env);
  if (!command || !startProgram(command.call, env, command.input)) throw platformFailure.browserFailed(name);
}

/** A program to start, and its standard input if it reads any. */
interface Opener {
  readonly call: ProgramCall;
  readonly input?: string;
}

function namedBrowser(name: string, url: string, env: Env): Opener | undefined {
  const program = findProgram(name, env);
  return program && { call: [program, url] };
}

/** The program by which each system opens an address in the browser its user chose. */
function systemBrowser(url: string, env: Env): Opener | undefined {
  if (process.platform === "darwin") {
    // `open` would have the address as its argument; this way no process list shows it.
    const script = `open location "${url.replaceAll(/["\\]/g, encodeURIComponent)}"\n`;
    return { call: ["/usr/bin/osascript" as Program, "-"], input: script };
  }
  if (process.platform === "win32") {
    const program = findProgram(`${env.SYSTEMROOT || "C:\\Windows"}\\System32\\rundll32.exe`, env);
    return program && { call: [program, "url.dll,FileProtocolHandler", url] };
  }
  const opener = (env.WSL_DISTRO_NAME && findProgram("wslview", env)) || findProgram("xdg-open", env);
  if (opener) return { call: [opener, url] };
  // Windows beneath: its own shell opens the browser. In single quotes a quote is doubled, and nothing else has a meaning.
  const windows = env.WSL_DISTRO_NAME ? findProgram("powershell.exe", env) : undefined;
  const start = `Start-Process '${url.replaceAll("'", "''")}'`;
  return windows && { call: [windows, "-NoProfile", "-NonInteractive", "-Command", start] };
}
