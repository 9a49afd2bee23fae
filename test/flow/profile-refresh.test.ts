import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext } from "playwright-core";
import { storedCookiesOf } from "../support/age.ts";
import { logInAs, startBrowser } from "../support/browser.ts";
import { Person, type Running } from "../support/codemie.ts";
import { beginLogin } from "../support/login.ts";
import { Pty } from "../support/pty.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";

/** Renewal: quietly where the front does it, through the browser where it has to be, with the old session kept. */

let sandbox: Sandbox;
let browser: Browser;
let person: Person;
let context: BrowserContext;
beforeAll(async () => {
  [sandbox, browser] = await Promise.all([startSandbox(), startBrowser()]);
});
beforeEach(async () => {
  Object.assign(sandbox.settings, { refreshMs: 0, answer: undefined });
  person = new Person();
  context = await browser.newContext();
  const { login, url } = await beginLogin(person, sandbox);
  await (await logInAs(context, url, "ada")).close();
  expect((await login.finished()).code).toBe(0);
  sandbox.record.length = 0;
});
afterEach(async () => {
  person.remove();
  await context.close();
});
afterAll(async () => {
  await browser.close();
  await sandbox.close();
});

const renewalUrl = /http:\S+\/oauth2\/start\?rd=\S+/;

/** Opens the printed address in the browser of the person, who types nothing. */
async function follow(running: Running): Promise<void> {
  const [url] = await running.says(renewalUrl);
  const page = await context.newPage();
  await page.goto(url);
  expect(await page.textContent("h1")).toBe("Your session is renewed");
}

test("a session that the front renews is renewed, through the real provider's refresh token", async () => {
  const before = await storedCookiesOf(person);
  sandbox.settings.refreshMs = 1;
  await Bun.sleep(1100); // the issue time in the cookie has whole seconds
  const { code, out } = await person.run(["profile", "refresh"]);
  expect(out).toContain("the session is renewed");
  expect(code).toBe(0);
  expect(await storedCookiesOf(person)).not.toEqual(before);
});

test("valid and not renewable: said, exit 0, no browser", async () => {
  const { code, out, err } = await person.run(["profile", "refresh"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toContain("the host does not renew it now");
});

for (const [what, args, prepare] of [
  ["no longer valid", [], () => sandbox.front.revokeAll()],
  ["valid at the front, dead inside", [], () => sandbox.front.expireInner()],
  ["valid, with --force", ["--force"], () => undefined],
] as const) {
  test(`${what}: the browser renews it and nothing has to be typed`, async () => {
    const before = await storedCookiesOf(person);
    prepare();
    const refresh = person.start(["profile", "refresh", ...args]);
    await follow(refresh);
    const { code, out } = await refresh.finished();
    expect(out).toContain("logged in anew as Ada <ada@example.com>");
    expect(code).toBe(0);
    expect(await storedCookiesOf(person)).not.toEqual(before);
    expect((await person.run(["profile", "status"])).code).toBe(0);
  });
}

test("given up: exit 4, and the working session is kept", async () => {
  const before = await storedCookiesOf(person);
  const { code, err } = await person.run(["profile", "refresh", "--force", "--timeout", "1"]);
  expect(code).toBe(4);
  expect(err).toContain("no login within 1 s");
  expect(await storedCookiesOf(person)).toEqual(before);
  expect((await person.run(["models"])).code).toBe(0);
});

test("another person's login does not take the place of the session", async () => {
  const before = await storedCookiesOf(person);
  const refresh = person.start(["profile", "refresh", "--force"]);
  const [url] = await refresh.says(renewalUrl);
  const page = await logInAs(await browser.newContext(), url, "mallory");
  expect(await page.textContent("h1")).toBe("Not logged in");
  const { code, err } = await refresh.finished();
  expect(code).toBe(4);
  expect(err).toContain("this login is Mallory");
  expect(await storedCookiesOf(person)).toEqual(before);
});

test("in an interactive run the browser asks for the new login while the agent's request waits", async () => {
  // the agent: one request, whose answer it shows
  const bin = join(person.root, "bin");
  const opened = join(person.root, "opened");
  Bun.spawnSync(["mkdir", "-p", bin]);
  const agent = `#!${process.execPath}
console.log("agent ready");
const answer = await fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", { method: "POST",
  headers: { authorization: "Bearer " + process.env.ANTHROPIC_AUTH_TOKEN },
  body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "still there?" }] }) });
console.log((await answer.json()).content[0].text);
`;
  writeFileSync(join(bin, "claude"), agent);
  writeFileSync(join(bin, "open-it"), `#!/bin/sh\nprintf %s "$1" > ${opened}.tmp && mv ${opened}.tmp ${opened}\n`);
  for (const name of ["claude", "open-it"]) chmodSync(join(bin, name), 0o755);
  let calls = 0;
  sandbox.settings.answer = (_seen, response) => {
    calls++;
    sandbox.settings.answer = undefined;
    sandbox.front.revokeAll();
    response.writeHead(302, { location: "/oauth2/start?rd=%2F" }).end();
  };
  const env = { PATH: `${bin}:${person.env.PATH}`, CODEMIE_BROWSER: join(bin, "open-it") };
  const pty = new Pty(person, ["claude"], env);
  await pty.shows(/agent ready/);
  while (!(await Bun.file(opened).exists())) await Bun.sleep(20);
  const page = await context.newPage();
  await page.goto(await Bun.file(opened).text());
  expect(await page.textContent("h1")).toBe("Your session is renewed");
  await pty.shows(/The sandbox heard: still there\?/);
  expect(await pty.ended()).toBe(0);
  expect(calls).toBe(1);
});

test("an agent that ends while the browser is still asked does not keep the terminal waiting", async () => {
  const bin = join(person.root, "bin");
  Bun.spawnSync(["mkdir", "-p", bin]);
  const opened = join(person.root, "opened");
  writeFileSync(
    join(bin, "claude"),
    `#!${process.execPath}
void fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", { method: "POST", body: "{}",
  headers: { authorization: "Bearer " + process.env.ANTHROPIC_AUTH_TOKEN } }).catch(() => undefined);
while (!(await Bun.file(${JSON.stringify(opened)}).exists())) await Bun.sleep(20);
process.exit(3);
`,
  );
  writeFileSync(join(bin, "open-it"), `#!/bin/sh\ntouch ${opened}\n`);
  for (const name of ["claude", "open-it"]) chmodSync(join(bin, name), 0o755);
  sandbox.settings.answer = (_seen, response) => {
    sandbox.front.revokeAll();
    response.writeHead(302, { location: "/oauth2/start?rd=%2F" }).end();
  };
  const env = { PATH: `${bin}:${person.env.PATH}`, CODEMIE_BROWSER: join(bin, "open-it") };
  const pty = new Pty(person, ["claude"], env);
  expect(await pty.ended()).toBe(3);
}, 30_000);
