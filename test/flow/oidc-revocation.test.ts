import { afterEach, beforeEach, expect, test } from "bun:test";
import type { BrowserContext } from "playwright-core";
import { ageLogin, storedLoginOf } from "../support/age.ts";
import { passLoginPages } from "../support/browser.ts";
import { Person } from "../support/codemie.ts";
import { cliClientId, loopbackRedirects } from "../support/sandbox/identity.ts";
import { type ScriptedProvider, startScriptedProvider } from "../support/scripted-provider.ts";
import { sharedBrowser, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** Tokens that nobody keeps are ended at their provider, and what cannot be ended is told. */

const otherClient = "another-cli";
const sandbox = await sharedSandbox({}, [
  {
    client_id: otherClient,
    application_type: "native",
    token_endpoint_auth_method: "none",
    redirect_uris: loopbackRedirects,
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
  },
]);
const browser = await sharedBrowser();
let context: BrowserContext;
let person: Person;
let provider: ScriptedProvider;
beforeEach(async () => {
  person = new Person();
  context = await browser.newContext();
  provider = await startScriptedProvider();
});
afterEach(async () => {
  person.remove();
  await context.close();
  await provider.stop();
});

/** Logs in at the real provider, through its pages. */
async function logIn(name: string, client = cliClientId, flags: readonly string[] = []) {
  const at = ["--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", client];
  const login = person.start(["profile", "login", ...at, ...flags]);
  const [url] = await login.says(/http:\S+\/auth\?\S+/);
  await context.clearCookies(); // else the provider remembers the person
  const page = await context.newPage();
  await page.goto(url);
  await passLoginPages(page, name);
  return await login.finished();
}

async function stored() {
  const login = await storedLoginOf(person);
  if (login?.method !== "oidc") throw new Error("there is no login of a provider");
  return login;
}

/** True while the provider takes a refresh token, which is spent by asking. */
async function isAlive(client: string, refreshToken = ""): Promise<boolean> {
  const form = { grant_type: "refresh_token", refresh_token: refreshToken, client_id: client };
  return (await fetch(`${sandbox.issuer}/token`, { method: "POST", body: new URLSearchParams(form) })).ok;
}

const revocations = () => sandbox.identityRequests.filter((line) => line === "POST /token/revocation").length;

ciTest("a login that the host refuses is ended at the provider", async () => {
  sandbox.settings.userFailure = { status: 401, body: "{}", type: "application/json" };
  const { code } = await logIn("ada");
  expect({ code, revocations: revocations() }).toEqual({ code: 4, revocations: 2 });
  expect(await storedLoginOf(person)).toBeUndefined();
});

ciTest("another person's login that is not kept is ended; the one that stays still renews", async () => {
  expect((await logIn("ada")).code).toBe(0);
  const { code, err } = await logIn("bob");
  expect({ code, err }).toEqual({ code: 4, err: expect.stringContaining("belongs to Ada") });
  expect(revocations()).toBe(2);
  await ageLogin(person);
  expect((await person.run(["token"])).code).toBe(0);
});

ciTest("a login that another client's replaces is ended", async () => {
  expect((await logIn("ada")).code).toBe(0);
  const before = await stored();
  expect(before.refreshToken).toBeString();
  expect((await logIn("ada", otherClient)).code).toBe(0);
  expect(revocations()).toBe(2);
  expect(await isAlive(cliClientId, before.refreshToken)).toBe(false);
  await ageLogin(person);
  expect((await person.run(["token"])).code).toBe(0);
});

ciTest(
  "a new login of the same person and client: the one before stays, which is told, for both may be one grant",
  async () => {
    expect((await logIn("ada")).code).toBe(0);
    const { code, err } = await logIn("ada");
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringContaining("the login before this one stays valid at"),
    });
    expect(revocations()).toBe(0);
    await ageLogin(person);
    expect((await person.run(["token"])).code).toBe(0);
  },
);

ciTest("a login made in set-up, which then comes to nothing, is ended", async () => {
  const at = ["--method", "oidc", "--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", cliClientId];
  expect((await logIn("ada", otherClient)).code).toBe(0);
  const setup = person.start(["setup", ...at]);
  const [url] = await setup.says(/http:\S+\/auth\?\S+/);
  const page = await context.newPage();
  await context.clearCookies();
  await page.goto(url);
  await passLoginPages(page, "bob");
  expect((await setup.finished()).code).toBe(4);
  expect(revocations()).toBe(2);
});

test("logging out ends refresh token and access token", async () => {
  expect((await logIn("ada")).code).toBe(0);
  const before = await stored();
  const { out } = await person.run(["profile", "logout"]);
  expect(out).toContain("is logged out (the provider ended the login)");
  expect(revocations()).toBe(2);
  expect(await isAlive(cliClientId, before.refreshToken)).toBe(false);
});

for (const [what, prepare, words] of [
  ["offers no revocation", () => undefined, "offers no way to end them"],
  [
    "refuses it",
    () => {
      provider.metadata = { revocation_endpoint: `${provider.origin}/revoke` };
      provider.answer = (path) => (path === "/revoke" ? new Response("", { status: 400 }) : undefined);
    },
    "did not confirm that it ended them",
  ],
  ["has gone", async () => await provider.stop(), "could not be asked"],
] as const) {
  test(`logging out where the provider ${what}: gone here, and what stays valid is told`, async () => {
    expect((await provider.logIn(person).finished()).code).toBe(0);
    await prepare();
    const { code, out } = await person.run(["profile", "logout"]);
    expect(code).toBe(0);
    expect(out).toContain(words);
    expect(out).toMatch(/its tokens stay valid until they end by themselves: the access token in (1 hour|\d+ minutes)/);
    expect(await storedLoginOf(person)).toBeUndefined();
  });
}
