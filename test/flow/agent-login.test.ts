import { afterEach, beforeEach, expect, test } from "bun:test";
import type { BrowserContext } from "playwright-core";
import { loginRecord } from "../../src/auth/credential.ts";
import { storedCookiesOf, storedLoginOf, vaultOf } from "../support/age.ts";
import { logInAs, passLoginPages } from "../support/browser.ts";
import { codemieClaude, type Person } from "../support/codemie.ts";
import { InteractiveAgent } from "../support/interactive-agent.ts";
import { handOff } from "../support/login.ts";
import { cliClientId } from "../support/sandbox/identity.ts";
import { sharedBrowser, sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** An agent whose profile has no login that works: where a person watches, they log in before the agent starts. */

const sandbox = await sharedSandbox();
const browser = await sharedBrowser();
const loggedIn = await sharedLogin(sandbox);
let person: Person;
let context: BrowserContext;
beforeEach(async () => {
  person = loggedIn.copy();
  context = await browser.newContext();
});
afterEach(async () => {
  person.remove();
  await context.close();
});

/** An agent that reads a line from the terminal, as agents do. */
const agent = `process.stdout.write("the agent runs;");
for await (const line of console) { console.log("the agent read " + line + ";"); break; }
process.exit(0);
`;

const events = async () => {
  const trail = JSON.parse((await person.run(["audit", "list", "--json"])).out) as { event: string; outcome: string }[];
  return trail.map(({ event, outcome }) => `${event} ${outcome}`);
};

/** Ends the session of the person's stored login at the host. */
async function endSession(): Promise<void> {
  const vault = vaultOf(person);
  const login = await storedLoginOf(person);
  if (login?.method !== "sso") throw new Error("no session to end");
  const cookies = Object.fromEntries(Object.keys(login.cookies).map((name) => [name, "ended"]));
  await vault.locked(loginRecord("default"), () => vault.write(loginRecord("default"), { ...login, cookies }));
}

test("an ended session: the browser opens before the agent starts, which then has the terminal to itself", async () => {
  await endSession();
  const { pty, opens } = interactive();
  const page = await logInAs(context, await opens(), "ada");
  expect(await page.textContent("h1")).toBe("Your session is renewed");
  await pty.shows(/logged in as\s+Ada <ada@example.com>/);
  await pty.shows(/the agent runs;/);
  expect(pty.screen).toContain("is no longer valid");
  expect(pty.screen).toContain("opening your browser");
  pty.type("keys of mine\r");
  await pty.shows(/the agent read keys of mine;/);
  expect(await pty.ended()).toBe(0);
  expect(await events()).toEqual(["login ok", "login ok", "agent-run ok"]);
});

/** The agent at a terminal. */
function interactive(args: readonly string[] = [], env: Record<string, string> = {}) {
  const run = new InteractiveAgent(person, agent, args, env);
  return { pty: run.pty, opens: () => run.opens(), opened: () => run.opened() };
}

for (const args of cases([[], ["--task", "say hello"]])) {
  test(`no session, no browser here, ${args[0] ?? "no task"}: the printed address, and the other one pasted`, async () => {
    await person.run(["profile", "logout"]);
    const { pty } = interactive(args, { CODEMIE_BROWSER: "none" });
    const [url] = await pty.shows(/http:\S+\/v1\/auth\/login\/\d+/);
    await pty.shows(/paste the address/);
    const location = await handOff(url, sandbox.front.issue("ada").cookie);
    pty.type(`${location}\r`);
    await pty.shows(/the agent runs;/);
    pty.type("keys of mine\r");
    await pty.shows(/the agent read keys of mine;/);
    expect(await pty.ended()).toBe(0);
    expect(pty.screen).not.toContain(new URL(location).searchParams.get("token")?.slice(0, 40) ?? "token=");
    expect((await person.run(["profile", "status"])).code).toBe(0);
  });
}

ciTest("another person logs in: refused, the agent does not start, the login before stays", async () => {
  await endSession();
  const before = await storedCookiesOf(person);
  const { pty, opens } = interactive();
  const page = await logInAs(context, await opens(), "mallory");
  expect(await page.textContent("h1")).toBe("Not logged in");
  await pty.shows(/this login is Mallory/);
  expect(await pty.ended()).toBe(4);
  expect(pty.screen).not.toContain("the agent runs");
  expect(await storedCookiesOf(person)).toEqual(before);
});

test("Ctrl-C during that login: exit 130, and no agent", async () => {
  await endSession();
  const { pty, opens } = interactive();
  await opens();
  pty.type("\u0003");
  expect(await pty.ended()).toBe(130);
  expect(pty.screen).not.toContain("the agent runs");
});

ciTest("at an OpenID provider: the profile's own, with the redirect it remembers", async () => {
  await person.run(["profile", "logout"]);
  const oidc = { issuer: sandbox.issuer, clientId: cliClientId, callbackHost: "localhost" };
  person.editConfig(({ profiles }) => Object.assign(profiles.default, { provider: "bearer-auth", oidc }));
  const { pty, opens } = interactive();
  const page = await context.newPage();
  await page.goto(await opens());
  await passLoginPages(page, "ada");
  await page.waitForURL(/localhost:\d+\/done/);
  await pty.shows(/the agent runs;/);
  pty.type("\r");
  expect(await pty.ended()).toBe(0);
  expect((await storedLoginOf(person))?.method).toBe("oidc");
});

for (const [what, args, env] of cases(
  [
    ["--silent", ["--silent"], {}],
    ["CI", [], { CI: "true" }],
    ["a bearer token of this run, which the host refuses", [], { CODEMIE_JWT_TOKEN: "eyJhbGciOiJSUzI1NiJ9.e30.eA" }],
  ] as const,
  1,
)) {
  test(`${what}: nobody is asked to log in; exit 4 and the way out`, async () => {
    await endSession();
    const { pty, opened } = interactive(args, env);
    await pty.shows(/hint:/);
    expect(await pty.ended()).toBe(4);
    expect(opened()).toEqual([]);
  });
}

test("a host that only the environment names gets no login of a profile of another", async () => {
  const { pty, opened } = interactive([], { CODEMIE_PROFILE: "default", CODEMIE_URL: "http://127.0.0.1:9" });
  await pty.shows(/hint:/);
  expect(await pty.ended()).toBe(4);
  expect(opened()).toEqual([]);
});

const hour = 3_600_000;
for (const [what, change, says] of cases([
  [
    "an OpenID login without a refresh token",
    { expiresAt: Date.now() + 5 * hour },
    /the login ends in 4 hours .*refresh --force/,
  ],
  ["one with a refresh token", { expiresAt: Date.now() + 5 * hour, refreshToken: "r" }, undefined],
  ["one that ends in two days", { expiresAt: Date.now() + 48 * hour }, undefined],
] as const)) {
  test(`${what}: ${says ? "its end is told at the start, but not with --silent" : "nothing is told"}`, async () => {
    const vault = vaultOf(person);
    const record = loginRecord("default");
    const login = await storedLoginOf(person);
    if (login?.method !== "sso") throw new Error("no login");
    const { identity, origin, loggedInAt } = login;
    const accessToken = await sandbox.front.mintToken("ada");
    const client = { issuer: sandbox.issuer, clientId: cliClientId, scope: "openid" };
    await vault.locked(record, () =>
      vault.write(record, {
        method: "oidc",
        ...{ identity, origin, loggedInAt, confirmedAt: Date.now(), accessToken },
        ...{ ...client, ...change },
      }),
    );
    person.editConfig(({ profiles }) => Object.assign(profiles.default, { oidc: client }));
    person.install("claude", "#!/bin/sh\n");
    const run = async (...args: string[]) => {
      const { code, err } = await person.run(args, { program: codemieClaude });
      expect(code).toBe(0);
      return err;
    };
    if (says) expect(await run()).toMatch(says);
    else expect(await run()).not.toContain("ends in");
    expect(await run("--silent")).toBe("");
  });
}

ciTest("a session that its host does not renew is told in its last day, an hourly token to a person only", async () => {
  person.install("claude", "#!/bin/sh\n");
  const run = async (env: Record<string, string> = {}) => (await person.run([], { program: codemieClaude, env })).err;
  expect(await run()).not.toContain("end");
  sandbox.settings.expireMs = 8 * 24 * hour;
  const vault = vaultOf(person);
  const login = await storedLoginOf(person);
  if (login?.method !== "sso") throw new Error("no login");
  const cookies = sandbox.front.issue("ada", Date.now() - 162 * hour);
  expect(cookies).toBeDefined();
  await vault.locked(loginRecord("default"), () =>
    vault.write(loginRecord("default"), { ...login, confirmedAt: Date.now() }),
  );
  const token = await sandbox.front.mintToken("ada", 3600);
  expect(await run({ CODEMIE_JWT_TOKEN: token })).not.toContain("expires"); // a job's token always ends soon
  const { pty } = interactive([], { CODEMIE_JWT_TOKEN: token });
  await pty.shows(/the bearer token expires in (59 minutes|1 hour)/);
  await pty.shows(/the agent runs;/);
  pty.type("\r");
  expect(await pty.ended()).toBe(0);
});
