import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import type { BrowserContext } from "playwright-core";
import { ProofKey } from "../../src/oauth/proof-key.ts";
import { ageLogin, storedLoginOf } from "../support/age.ts";
import { startBoundHost } from "../support/bound-host.ts";
import { passLoginPages } from "../support/browser.ts";
import { Person, type Running } from "../support/codemie.ts";
import { hello, startGateway } from "../support/gateway.ts";
import { cliClientId } from "../support/sandbox/identity.ts";
import { sharedBrowser } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** Logins at an OpenID provider whose tokens are bound to a key (DPoP, RFC 9449): the real provider, a host that is strict. */

const browser = await sharedBrowser();
const host = await startBoundHost();
afterAll(() => host.close());
let context: BrowserContext;
let person: Person;
beforeEach(async () => {
  host.kind = "strict";
  for (const list of [host.record, host.asked, host.answers]) list.length = 0;
  person = new Person();
  context = await browser.newContext();
});
afterEach(async () => {
  person.remove();
  await context.close();
});

const flags = () => ["--url", host.origin, "--issuer", host.issuer, "--client-id", cliClientId];
const endpoint = () => new URL(`${host.issuer}/token`);

/** Goes through the provider's pages for a login that runs. */
async function pass(login: Running): Promise<{ code: number; out: string; err: string; asked: URL }> {
  const [address] = await login.says(/http:\S+\/auth\?\S+/);
  const page = await context.newPage();
  await page.goto(address);
  await passLoginPages(page, "ada");
  await page.waitForURL(/127\.0\.0\.1:\d+\/done/);
  return { ...(await login.finished()), asked: new URL(address) };
}

const logIn = (...more: string[]) => pass(person.start(["profile", "login", ...flags(), ...more]));
const schemes = () => new Set(host.record.map(({ headers }) => String(headers.authorization).split(" ")[0]));

test("--dpop: login, calls through the gateway, renewal; what is stolen is of no use; logout", async () => {
  const { code, out, asked } = await logIn("--dpop");
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("as ada") });
  expect(asked.searchParams.get("dpop_jkt")).toMatch(/^[\w-]{43}$/);
  expect(person.config().profiles.default.oidc.dpop).toBe(true);
  const status = await person.run(["profile", "status"]);
  expect(status.out).toContain("bound    the tokens, to a key in the vault (DPoP)");

  const token = await person.run(["token"]);
  expect({ code: token.code, err: token.err }).toEqual({
    code: 2,
    err: expect.stringContaining("codemie proxy start"),
  });
  for (const format of ["header", "json"]) expect((await person.run(["token", "--format", format])).code).toBe(2);
  const { accessToken, refreshToken } = (await storedLoginOf(person)) as { accessToken: string; refreshToken: string };
  const asBearer = await fetch(`${host.origin}/code-assistant-api/v1/user`, {
    headers: { authorization: `Bearer ${accessToken}` },
  });
  expect(asBearer.status).toBe(401);

  // A renewal in another process, then model calls of an agent, whose own proofs stay behind.
  await ageLogin(person);
  host.record.length = 0;
  await using gateway = await startGateway(person);
  const calls = await Promise.all(
    ["one", "two", "three"].map((dpop) =>
      gateway.post({ headers: { dpop, "x-dpop": dpop }, body: hello, method: "POST" }),
    ),
  );
  expect(calls.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(calls.map(({ headers }) => headers.get("dpop-nonce"))).toEqual([null, null, null]);
  expect(host.answers.length).toBe(2);
  expect(host.answers.map(({ token_type }) => token_type)).toEqual(["DPoP", "DPoP"]);
  expect(schemes()).toEqual(new Set(["DPoP"]));
  expect(host.proofs.filter(({ htm }) => htm === "POST").length).toBeGreaterThanOrEqual(3);
  expect(host.record.some(({ headers }) => headers.dpop === "one")).toBe(false);

  const other = ProofKey.generate();
  const steal = async () => {
    const form = { grant_type: "refresh_token", refresh_token: host.answers.at(-1)?.refresh_token ?? refreshToken };
    const body = new URLSearchParams({ ...form, client_id: cliClientId });
    const dpop = other.proof("POST", endpoint(), undefined);
    const answer = await fetch(endpoint(), { method: "POST", body, headers: { dpop } });
    other.heard(endpoint(), undefined, answer.headers.get("dpop-nonce"));
    return ((await answer.json()) as { error: string }).error;
  };
  expect([await steal(), await steal()]).toEqual(["use_dpop_nonce", "invalid_grant"]);

  const logout = await person.run(["profile", "logout", "--json"]);
  expect(JSON.parse(logout.out)).toEqual([{ profile: "default", removed: true, endedAtHost: true }]);
});

ciTest(
  "a host that knows no proofs gets bearer tokens, the login says so, and the refresh token stays bound",
  async () => {
    host.kind = "bearer";
    const { code, err } = await logIn("--dpop");
    expect(code).toBe(0);
    expect(err).toContain("knows no proofs");
    expect((await person.run(["profile", "status"])).out).toContain(
      "bound    the refresh token, to a key in the vault",
    );
    host.record.length = 0;
    await ageLogin(person);
    const token = await person.run(["token"]);
    expect(token).toMatchObject({ code: 0, out: `${host.answers.at(-1)?.access_token}\n` });
    expect((await person.run(["models"])).code).toBe(0);
    expect(schemes()).toEqual(new Set(["Bearer"]));
    expect(host.answers.map(({ token_type }) => token_type)).toEqual(["DPoP", "DPoP"]);
    expect(host.record.some(({ headers }) => headers.dpop)).toBe(false);
  },
);

test("tokens are not bound unless the profile asks for it, which it remembers until a provider is named anew", async () => {
  const { asked } = await logIn();
  expect(asked.searchParams.has("dpop_jkt")).toBe(false);
  expect(host.answers.map(({ token_type }) => token_type)).toEqual(["Bearer"]);
  expect((await person.run(["token"])).out).toBe(`${host.answers[0]?.access_token}\n`);

  const login = person.start(["profile", "login", "--dpop"]);
  const [again] = await login.says(/http:\S+\/auth\?\S+/);
  expect(new URL(again).searchParams.has("dpop_jkt")).toBe(true);
  login.kill("SIGINT");
  await login.finished();
  expect(person.config().profiles.default.oidc.dpop).toBeUndefined();
});

ciTest("codemie setup --dpop, and a device code", async () => {
  const setup = person.start(["setup", "--method", "oidc", ...flags(), "--dpop", "--device", "--yes"]);
  const [, address = ""] = await setup.says(/^\s*(http:\S+\/device\S*)$/m);
  const page = await context.newPage();
  await page.goto(address);
  await page.click('button[type="submit"]');
  await passLoginPages(page, "ada");
  expect((await setup.finished()).code).toBe(0);
  expect(host.answers.map(({ token_type }) => token_type)).toEqual(["DPoP"]);
  expect(person.config().profiles.default.oidc.dpop).toBe(true);
  expect((await person.run(["models"])).code).toBe(0);
  // A login that is bound is kept by the next set-up that asks for that, and by no other.
  const kept = await person.run(["setup", "--method", "oidc", ...flags(), "--dpop", "--yes"]);
  expect({ code: kept.code, answers: host.answers.length }).toEqual({ code: 0, answers: 1 });
});

test("--dpop at a provider without DPoP: said before the browser opens", async () => {
  const without = await startBoundHost(false);
  const own = ["--url", without.origin, "--issuer", without.issuer, "--client-id", cliClientId];
  const { code, err } = await person.run(["profile", "login", ...own, "--dpop"]);
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("does not bind tokens to a key of ours") });
  expect(err).toContain("log in without --dpop");
  expect(without.asked.some((path) => path === "/auth")).toBe(false);
  await without.close();
});
