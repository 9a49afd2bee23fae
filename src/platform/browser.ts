import type { Env } from "../core/env.ts";
import { withoutOwnSecrets } from "../core/env.ts";
import { platformFailure } from "./failures.ts";

/**
 * Decides how a URL reaches a browser.
 *
 * @returns `none` where the user said so (`CODEMIE_BROWSER=none`) or where there is nothing to open one on (SSH, a
 *   Linux machine without a display); `program` with the one the user named; else `system`
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
 * Opens a URL. A program the user named gets it as its one argument, without a shell in between.
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
