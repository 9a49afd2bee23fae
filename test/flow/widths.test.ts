import { afterEach, beforeEach, expect, onTestFinished, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { Pty } from "../support/pty.ts";
import { ownProvider, sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** What a terminal shows: no word is broken at its edge, no box where it has ASCII only, and JSON is JSON. */

const sandbox = await sharedSandbox();
const ada = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = ada.copy();
});
afterEach(() => person.remove());

const longName = "the-profile-of-a-team-with-a-long-name";

for (const columns of cases([60, 80, 120])) {
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

for (const columns of cases([60, 80])) {
  test(`at ${columns} columns a row of a table is a line, and a pipe gets whole values`, async () => {
    for (const [args, rows, whole] of [
      [["audit", "list"], 1, "Ada <ada@example.com>"],
      [["models"], 3, "azure_openai"],
      [["profile"], 2, "https://codemie.a-rather-long-name.example.com"],
      [["config", "list", "--sources", "--profile", longName], 11, "https://codemie.a-rather-long-name.example.com"],
    ] as const) {
      person.editConfig(({ profiles }) => {
        profiles[longName] = { name: longName, codeMieUrl: "https://codemie.a-rather-long-name.example.com" };
      });
      const pty = new Pty(person, args, {}, undefined, columns);
      await pty.ended();
      const shown = Bun.stripANSI(pty.screen).replace(/.*\r(?!\n)/g, "");
      const lines = shown.split(/\r\n/).filter((line) => line !== "" && !/^\* used when|^prices in/.test(line));
      expect({ args, lines: lines.length }).toEqual({ args, lines: rows + 1 });
      expect({ args, wide: lines.filter((line) => Bun.stringWidth(line) > columns) }).toEqual({ args, wide: [] });
      expect((await person.run(args)).out).toContain(whole);
    }
  });
}

test("a narrow table names what matters most", async () => {
  const table = async (...args: string[]) => {
    const pty = new Pty(person, args, {}, undefined, 60);
    await pty.ended();
    return Bun.stripANSI(pty.screen);
  };
  expect(await table("audit", "list")).toMatch(/^TIME +EVENT +OUTCOME .*\r\n.* login +ok .*method=sso/m);
  expect(await table("models")).toMatch(/MODEL .*\r\n.*claude-sonnet-4-6 /);
  expect(await table("profile")).toMatch(/VALID\r\n\* {2}default .* ends in \d days/);
});

test("the models of an API key, which have no prices, have no line about prices", async () => {
  const provider = await ownProvider("litellm");
  const nina = new Person();
  onTestFinished(() => nina.remove());
  const set = ["setup", "--provider", "litellm", "--url", provider.origin, "--key-stdin", "--yes"];
  expect((await nina.run(set, { stdin: provider.key })).code).toBe(0);
  const { out } = await nina.run(["models"]);
  expect(out).toContain("MODEL");
  expect(out).not.toContain("USD");
});

test("the bridge's help keeps its second column at 60 columns", async () => {
  const pty = new Pty(person, ["mcp-proxy", "--help"], {}, undefined, 60);
  await pty.ended();
  const lines = Bun.stripANSI(pty.screen).split("\r\n");
  const flags = lines.slice(lines.indexOf("Flags") + 1, lines.indexOf("When the server demands a login") - 1);
  const next = flags.filter((line) => !/^ +-/.test(line));
  expect(next.length).toBeGreaterThan(5);
  expect(next.filter((line) => !/^ {35}\S/.test(line))).toEqual([]);
});

test("at 60 columns set-up and login begin with lines that end between words", async () => {
  const setup = new Pty(person, ["setup"], {}, undefined, 60);
  await setup.shows(/There are profiles already/);
  setup.type("\u0003");
  await setup.ended();
  const login = new Pty(person, ["login"], {}, undefined, 60);
  await login.shows(/will be[\s\S]*shown\):/);
  login.type("\u0003");
  await login.ended();
  for (const { screen } of [setup, login]) {
    const lines = Bun.stripANSI(screen).split(/[\r\n]+/);
    expect(lines.filter((line) => Bun.stringWidth(line.trimEnd()) > 60 && line.trim().includes(" "))).toEqual([]);
  }
  expect(Bun.stripANSI(login.screen)).toContain(
    "is the browser on another machine? log in there, then paste\r\n  the address it ends at (nothing will be shown):",
  );
});

test("with LC_ALL=C every help and a greeting are ASCII", async () => {
  const nobody = new Person();
  onTestFinished(() => nobody.remove());
  for (const args of [[], ["--help"], ["claude", "--help"], ["mcp-proxy", "--help"], ["mcp", "add", "--help"]]) {
    const { out } = await nobody.run(args, { env: { LC_ALL: "C" } });
    expect({ args, beyond: [...out].filter((char) => char > "~") }).toEqual({ args, beyond: [] });
  }
});

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
  for (const args of [
    ["version"],
    ["--version"],
    ["mcp-proxy", "--version"],
    ["doctor"],
    ["vault"],
    ["config"],
    ["token", "--format", "header"],
  ]) {
    expect(JSON.parse((await person.run([...args, "--json"])).out)).toBeObject();
  }
});
