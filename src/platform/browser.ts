import type { Env } from "../core/env.ts";
import { withoutOwnSecrets } from "../core/env.ts";
import { platformFailure } from "./failures.ts";

/**
 * Decides how a URL reaches a browser.
 *
 * @param env `CODEMIE_BROWSER`, then `BROWSER`
 * @returns `none` when the user asks for that (`CODEMIE_BROWSER=none`) or there is no screen (SSH, a Linux machine
 *   without a display); `program` with the path of the one the user named; else `system`
 */
export function browserFor(env: Env): { kind: "none" } | { kind: "program"; path: string } | { kind: "system" } {
  const named = env.CODEMIE_BROWSER || env.BROWSER;
  if (named === "none") return { kind: "none" };
  if (named) return { kind: "program", path: named };
  if (env.SSH_CONNECTION || env.SSH_TTY) return { kind: "none" };
  const desktop = process.platform !== "linux" || env.DISPLAY || env.WAYLAND_DISPLAY || env.WSL_DISTRO_NAME;
  return desktop ? { kind: "system" } : { kind: "none" };
}

/**
 * Opens a URL, unless {@link browserFor} finds no browser. A program that the user named gets the URL as its one
 * argument, without a shell in between.
 *
 * @throws `failed` when the program cannot be started
 */
export async function openBrowser(url: string, env: Env): Promise<void> {
  const browser = browserFor(env);
  if (browser.kind === "none") return;
  if (browser.kind === "program") {
    try {
      Bun.spawn([browser.path, url], {
        stdio: ["ignore", "ignore", "ignore"],
        env: withoutOwnSecrets(env),
        detached: true,
      }).unref();
    } catch {
      throw platformFailure.browserFailed(browser.path);
    }
    return;
  }
  const { default: open } = await import("open");
  const child = await open(url).catch(() => {
    throw platformFailure.browserFailed("the system's browser");
  });
  child.on("error", () => undefined);
}
