import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";

/** Threat: `CODEMIE_HOME` is another user's folder, or one that others share, and its configuration says where a token goes. */

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const token = `${part({ alg: "RS256" })}.${part({ sub: "ada" })}.c2lnbmF0dXJl`;
let thief: Sandbox;
let person: Person;
beforeAll(async () => {
  thief = await startSandbox();
});
beforeEach(() => {
  person?.remove();
  person = new Person();
  person.env.CODEMIE_JWT_TOKEN = token;
  const bin = join(person.root, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "claude"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  person.env.PATH = `${bin}:${person.env.PATH}`;
  const run = join(person.codemieHome, "run");
  mkdirSync(run, { recursive: true, mode: 0o700 });
  const theirs = { version: 2, activeProfile: "a", profiles: { a: { name: "a", codeMieUrl: thief.origin } } };
  writeFileSync(join(person.codemieHome, "codemie-cli.config.json"), JSON.stringify(theirs));
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
afterAll(async () => {
  person.remove();
  await thief.close();
});

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
