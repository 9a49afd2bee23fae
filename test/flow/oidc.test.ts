import { afterEach, beforeEach, expect, test } from "bun:test";
import type { BrowserContext } from "playwright-core";
import { ageLogin, storedLoginOf } from "../support/age.ts";
import { passLoginPages } from "../support/browser.ts";
import { codemieClaude, Person, type Running, withClaude } from "../support/codemie.ts";
import { freePort } from "../support/mcp/everything.ts";
import { Pty } from "../support/pty.ts";
import { cliClientId } from "../support/sandbox/identity.ts";
import { sharedBrowser, sharedSandbox } from "../support/shared.ts";
import { soak } from "../support/soak.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Logging in at an OpenID provider: the real one, in a real browser, with rotating refresh tokens. */

const sandbox = await sharedSandbox();
const browser = await sharedBrowser();
let context: BrowserContext;
let person: Person;
beforeEach(async () => {
  person = new Person();
  context = await browser.newContext();
});
afterEach(async () => {
  person.remove();
  await context.close();
});

const ctrlC = "\u0003";
const flags = () => ["--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", cliClientId];

async function logIn(name = "ada", more: string[] = []): Promise<Running> {
  const login = person.start(["profile", "login", ...flags(), ...more]);
  const [url] = await login.says(/http:\S+\/auth\?\S+/);
  const page = await context.newPage();
  await page.goto(url);
  await passLoginPages(page, name);
  await page.waitForURL(/127\.0\.0\.1:\d+\/done/);
  expect(await page.textContent("h1")).toBe("You are logged in");
  expect(page.url()).not.toContain("code=");
  return login;
}

const refreshRequests = () => sandbox.identityRequests.filter((line) => line === "POST /token").length;

test("log in, run the real Claude Code, see the status, log out with revocation", async () => {
  const { code, out } = await (await logIn()).finished();
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("as Ada <ada@example.com>") });
  const status = JSON.parse((await person.run(["profile", "status", "--json"])).out);
  expect(status).toMatchObject({ method: "oidc", authenticated: true, user: { name: "Ada" }, expiresFrom: "token" });
  expect((await person.run(["token"])).out).toMatch(/^\S{20,}\n$/);
  const task = await person.run(["--task", "hello"], {
    program: codemieClaude,
    env: withClaude(person),
  });
  expect({ code: task.code, out: task.out.trim() }).toEqual({ code: 0, out: "The sandbox heard: hello" });
  expect(sandbox.calls("/v1/messages").at(-1)?.headers.cookie).toBeUndefined();

  const before = await storedLoginOf(person);
  const logout = await person.run(["profile", "logout", "--json"]);
  expect(JSON.parse(logout.out)).toEqual([{ profile: "default", removed: true, endedAtHost: true }]);
  const token = before?.method === "oidc" ? before.accessToken : "";
  const answer = await fetch(`${sandbox.issuer}/me`, { headers: { authorization: `Bearer ${token}` } });
  expect(answer.status).toBe(401);

  // the profile remembers its provider: nothing has to be said again, and the browser's session there still lives
  const again = person.start(["profile", "login"]);
  const [url] = await again.says(/http:\S+\/auth\?\S+/);
  const page = await context.newPage();
  await page.goto(url);
  await page.click('form button:has-text("Continue")'); // a native client's login is always shown, never typed again
  expect((await again.finished()).code).toBe(0);
});

const rounds = soak(1, 20);

test(`20 processes at once with an ended token: one refresh in all, 20 successes (${rounds} of ${rounds} rounds)`, async () => {
  expect((await (await logIn()).finished()).code).toBe(0);
  for (let round = 0; round < rounds; round++) {
    await ageLogin(person);
    const before = refreshRequests();
    const results = await Promise.all(Array.from({ length: 20 }, () => person.run(["token"])));
    expect(results.map(({ code }) => code)).toEqual(Array(20).fill(0));
    expect(new Set(results.map(({ out }) => out)).size).toBe(1);
    expect(refreshRequests() - before).toBe(1);
  }
  expect((await person.run(["models"])).code).toBe(0);
  expect((await person.run(["profile", "status"])).out).toContain("(it renews itself)");
});

test("a refresh token that was used elsewhere: exit 4, and what is stored stays", async () => {
  expect((await (await logIn()).finished()).code).toBe(0);
  const stored = await storedLoginOf(person);
  const spent = stored?.method === "oidc" ? (stored.refreshToken ?? "") : "";
  const form = { grant_type: "refresh_token", refresh_token: spent, client_id: cliClientId };
  expect((await fetch(`${sandbox.issuer}/token`, { method: "POST", body: new URLSearchParams(form) })).status).toBe(
    200,
  );
  await ageLogin(person);
  const aged = await storedLoginOf(person);
  const { code, err } = await person.run(["models"]);
  expect(code).toBe(4);
  expect(err).toContain("hint: run codemie profile login");
  expect(await storedLoginOf(person)).toEqual(aged);
});

test("a device code: no browser on this machine", async () => {
  const login = person.start(["profile", "login", ...flags(), "--device"]);
  const [, address = ""] = await login.says(/^\s*(http:\S+\/device\S*)$/m);
  const page = await context.newPage();
  await page.goto(address);
  await page.click('button[type="submit"]');
  await passLoginPages(page, "ada");
  const { code, out, err } = await login.finished();
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("as Ada") });
  expect(err).toMatch(/enter the code [A-Z]{4}-[A-Z]{4}:/);

  // The profile remembers it, for a login anew and, at a terminal, for a renewal.
  expect(person.config().profiles.default.oidc.device).toBe(true);
  const again = person.start(["profile", "login"]);
  await again.says(/enter the code [A-Z]{4}-[A-Z]{4}:/);
  again.kill("SIGINT");
  await again.finished();
  const pty = new Pty(person, ["profile", "refresh", "--force"]);
  await pty.shows(/code [^\n]{0,8}[A-Z]{4}-[A-Z]{4}/);
  pty.type(ctrlC);
  expect(await pty.ended()).toBe(130);

  // Such a machine has no browser for a renewal either.
  delete person.env.CODEMIE_BROWSER;
  const refresh = await person.run(["profile", "refresh", "--force"]);
  expect(refresh.code).toBe(4);
  expect(refresh.err).toContain(`hint: run codemie profile login --profile default --device: it prints a code`);

  // An agent that needs a login first asks for it in the same way.
  await person.run(["profile", "logout"]);
  const agent = new Pty(person, ["--task", "hello"], withClaude(person), codemieClaude);
  await agent.shows(/code [^\n]{0,8}[A-Z]{4}-[A-Z]{4}/);
  agent.type(ctrlC);
  expect(await agent.ended()).toBe(130);
});

test("declined at the provider: exit 4 with its words", async () => {
  const login = person.start(["profile", "login", ...flags()]);
  const [url] = await login.says(/http:\S+\/auth\?\S+/);
  const page = await context.newPage();
  await page.goto(url);
  await page.click('a:has-text("Cancel")');
  await page.waitForURL(/done/);
  expect(await page.textContent("h1")).toBe("Not logged in");
  const { code, err } = await login.finished();
  expect(code).toBe(4);
  expect(err).toContain("refused: access_denied");
});

const authorizeUrl = /http:\S+\/auth\?\S+/;
const redirectOf = (url: string) => new URL(url).searchParams.get("redirect_uri");

for (const [host, name] of cases(
  [
    ["localhost", "localhost"],
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "[::1]"],
  ] as const,
  1,
)) {
  test(`--callback-host ${host} and --callback-port: that redirect to the letter, for later logins of the profile too`, async () => {
    const port = await freePort();
    const redirect = `http://${name}:${port}/callback`;
    const chosen = ["--callback-host", host, "--callback-port", String(port)];
    const login = person.start(["profile", "login", ...flags(), ...chosen]);
    const [url] = await login.says(authorizeUrl);
    expect(redirectOf(url)).toBe(redirect);
    const page = await context.newPage();
    await page.goto(url);
    await passLoginPages(page, "ada");
    await page.waitForURL(/done/);
    expect((await login.finished()).code).toBe(0);
    expect(person.config().profiles.default.oidc).toMatchObject({ callbackHost: host, callbackPort: port });

    for (const again of [
      ["profile", "refresh", "--force"],
      ["profile", "login"],
    ]) {
      const login = person.start([...again, "--timeout", "1"]);
      const [url] = await login.says(authorizeUrl);
      expect(redirectOf(url)).toBe(redirect);
      const { code, err } = await login.finished();
      expect(code).toBe(4);
      expect(err).toContain(`hint: the provider must allow the redirect ${redirect} for client ${cliClientId};`);
    }

    const setUp = ["setup", "--method", "oidc", ...flags(), "--profile", "other", "--yes", "--timeout", "1"];
    const setup = person.start([...setUp, ...chosen]);
    const [asked] = await setup.says(authorizeUrl);
    expect(redirectOf(asked)).toBe(redirect);
    expect((await setup.finished()).code).toBe(4);
  });
}

test("a callback port that is taken: said, and the login before stays", async () => {
  expect((await (await logIn()).finished()).code).toBe(0);
  const before = { login: await storedLoginOf(person), config: person.config() };
  const port = new URL(sandbox.origin).port;
  const { code, err } = await person.run(["profile", "login", "--callback-port", port]);
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(`error: port ${port} is in use\n`) });
  expect(err).toContain("hint: choose another port with --callback-port");
  expect({ login: await storedLoginOf(person), config: person.config() }).toEqual(before);
});

test("nobody comes back to a port that changes: the hint says what to register, and how to fix the port", async () => {
  const login = person.start(["profile", "login", ...flags(), "--timeout", "1"]);
  const [url] = await login.says(authorizeUrl);
  const { err } = await login.finished();
  expect(err).toContain(
    `the provider must allow the redirect ${redirectOf(url)} for client ${cliClientId}, on any port`,
  );
  expect(err).toContain("--callback-port");
});

ciTest("a callback with a wrong state, or none, is not the callback", async () => {
  const login = person.start(["profile", "login", ...flags(), "--timeout", "3"]);
  const [url] = await login.says(/http:\S+\/auth\?\S+/);
  const redirect = new URL(new URL(url).searchParams.get("redirect_uri") ?? "");
  for (const query of ["code=x", "code=x&state=wrong", "error=access_denied", "error=access_denied&state=wrong"]) {
    expect((await fetch(`${redirect.href}?${query}`)).status).toBe(400);
  }
  const { code, err } = await login.finished();
  expect(code).toBe(4);
  expect(err).toContain("no login within 3 s");
});

/** Begins a login, and ends it again. @returns what the address for the browser asks for as `prompt` */
async function promptOf(args: string[]): Promise<string | null> {
  const login = person.start(["profile", "login", ...args]);
  const [url] = await login.says(/http:\S+\/auth\?\S+/);
  login.kill("SIGTERM");
  await login.finished();
  return new URL(url).searchParams.get("prompt");
}

for (const [args, prompt] of cases(
  [
    [[], "consent"],
    [["--scope", "openid profile"], null],
    [["--prompt", "login"], "login"],
    [["--prompt", "login consent"], "login consent"],
    [["--prompt", "none", "--scope", "openid"], "none"],
    [["--prompt", "default"], null],
  ] as const,
  1,
)) {
  test(`with ${JSON.stringify(args)} the provider is asked for the prompt ${prompt}`, async () => {
    expect(await promptOf([...flags(), ...args])).toBe(prompt);
  });
}

test("without consent this provider gives no refresh token: the login says so, and the profile remembers its prompt", async () => {
  const { code, err } = await (await logIn("ada", ["--prompt", "login"])).finished();
  expect(code).toBe(0);
  expect(err.match(/gave no refresh token/g)).toHaveLength(1);
  expect(await storedLoginOf(person)).not.toHaveProperty("refreshToken");
  expect(await promptOf([])).toBe("login");
  const again = person.start(["profile", "refresh", "--force"]);
  const [url] = await again.says(/http:\S+\/auth\?\S+/);
  again.kill("SIGTERM");
  expect(new URL(url).searchParams.get("prompt")).toBe("login");
  await again.finished();
  expect(await promptOf(["--prompt", "consent"])).toBe("consent");
  const { code: refused, err: why } = await person.run(["profile", "login", "--prompt", ""]);
  expect([refused, why]).toEqual([2, expect.stringContaining("--prompt needs a value")]);
});

test("a login anew asks for consent too: what it brings can be renewed", async () => {
  expect((await (await logIn()).finished()).code).toBe(0);
  const before = await storedLoginOf(person);
  const again = person.start(["profile", "refresh", "--force"]);
  const [url] = await again.says(/http:\S+\/auth\?\S+/);
  const page = await context.newPage();
  await page.goto(url);
  await page.click('form button:has-text("Continue")'); // the session at the provider lives: only the consent is asked
  expect((await again.finished()).code).toBe(0);
  const after = await storedLoginOf(person);
  const tokens = [before, after].map((login) => (login?.method === "oidc" ? login.refreshToken : undefined));
  expect(tokens).toEqual([expect.any(String), expect.any(String)]);
  expect(tokens[0]).not.toBe(tokens[1]);
});

for (const [what, args, exit, says] of cases([
  ["no client id", ["--issuer", "https://sso.example.com"], 2, "needs --client-id"],
  ["no issuer", ["--client-id", "x"], 2, "needs --issuer"],
  ["a callback without an issuer", ["--callback-port", "4000"], 2, "needs --issuer"],
  ["another host for the callback", ["--callback-host", "0.0.0.0"], 2, "there is no callback-host 0.0.0.0"],
  ["no port for the callback", ["--callback-port", "0"], 2, "is not a port"],
  [
    "a prompt of two lines",
    ["--issuer", "https://sso.example.com", "--client-id", "x", "--prompt", "a\nb"],
    2,
    "--prompt",
  ],
  ["plain http", ["--issuer", "http://sso.example.com", "--client-id", "x"], 1, "must be an https: address"],
] as const)) {
  test(`${what}: exit ${exit}`, async () => {
    const { code, err } = await person.run(["profile", "login", "--url", sandbox.origin, ...args]);
    expect(code).toBe(exit);
    expect(err).toContain(says);
  });
}
