import { afterAll, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";
import { lacksWine, Windows, windowsPath } from "../support/wine/wine.ts";

/** The program for Windows, under wine. */

if (lacksWine !== undefined) console.log(`skipped: ${lacksWine}`);
const onWindows = lacksWine === undefined ? ciTest : ciTest.skip;
const sandbox = await sharedSandbox();
const windows = new Windows();
if (lacksWine === undefined && process.env.CI) await windows.start();
afterAll(() => windows.stop());

const { version } = JSON.parse(readFileSync(join(import.meta.dir, "../../package.json"), "utf8"));

onWindows("it says its version", async () => {
  const { code, out, err } = await windows.person().run(["--version"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toStartWith(`codemie ${version} (`);
});

onWindows("its files are in the user's profile folder", async () => {
  const { code, out, err } = await windows.person().run(["config", "path"], { env: { CODEMIE_HOME: "" } });
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(/^C:\\users\\[^\\]+\\\.codemie\\codemie-cli\.config\.json\n$/);
});

onWindows("doctor ends and finds no defect of ours", async () => {
  const { out, err } = await windows.person().run(["doctor", "--json"]);
  expect(err).toBe("");
  const { checks } = JSON.parse(out);
  expect(checks.length).toBeGreaterThan(10);
  expect(JSON.stringify(checks)).not.toMatch(/unexpected|defect/);
});

onWindows("a profile is set up with a token from standard input; then the models are listed", async () => {
  const person = windows.person();
  const args = ["setup", "--method", "jwt", "--url", sandbox.origin, "--token-stdin", "--yes"];
  const setup = await person.run(args, { stdin: `${await sandbox.front.mintToken("ci")}\n` });
  expect({ code: setup.code, out: setup.out }).toMatchObject({ code: 0, out: expect.stringContaining("is set up") });
  const models = await person.run(["models", "--json"]);
  expect({ code: models.code, err: models.err }).toEqual({ code: 0, err: "" });
  expect(JSON.parse(models.out).length).toBeGreaterThan(1);
});

onWindows("a task runs with a bearer token; the agent has a gateway; nothing of the run remains", async () => {
  const person = windows.person();
  person.install("claude");
  const env = { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") };
  const words = ["claude", "--task", "say hello", "--base-url", sandbox.origin];
  const { code, out, err } = await person.run(words, { env });
  expect({ code, out, err }).toEqual({ code: 0, out: "done\n", err: "" });
  const seen = await person.seen();
  expect(seen.args.slice(-2)).toEqual(["--", "say hello"]);
  expect(seen.cwd).toBe(windowsPath(person.cwd));
  expect(seen.models).toMatchObject({ status: 200 });
  expect(JSON.stringify(seen)).not.toContain(env.CODEMIE_JWT_TOKEN);
  expect(person.runFolders()).toEqual([]);
});
