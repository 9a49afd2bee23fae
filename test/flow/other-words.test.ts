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
  ["proxy ls", "proxy status"],
  ["proxy logs", "logs"],
  ["sessions ls", "sessions list"],
  ["config list-profiles", "profile list"],
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

for (const [typed, said] of cases(
  [
    ["audit list -n 5", "hint: did you mean --last"],
    ["logs --tail 5", "hint: did you mean --last"],
    ["--profile work status", "hint: write it behind: codemie status --profile"],
    ["--profile work claude", "hint: write it behind: codemie claude --profile"],
    ["--profil", "hint: see codemie --help"],
    ["mcp add tracker https://mcp.example.com --persist", "--persist is a flag of the bridge, not of codemie mcp add"],
    ["config set model=gpt", "hint: write the setting and its value as two words"],
    ["audit export trail.jsonl", "hint: it prints the trail: codemie audit export > FILE"],
    ["logn", "hint: did you mean codemie login"],
  ] as const,
  2,
)) {
  test(`codemie ${typed}: ${said}`, async () => {
    const person = new Person();
    const { code, err } = await person.run(typed.split(" "));
    expect([code, err]).toEqual([2, expect.stringContaining(said)]);
    person.remove();
  });
}

test("flags that are almost ours, before any command", async () => {
  const person = new Person();
  for (const [typed, meant] of [
    ["--versoin", "--version"],
    ["--licences", "--licenses"],
    ["--hlep", "--help"],
  ] as const) {
    const { code, err } = await person.run([typed]);
    expect([code, err]).toEqual([2, `error: codemie has no flag ${typed}\nhint: did you mean ${meant}\n`]);
  }
  person.remove();
});

test("the help of a group has the flags of the command that it is alone", async () => {
  const person = new Person();
  const { out } = await person.run(["models", "--help"]);
  expect(out).toContain("the same as codemie models list");
  expect(out).toContain("--profile NAME");
  person.remove();
});
