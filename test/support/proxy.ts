import { expect } from "bun:test";
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
): Promise<StartedProxy> {
  const { code, out, err } = await person.run(["proxy", "start", "--detach", "--json", ...args], { env });
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out);
}
