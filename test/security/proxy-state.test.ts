import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Person } from "../support/codemie.ts";
import { goesOn } from "../support/processes.ts";
import { endProxies, startDetached } from "../support/proxy.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** Threat: what a dead gateway left behind makes us end somebody else's process, or shows its key to who should not see. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
let person: Person;
let state = "";
beforeEach(async () => {
  person = loggedIn.copy();
  state = join(person.codemieHome, "run/proxy-default.json");
});
afterEach(() => endProxies(person));

const start = () => startDetached(person);

async function killed(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  while (goesOn(pid)) await Bun.sleep(5);
}

test("a killed gateway's process number may be anybody's by now: it is not touched", async () => {
  const { pid } = await start();
  await killed(pid);
  const innocent = Bun.spawn(["sleep", "60"]);
  // as if the number had been given out again
  writeFileSync(state, JSON.stringify({ ...JSON.parse(readFileSync(state, "utf8")), pid: innocent.pid }));
  expect((await person.run(["proxy", "status"])).code).toBe(1);
  expect(existsSync(state)).toBe(false);
  writeFileSync(
    state,
    JSON.stringify({
      profile: "default",
      host: "h",
      url: "http://127.0.0.1:9",
      key: "k",
      pid: innocent.pid,
      startedAt: new Date().toISOString(),
      model: "m",
      drainSeconds: 1,
    }),
  );
  expect((await person.run(["proxy", "stop"])).code).toBe(1);
  expect(innocent.exitCode).toBeNull();
  innocent.kill();
  await innocent.exited;
});

test("after a kill a new one starts at once, with a new key", async () => {
  const first = await start();
  await killed(first.pid);
  const second = await start();
  expect(second.key).not.toBe(first.key);
  const answer = await fetch(`${second.url}/v1/models`, { headers: { "x-api-key": first.key } });
  expect(answer.status).toBe(401);
});

test("a state file that is not ours to read is no gateway", async () => {
  for (const text of ["", "{", "[]", '{"pid":1}', JSON.stringify({ profile: "default", pid: -1 })]) {
    writeFileSync(state, text);
    expect((await person.run(["proxy", "status"])).code).toBe(1);
    expect((await person.run(["proxy", "stop"])).code).toBe(1);
  }
});

test("the key is in a file for the owner, and on the screen only when asked for", async () => {
  const { key } = await start();
  expect(statSync(state).mode & 0o777).toBe(0o600);
  for (const args of [
    ["proxy", "status"],
    ["proxy", "status", "--json"],
    ["audit", "list", "--json"],
  ]) {
    const { out, err } = await person.run(args);
    expect(out + err).not.toContain(key);
  }
  expect((await person.run(["proxy", "status", "--show-key"])).out).toContain(`ANTHROPIC_AUTH_TOKEN=${key} claude`);
  const [shown] = JSON.parse((await person.run(["proxy", "status", "--show-key", "--json"])).out);
  expect(shown.key).toBe(key);
});

test("a model's name from the host does not reach the shell through the printed lines", async () => {
  const running = person.start(["proxy", "start"], { env: { CODEMIE_MODEL: "x'; touch /tmp/owned; '" } });
  await running.says(/# curl\neval .*\n/);
  expect(running.output).not.toContain("touch");
  running.kill("SIGTERM");
  expect((await running.finished()).code).toBe(0);
});

ciTest("a process number from another container is not signalled", async () => {
  const started = await person.run(["proxy", "start", "--detach", "--json", "--drain", "0"]);
  const real = readFileSync(state, "utf8");
  const innocent = Bun.spawn(["sleep", "60"]);
  // as a container sees it that shares the home, but neither process numbers nor loopback
  writeFileSync(state, JSON.stringify({ ...JSON.parse(real), pid: innocent.pid, url: "http://127.0.0.1:9" }));
  const { code, err } = await person.run(["proxy", "stop"]);
  expect(code).toBe(1);
  expect(err).toContain(`process ${innocent.pid} may be another program, and was not stopped`);
  expect([innocent.exitCode, innocent.signalCode]).toEqual([null, null]);
  innocent.kill();
  await innocent.exited;
  writeFileSync(state, real);
  expect(started.code).toBe(0);
});

test("what is printed shows the key to no process list", async () => {
  const { key } = await start();
  const { out } = await person.run(["proxy", "status", "--show-key"]);
  // each stands before its program, as a variable, or is written by the shell itself
  expect(out.match(new RegExp(key, "g"))).toHaveLength(4);
  expect(out).not.toMatch(new RegExp(`(claude|opencode|codex|gemini|curl) .*${key}`));
});

test("a profile's name from the configuration file leads nowhere else", async () => {
  const name = "x/../../../escaped";
  person.editConfig((config) => {
    config.profiles = { [name]: config.profiles.default };
  });
  const token = await sandbox.front.mintToken("ci");
  const env = { CODEMIE_JWT_TOKEN: token };
  const { code } = await person.run(["proxy", "start", "--detach", "--profile", name], { env });
  expect(code).toBe(0);
  const found = [...new Bun.Glob("**/*escaped*").scanSync({ cwd: person.root, dot: true })].sort();
  // The place of the one who holds the lock has a file of its own while it does.
  const place = /^home\/\.codemie\/run\/proxy-x%2F\.\.%2F\.\.%2F\.\.%2Fescaped\.lock\.\d+\.\d+\.[0-9a-f]+$/;
  expect(found.filter((name) => !place.test(name))).toEqual([
    "home/.codemie/logs/proxy-x%2F..%2F..%2F..%2Fescaped.log",
    "home/.codemie/run/proxy-x%2F..%2F..%2F..%2Fescaped.json",
    "home/.codemie/run/proxy-x%2F..%2F..%2F..%2Fescaped.lock",
  ]);
  const [shown] = JSON.parse((await person.run(["proxy", "status", "--json"])).out);
  expect(shown.profile).toBe(name);
  expect((await person.run(["proxy", "stop", "--profile", name])).code).toBe(0);
});

test("strangers learn nothing from /health and /ready but that something lives", async () => {
  const { url, key } = await start();
  for (const path of ["/health", "/ready"]) {
    for (const headers of [{}, { "x-api-key": "wrong" }] as Record<string, string>[]) {
      const answer = await fetch(url + path, { headers });
      expect([answer.status, await answer.text()]).toEqual([200, '{"status":"ok"}']);
    }
    expect(await (await fetch(url + path, { headers: { "x-api-key": key } })).json()).toEqual({
      status: "ok",
      forwarded: 0,
      denied: 0,
    });
  }
});

test("refused requests are in the audit trail, as one number", async () => {
  const { url } = await start();
  for (let n = 0; n < 5; n++) expect((await fetch(`${url}/v1/models`)).status).toBe(401);
  expect((await person.run(["proxy", "stop"])).code).toBe(0);
  const entries = JSON.parse((await person.run(["audit", "list", "--json"])).out) as {
    event: string;
    detail: unknown;
  }[];
  expect(entries.filter(({ event }) => event === "request-denied").map(({ detail }) => detail)).toEqual([
    { denied: 5 },
  ]);
});
