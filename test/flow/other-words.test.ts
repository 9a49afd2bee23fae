import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { cases } from "../support/tiers.ts";

/** Words of other tools, and of habit, for commands of ours: the error names the command that does it. */

for (const [typed, ours] of cases([
  ["refresh", "profile refresh"],
  ["use", "profile use"],
  ["list", "profile list"],
  ["ls", "profile list"],
  ["update", "self update"],
  ["uninstall", "self uninstall"],
  ["ps", "proxy status"],
  ["upgrade", "self update"],
  ["profile ls", "profile list"],
  ["profile rm", "profile delete"],
  ["profile remove", "profile delete"],
  ["profile add", "setup"],
  ["profile new", "setup"],
  ["profile create", "setup"],
  ["mcp ls", "mcp list"],
  ["models ls", "models list"],
  ["audit ls", "audit list"],
  ["config ls", "config list"],
  ["config view", "config list"],
  ["config show", "config list"],
  ["config edit", "config path"],
  ["config use-context", "profile use"],
  ["config get-contexts", "profile list"],
  ["config current-context", "profile show"],
] as const)) {
  test(`codemie ${typed}: codemie ${ours} is named`, async () => {
    const person = new Person();
    const { code, err } = await person.run(typed.split(" "));
    expect([code, err]).toEqual([2, expect.stringContaining(`hint: did you mean codemie ${ours}\n`)]);
    person.remove();
  });
}
