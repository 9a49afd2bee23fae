import type { Env } from "../core/env.ts";
import { type Fetch, secureFetch } from "./network.ts";
import { baseFolder } from "./places.ts";
import { realTerminal, type Terminal } from "./terminal.ts";

/** Everything that the machine provides; `main` hands it down, so that nothing below uses the process itself. */
export interface Runtime {
  /** the environment as it was at the start */
  readonly env: Env;
  /** names of the variables that the command line names as secrets: no program that we start gets them */
  readonly secretVariables?: readonly string[];
  /** the current folder; nothing in it is trusted */
  readonly cwd: string;
  /** the base folder of all our files; throws a usage error when the environment gives it as a relative path */
  readonly home: string;
  /** operating system and processor, for example `linux x64` */
  readonly platform: string;
  /** ms since the epoch */
  readonly now: () => number;
  readonly terminal: Terminal;
  readonly fetch: Fetch;
}

/**
 * @param env the environment at the start
 * @param noColor the `--no-color` flag
 * @returns the real machine
 */
export function realRuntime(env: Env, noColor: boolean): Runtime {
  return {
    env,
    cwd: process.cwd(),
    get home() {
      return baseFolder(env);
    },
    platform: `${process.platform} ${process.arch}`,
    now: Date.now,
    terminal: realTerminal(env, noColor),
    fetch: secureFetch(env),
  };
}
