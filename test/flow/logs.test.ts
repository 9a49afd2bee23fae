import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";

/** `codemie logs`: what bridges, gateways and the counting of sessions wrote, now and from now on. */

const sandbox = await sharedSandbox();
const ada = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

const folder = () => join(person.codemieHome, "logs");

test("nothing written: it says who writes; with --json an empty array", async () => {
  expect((await person.run(["logs"])).out).toStartWith("nothing is written yet");
  expect((await person.run(["logs", "--json"])).out).toBe("[]\n");
});

test("a real bridge and a real gateway: their lines, the last ones, and nothing that a terminal obeys", async () => {
  person.remove();
  person = ada.copy();
  await person.run(["mcp-proxy", "http://127.0.0.1:1/mcp"]);
  const started = await person.run(["proxy", "start", "--detach", "--json"]);
  expect(started.code).toBe(0);
  appendFileSync(join(folder(), "proxy-default.log"), "a warning \u001b[31m\u0007\n");
  const { out } = await person.run(["logs"]);
  expect(out).toMatch(/^bridge {2}\S+Z \d+ bridge \S+ to http:\/\/127\.0\.0\.1:1$/m);
  expect(out).toMatch(/^gateway default {2}a warning .*$/m);
  for (const char of ["\u001b", "\u0007"]) expect(out).not.toContain(char);
  expect(out).not.toContain(JSON.parse(started.out).key);
  const last = JSON.parse((await person.run(["logs", "--last", "1", "--json"])).out);
  expect(last.map(({ from, profile }: Record<string, unknown>) => [from, profile])).toEqual([
    ["bridge", null],
    ["gateway", "default"],
  ]);
  expect((await person.run(["proxy", "stop"])).code).toBe(0);
});

test("--follow goes on over new files and rotation, whole lines only, until it is stopped", async () => {
  mkdirSync(folder(), { recursive: true, mode: 0o700 });
  const file = join(folder(), "mcp-proxy.log");
  writeFileSync(file, "one\n", { mode: 0o600 });
  const running = person.start(["logs", "-f"]);
  await running.says(/^bridge {2}one$/m);
  appendFileSync(file, "two\nhal");
  await running.says(/^bridge {2}two$/m);
  appendFileSync(file, "f\n");
  await running.says(/^bridge {2}half$/m);
  appendFileSync(file, "last of the old\n");
  renameSync(file, `${file}.1`);
  writeFileSync(file, "new\n", { mode: 0o600 });
  await running.says(/^bridge {2}last of the old\nbridge {2}new$/m);
  writeFileSync(join(folder(), "proxy-work.log"), "started\n", { mode: 0o600 });
  await running.says(/^gateway work {2}started$/m);
  running.kill("SIGINT");
  const { code, err } = await running.finished();
  expect([code, err]).toEqual([130, ""]);
  expect((await person.run(["logs", "--follow", "--json"])).code).toBe(2);
});

test("what could not be counted of a session is there too, told apart by its name", async () => {
  const hook = {
    stdin: JSON.stringify({ hook_event_name: "Stop", session_id: "a" }),
    env: { CODEMIE_RUN: "run-1-a-b" },
  };
  mkdirSync(folder(), { recursive: true, mode: 0o700 });
  expect((await person.run(["hook", person.codemieHome], hook)).code).toBe(0);
  expect((await person.run(["logs"])).out).toMatch(/^sessions {2}\S+Z hook: an event was not noted \(ENOENT\)$/m);
  const lines = JSON.parse((await person.run(["logs", "--json"])).out);
  expect(lines).toMatchObject([{ from: "sessions", profile: null }]);
});
