import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { sharedSandbox } from "../support/shared.ts";
import { adasToken } from "../support/token.ts";

/** Threat: `CODEMIE_HOME` is another user's folder, or one that others share, and its configuration says where a token goes. */

const thief = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
  person.env.CODEMIE_JWT_TOKEN = adasToken;
  person.install("claude", "#!/bin/sh\nexit 0\n");
  const run = join(person.codemieHome, "run");
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const profiles = { a: { name: "a", codeMieUrl: thief.origin } };
  person.writeConfig({ version: 2, activeProfile: "a", profiles });
  const state = {
    profile: "a",
    host: thief.origin,
    url: thief.origin,
    key: "k",
    pid: 1,
    startedAt: "x",
    model: "m",
    drainSeconds: 1,
  };
  writeFileSync(join(run, "proxy-a.json"), JSON.stringify(state));
});
afterEach(() => person.remove());

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: only root can give a folder to another user");
const commands = [
  ["models"],
  ["token"],
  ["profile", "status"],
  ["profile", "logout"],
  ["config", "reset", "--yes"],
  ["proxy", "start"],
  ["proxy", "status"],
  ["proxy", "stop"],
  ["claude", "--task", "x"],
];

test.skipIf(!isRoot)("another user's folder is not believed", async () => {
  chownSync(person.codemieHome, 12_345, 12_345);
  for (const args of commands) {
    const { code, out, err } = await person.run(args);
    expect({ args, code, out }).toEqual({ args, code: 6, out: "" });
    expect(err).toContain(`error: ${person.codemieHome} belongs to another user (12345), and is not used\nhint: `);
  }
  expect((await person.run(["doctor"])).out).toContain("belongs to another user");
  expect(thief.record).toEqual([]);
});

test("a folder that everybody shares is not believed", async () => {
  chmodSync(person.codemieHome, 0o1777);
  for (const args of commands) {
    const { code, err } = await person.run(args);
    expect({ args, code }).toEqual({ args, code: 6 });
    expect(err).toContain(
      `error: everybody may write in ${person.codemieHome}, so codemie reads and stores nothing there`,
    );
  }
  expect(thief.record).toEqual([]);
});

test("a folder of ours that others may write in is closed before it is read, with a note, once", async () => {
  chmodSync(person.codemieHome, 0o777);
  const { err } = await person.run(["models"]);
  expect(err.match(/was open to other users/g)).toHaveLength(1);
  expect(statSync(person.codemieHome).mode & 0o777).toBe(0o700);
});
