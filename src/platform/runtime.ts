import type { Env } from "../core/env.ts";
import { type Fetch, secureFetch } from "./network.ts";
import { baseFolder } from "./places.ts";
import { realTerminal, type Terminal } from "./terminal.ts";

/** Everything the machine gives, handed down from `main` so that nothing below reaches for the process itself. */
export interface Runtime {
  /** the environment as it was at the start */
  readonly env: Env;
  /** the folder the user stands in; nothing in it is trusted */
  readonly cwd: string;
  /** the base folder of all our files; a usage error when the environment names it by a relative path */
  readonly home: string;
  /** operating system and processor, for example `linux x64` */
  readonly platform: string;
  /** ms since the epoch */
  readonly now: () => number;
  readonly terminal: Terminal;
  readonly fetch: Fetch;
}

/** @returns the real machine; `env` is the environment at the start, `noColor` the `--no-color` flag */
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
