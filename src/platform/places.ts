import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { Env } from "../core/env.ts";
import { platformFailure } from "./failures.ts";

/**
 * A relative path in the environment would mean a file of the cloned repository one stands in, and let it decide.
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
 * @param env `CODEMIE_HOME`, else `HOME`
 * @returns the base folder of all our files
 * @throws usage error when it is relative
 */
export function baseFolder(env: Env): string {
  if (env.CODEMIE_HOME) return requireAbsolute("CODEMIE_HOME", env.CODEMIE_HOME);
  return join(requireAbsolute("HOME", env.HOME || homedir()), ".codemie");
}

/** @returns true for a path that means something open in this process only, such as bash's `<(…)`; it is read once */
export const isDescriptor = (path: string): boolean => /^\/(dev\/fd|proc)\//.test(path);
