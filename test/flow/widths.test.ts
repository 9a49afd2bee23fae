import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Person } from "../support/codemie.ts";
import { Pty } from "../support/pty.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";

/** What a terminal shows: no word is broken at its edge, no box where it has ASCII only, and JSON is JSON. */

const sandbox = await sharedSandbox();
const ada = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = ada.copy();
});
afterEach(() => person.remove());

for (const columns of [60, 80, 120]) {
  test(`at ${columns} columns lines end between words`, async () => {
    for (const args of [
      [],
      ["--help"],
      ["setup", "--help"],
      ["profile", "login", "--help"],
      ["mcp-proxy", "--help"],
      ["profile"],
      ["profile", "status"],
      ["config", "list", "--sources"],
      ["audit", "list"],
      ["vault", "status"],
      ["doctor", "--verbose"],
      ["profile", "use", "nobody-of-this-name"],
    ]) {
      const pty = new Pty(person, args, {}, undefined, columns);
      await pty.ended();
      const lines = Bun.stripANSI(pty.screen).split(/[\r\n]+/);
      const broken = lines.filter((line) => {
        const text = line.trimStart();
        const indent = line.length - text.length;
        return (
          Bun.stringWidth(line.trimEnd()) > columns &&
          text
            .slice(0, columns - indent)
            .trimEnd()
            .includes(" ")
        );
      });
      expect({ args, broken }).toEqual({ args, broken: [] });
    }
  });
}

test("with LC_ALL=C the questions draw no boxes", async () => {
  const pty = new Pty(person, ["setup"], { LC_ALL: "C" });
  await pty.shows(/There are profiles already/);
  pty.type("\r");
  await pty.shows(/Where are your models\?/);
  pty.type("\u0003");
  expect(await pty.ended()).toBe(130);
  expect([...pty.screen].filter((char) => char > "~")).toEqual([]);
});

test("with --json a command answers JSON: an array where it is a list, also when empty", async () => {
  for (const args of [
    ["proxy", "status"],
    ["mcp", "list"],
    ["logs"],
    ["models"],
    ["audit"],
    ["audit", "export"],
    ["profile"],
    ["profile", "status", "--all"],
  ]) {
    const { out } = await person.run([...args, "--json"]);
    expect({ args, list: Array.isArray(JSON.parse(out)) }).toEqual({ args, list: true });
  }
  for (const args of [["version"], ["--version"], ["doctor"], ["vault"], ["config"], ["token", "--format", "header"]]) {
    expect(JSON.parse((await person.run([...args, "--json"])).out)).toBeObject();
  }
});
