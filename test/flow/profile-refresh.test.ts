import { afterEach, beforeEach, expect, test } from "bun:test";
import type { BrowserContext } from "playwright-core";
import { storedCookiesOf } from "../support/age.ts";
import { logInAs, passLoginPages } from "../support/browser.ts";
import { Person, type Running } from "../support/codemie.ts";
import { InteractiveAgent } from "../support/interactive-agent.ts";
import { beginLogin, logIn } from "../support/login.ts";
import { sharedBrowser, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** Renewal: quietly where the front does it, through the browser where it has to be, with the old session kept. */

const sandbox = await sharedSandbox();
const browser = await sharedBrowser();
/** of a browser in which Ada is logged in at the identity provider */
const adas = await adasBrowser();
let person: Person;
let context: BrowserContext;
beforeEach(async () => {
  person = new Person();
  expect((await logIn(person, sandbox)).code).toBe(0);
  context = await browser.newContext({ storageState: adas });
  sandbox.record.length = 0;
});
afterEach(async () => {
  person.remove();
  await context.close();
});

async function adasBrowser() {
  const first = await browser.newContext();
  const page = await first.newPage();
  await page.goto(`${sandbox.origin}/oauth2/start?rd=/oauth2/userinfo`);
  await passLoginPages(page, "ada");
  await page.waitForURL(/userinfo/);
  const state = await first.storageState();
  await first.close();
  return state;
}

const renewalUrl = /http:\S+\/oauth2\/start\?rd=\S+/;

/** Opens the printed address in the browser of the person, who types nothing. */
async function follow(running: Running): Promise<void> {
  const [url] = await running.says(renewalUrl);
  const page = await context.newPage();
  await page.goto(url);
  expect(await page.textContent("h1")).toBe("Your session is renewed");
}

ciTest("a session that the front renews is renewed, through the real provider's refresh token", async () => {
  const { login, url } = await beginLogin(person, sandbox);
  await (await context.newPage()).goto(url);
  expect((await login.finished()).code).toBe(0);
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

ciTest("without a terminal and without a browser nobody could log in: it fails at once, and says how", async () => {
  sandbox.front.revokeAll();
  delete person.env.CODEMIE_BROWSER;
  for (const env of [{}, { SSH_CONNECTION: "1", DISPLAY: ":0" }]) {
    const { code, err } = await person.run(["profile", "refresh"], { env });
    expect(code).toBe(4);
    expect(err).toContain("nobody can log in here: there is no terminal, and no browser opens");
    expect(err).toContain(`run codemie profile login --profile default in a terminal`);
  }
  const printed = person.start(["profile", "refresh", "--no-browser"]);
  await follow(printed);
  expect((await printed.finished()).code).toBe(0);
});

test("given up: exit 4, and the working session is kept", async () => {
  const before = await storedCookiesOf(person);
  const { code, err } = await person.run(["profile", "refresh", "--force", "--timeout", "1"]);
  expect(code).toBe(4);
  expect(err).toContain("no login within 1 s");
  expect(await storedCookiesOf(person)).toEqual(before);
  expect((await person.run(["models"])).code).toBe(0);
});

ciTest("another person's login does not take the place of the session", async () => {
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

ciTest("in an interactive run the browser asks for the new login while the agent's request waits", async () => {
  let calls = 0;
  sandbox.settings.answer = (_seen, response) => {
    calls++;
    sandbox.settings.answer = undefined;
    sandbox.front.revokeAll();
    response.writeHead(302, { location: "/oauth2/start?rd=%2F" }).end();
  };
  const agent = new InteractiveAgent(
    person,
    `const answer = await fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", { method: "POST",
  headers: { authorization: "Bearer " + process.env.ANTHROPIC_AUTH_TOKEN },
  body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "still there?" }] }) });
console.log((await answer.json()).content[0].text);
`,
  );
  const page = await context.newPage();
  await page.goto(await agent.opens());
  expect(await page.textContent("h1")).toBe("Your session is renewed");
  await agent.pty.shows(/The sandbox heard: still there\?/);
  expect(await agent.pty.ended()).toBe(0);
  expect(calls).toBe(1);
  const trail = JSON.parse((await person.run(["audit", "list", "--json"])).out) as { event: string; outcome: string }[];
  expect(trail.map(({ event, outcome }) => `${event} ${outcome}`)).toEqual(["login ok", "refresh ok", "agent-run ok"]);
});

ciTest(
  "an agent that ends while the browser is still asked does not keep the terminal waiting",
  async () => {
    sandbox.settings.answer = (_seen, response) => {
      sandbox.front.revokeAll();
      response.writeHead(302, { location: "/oauth2/start?rd=%2F" }).end();
    };
    const agent = new InteractiveAgent(
      person,
      `void fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", { method: "POST", body: "{}",
  headers: { authorization: "Bearer " + process.env.ANTHROPIC_AUTH_TOKEN } }).catch(() => undefined);
while (!(await Bun.file(process.env.OPENED).exists())) await Bun.sleep(20);
process.exit(3);
`,
    );
    expect(await agent.pty.ended()).toBe(3);
  },
  30_000,
);
