import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { authFailure } from "../../src/auth/failures.ts";
import { isPlainName, printable } from "../../src/core/text.ts";
import { mcpFailure } from "../../src/mcp/failures.ts";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: names that a host, a provider or a file made up talk to the terminal: move the cursor, set the title, forge lines. */

const hostile = "team\u001b]0;owned\u0007\u001b[2J\u009b31m\r✓ forged\u061c\u200b\u2028\u{e0041}";
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const obeyed = /[\u001b\u0007\u009b\r\u061c\u200b\u2028\u{e0041}]/u;
const sandbox = await sharedSandbox({
  applications: [hostile],
  integrations: [{ id: "i", alias: hostile, project: hostile }],
});
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

ciTest(
  "project and integration of a hostile host: the set-up leaves them out, and stored ones show as text",
  async () => {
    await logIn(person, sandbox);
    const setup = await person.run(["setup", "--url", sandbox.origin, "--profile", "default", "--yes"]);
    expect(setup.code).toBe(0);
    const config = person.config();
    expect(config.profiles.default.codeMieProject).toBeUndefined();
    // Earlier versions stored them, and so may others.
    Object.assign(config.profiles.default, {
      codeMieProject: hostile,
      codeMieIntegration: { id: "i", alias: hostile },
    });
    person.writeConfig(config);
    for (const args of [
      ["profile", "show"],
      ["profile", "show", "--json"],
      ["config", "list"],
      ["config", "get", "codeMieProject"],
      ["config", "get", "codeMieProject", "--json"],
      ["doctor"],
      ["profile"],
    ]) {
      const { out, err } = await person.run(args);
      expect({ args, obeyed: obeyed.test(out + err) }).toEqual({ args, obeyed: false });
    }
    expect(setup.out + setup.err).not.toMatch(obeyed);
  },
);

test("models and profile names out of a file, in lists, errors and completion", async () => {
  const profiles = {
    [hostile]: { provider: hostile, model: hostile, codeMieUrl: hostile },
    ok: { codeMieUrl: "https://x.example" },
  };
  person.writeConfig({ version: 2, profiles });
  for (const args of [
    ["profile"],
    ["profile", "show", hostile],
    ["profile", "status", "--all", "--offline"],
    ["profile", "use", "nobody"],
    ["config", "list", "--profile", hostile],
    ["__complete", "profile", "use", ""],
    ["doctor"],
    ["setup", "--profile", hostile],
  ]) {
    const { out, err } = await person.run(args);
    expect({ args, obeyed: obeyed.test(out + err) }).toEqual({ args, obeyed: false });
  }
});

test("a refusal whose code every object has as a member gets the usual hint, as any code that we do not know", () => {
  for (const refused of [authFailure.providerRefused, mcpFailure.refused])
    for (const code of ["constructor", "toString", "__proto__"])
      expect(refused("https://i.example", code, "").hint).toBe(refused("https://i.example", "unheard_of", "").hint);
});

test("a setting that would talk to the terminal is refused", async () => {
  await logIn(person, sandbox);
  const { code, err } = await person.run(["config", "set", "model", "a\u001b[2Jb"]);
  expect([code, obeyed.test(err)]).toEqual([2, false]);
});

const invisible = [
  ...[
    "\u00ad",
    "\u034f",
    "\u061c",
    "\u115f",
    "\u17b4",
    "\u180b",
    "\u180e",
    "\u200b",
    "\u200c",
    "\u200d",
    "\u200e",
    "\u200f",
  ],
  ...[
    "\u202a",
    "\u202e",
    "\u2060",
    "\u2064",
    "\u2066",
    "\u2069",
    "\u206f",
    "\u3164",
    "\ud800",
    "\udfff",
    "\ufe00",
    "\ufe0f",
  ],
  ...[
    "\uffa0",
    "\ufff9",
    "\uffff",
    "\ue000",
    "\u{1d173}",
    "\u{e0001}",
    "\u{e0041}",
    "\u{e0100}",
    "\u{10ffff}",
    "\u0085",
    "\u009b",
  ],
];
for (const char of cases(invisible)) {
  const code = char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0");
  test(`U+${code} is shown for what it is, and no name of a model`, () => {
    expect(printable(`ad${char}min`)).toBe(`ad${"�".repeat([...char].length)}min`);
    expect(isPlainName(`ad${char}min`)).toBe(false);
  });
}

test("a row of joiners or selectors hides nothing behind a letter that may have one", () => {
  expect(printable("é\ufe0f\ufe0f\u200d\u200dx")).toBe("é\ufe0f���x");
  expect(printable("José\u2800\u2800Admin")).toBe("José��Admin");
});

test("line separators and the byte order mark are blanks", () => {
  for (const char of ["\u2028", "\u2029", "\ufeff", "\u00a0"]) expect(printable(`ad${char}min`)).toBe("ad min");
});

test("people's names stay as they are: joiners behind letters that need them, emoji", () => {
  for (const name of ["Zoë O’Neil", "علی‌رضا", "ශ්‍රී", "👩‍💻", "❤️‍🔥", "🏳️‍🌈", "孙悟空", "e\u0301"])
    expect(printable(name)).toBe(name);
});

ciTest("notes before a command: a profile's name out of the file, a folder's and a passphrase file's", async () => {
  const home = join(person.root, hostile);
  mkdirSync(home, { mode: 0o777 });
  chmodSync(home, 0o777);
  const config = join(home, "codemie-cli.config.json");
  const profiles = { [hostile]: { provider: "openai", baseUrl: "https://x.example", apiKey: "sk-0123456789" } };
  writeFileSync(config, JSON.stringify({ version: 2, activeProfile: "ok", profiles: { ok: {}, ...profiles } }));
  chmodSync(config, 0o666);
  const passphrase = join(person.root, `${hostile}.passphrase`);
  writeFileSync(passphrase, "correct horse battery staple\n");
  chmodSync(passphrase, 0o644);
  const env = { CODEMIE_HOME: home, CODEMIE_VAULT_PASSPHRASE_FILE: passphrase };
  const { out, err } = await person.run(["config", "set", "model", "gpt-5.2", "--profile", "ok"], { env });
  for (const said of [
    "was open to other users of this machine",
    "moved from the configuration file to the vault",
    "other users of this machine may read",
  ]) {
    expect(err).toContain(said);
  }
  expect(out + err).not.toMatch(obeyed);
});
