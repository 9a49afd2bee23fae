import { expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Person } from "./codemie.ts";

/** A gateway on its own, as `codemie proxy start --json` tells of it. */
export interface StartedProxy {
  readonly url: string;
  readonly key: string;
  readonly pid: number;
}

/** Starts one that lives on; `codemie proxy stop` ends it. */
export async function startDetached(
  person: Person,
  args: readonly string[] = [],
  env: Record<string, string> = {},
  program?: string,
): Promise<StartedProxy> {
  const options = { env, ...(program !== undefined && { program }) };
  const { code, out, err } = await person.run(["proxy", "start", "--detach", "--json", ...args], options);
  expect({ code, err, out: code === 0 ? "" : out }).toEqual({ code: 0, err: "", out: "" });
  return JSON.parse(out);
}

/** Stops whatever proxies a test left, and removes its person's machine. */
export async function endProxies(person: Person): Promise<void> {
  const run = join(person.codemieHome, "run");
  const names = existsSync(run) ? readdirSync(run) : [];
  if (names.some((name) => /^proxy-.*\.json$/.test(name))) await person.run(["proxy", "stop", "--all"]);
  person.remove();
}
