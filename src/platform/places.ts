import { homedir, userInfo } from "node:os";
import { isAbsolute, join, relative } from "node:path";
import type { Env } from "../core/env.ts";
import { platformFailure } from "./failures.ts";

/**
 * Refuses a relative path in the environment: it would mean a file of the cloned repository that is the current folder,
 * and let that repository decide.
 *
 * @param variable the environment variable
 * @param path its value
 * @returns the path
 * @throws usage error when it is relative
 */
export function requireAbsolute(variable: string, path: string): string {
  if (!isAbsolute(path)) throw platformFailure.relativePath(variable, path);
  return path;
}

/**
 * @param env `CODEMIE_HOME`; else `HOME`, and without that the system's home folder
 * @returns the base folder of all our files
 * @throws usage error when one of the two is relative
 */
export function baseFolder(env: Env): string {
  // Agents take what lies there for the user's own, wherever our files are.
  if (env.HOME) requireAbsolute("HOME", env.HOME);
  if (env.CODEMIE_HOME) return requireAbsolute("CODEMIE_HOME", env.CODEMIE_HOME);
  return join(homeFolder(env), ".codemie");
}

/**
 * @param env `HOME`; without that the system's home folder
 * @returns the person's home folder
 * @throws usage error when it is relative
 */
export const homeFolder = (env: Env): string => requireAbsolute("HOME", env.HOME || systemHome());

/**
 * Containers run programs as users that their system does not know, and give them the root folder as `HOME`; a script that clears
 * the environment takes it away.
 *
 * @returns the home folder by `HOME`, unless that is empty, or by the system; for a user that it does not know, the root folder
 */
export function systemHome(): string {
  try {
    return process.env.HOME === "" ? userInfo().homedir : homedir();
  } catch {
    return "/";
  }
}

/**
 * @returns true for a path to a file that this process has open, such as bash's `<(…)`; it can be read only once
 */
export const isDescriptor = (path: string): boolean => /^\/(dev\/(fd\/|stdin$)|proc\/)/.test(path);

/**
 * Windows has no modes. What lies in a user's own folder inherits its permissions, which keep out all but administrators.
 *
 * @param path absolute
 * @returns true in Windows, for a path elsewhere
 */
export function isUnprotected(path: string): boolean {
  if (process.platform !== "win32") return false;
  const inside = relative(homedir(), path);
  return inside.startsWith("..") || isAbsolute(inside);
}
