import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { codemie, Person } from "../support/codemie.ts";
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
      `error: others may write in ${person.codemieHome}, so codemie reads and stores nothing there`,
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

/** A volume of a container is root's, and everybody may write in it: an `emptyDir` of Kubernetes. */
describe.skipIf(!isRoot || Bun.which("setpriv") === null)("a folder of root's that others may write in", () => {
  const asOther = (args: string[], env: Record<string, string>) => {
    chmodSync(person.root, 0o755);
    const as = ["--reuid=12345", "--regid=12345", "--clear-groups", codemie];
    return person.run([...as, ...args], { program: "setpriv", env });
  };
  const volume = (mode: number) => {
    const folder = join(person.root, "volume");
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, mode);
    return folder;
  };
  const begin = (home: string) => copyFileSync(person.configFile, join(home, basename(person.configFile)));

  test("root closes it, and uses it", async () => {
    const folder = volume(0o777);
    begin(folder);
    const { code, err } = await person.run(["config", "set", "model", "m"], { env: { CODEMIE_HOME: folder } });
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining(`note: ${folder} was open to other users`) });
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test("nobody else believes it; a folder of his own in it is fine", async () => {
    for (const mode of [0o777, 0o775, 0o2777, 0o757]) {
      const folder = volume(mode);
      const { code, err } = await asOther(["models"], { CODEMIE_HOME: folder });
      expect(code).toBe(6);
      expect(err).toContain(`error: others may write in ${folder}, so codemie reads and stores nothing there\n`);
      expect(err.replaceAll(/\s+/g, " ")).toContain(`make one in it: mkdir -m 700 ${folder}/codemie`);
      expect(readdirSync(folder)).toEqual([]);
    }
    const own = join(volume(0o777), "codemie");
    mkdirSync(own, { mode: 0o700 });
    begin(own);
    Bun.spawnSync(["chown", "-R", "12345:12345", own]);
    expect((await asOther(["config", "set", "model", "m"], { CODEMIE_HOME: own })).code).toBe(0);
    const run = join(own, "run");
    chownSync(run, 0, 0);
    chmodSync(run, 0o777);
    const { code, err } = await asOther(["config", "set", "model", "m"], { CODEMIE_HOME: own });
    expect(code).toBe(6);
    expect(err).toContain(`error: others may write in ${run}, so`);
  });

  test("one that others may only read is used", async () => {
    const { err } = await asOther(["config", "list"], { CODEMIE_HOME: volume(0o755) });
    expect(err).not.toContain("others may write");
  });
});
