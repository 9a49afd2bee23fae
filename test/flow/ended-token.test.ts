import { afterEach, beforeEach, expect, test } from "bun:test";
import { loginRecord } from "../../src/auth/credential.ts";
import { storedLoginOf, vaultOf } from "../support/age.ts";
import { Person } from "../support/codemie.ts";
import { startGateway } from "../support/gateway.ts";
import { logIn } from "../support/login.ts";
import { holdsTokens, ownOpenIdProvider, type TestProvider } from "../support/provider.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** A token that has ended goes to nobody; a provider that cannot be reached is no reason to log in. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

const secondsFromNow = (seconds: number) => Date.now() + seconds * 1000;

/** A provider, and a person whose token of it ends in so many seconds. */
async function loggedIn(endsIn: number | undefined, refreshToken: string | undefined = "refresh") {
  const provider = ownOpenIdProvider(() => sandbox.front.mintToken("ada"));
  const accessToken = await sandbox.front.mintToken("ada", 7200);
  await holdsTokens(person, sandbox.origin, {
    issuer: provider.issuer,
    accessToken,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(endsIn === undefined ? {} : { expiresAt: secondsFromNow(endsIn) }),
  });
  return { provider, accessToken };
}

const faults: [string, (provider: TestProvider) => unknown, exit: number][] = [
  ["is down", (provider) => provider.goDown(), 5],
  ["answers 503", (provider) => (provider.mode = "busy"), 5],
  ["has no usable metadata", (provider) => (provider.mode = "useless"), 5],
  ["says that the refresh token is dead", (provider) => (provider.mode = "dead"), 4],
];

for (const [what, happens, exit] of cases(faults, 2)) {
  test(`an ended token is not printed when the provider ${what}: exit ${exit}`, async () => {
    const { provider, accessToken } = await loggedIn(-1);
    await happens(provider);
    const before = await storedLoginOf(person);
    for (const format of ["raw", "header", "json"]) {
      const { code, out, err } = await person.run(["token", "--format", format]);
      expect({ code, out }).toEqual({ code: exit, out: "" });
      expect(err).not.toContain(accessToken);
      if (exit === 5) {
        expect(err).toContain(`the OpenID provider ${provider.issuer} cannot renew the login now`);
        expect(err).not.toContain("profile login");
      } else expect(err).toContain("hint: run codemie profile login");
    }
    expect(await storedLoginOf(person)).toEqual(before);
    expect((await person.run(["audit", "list", "--json"])).out).not.toContain("token-printed");
  });

  test(`commands and the gateway when the provider ${what}: nothing ended reaches the host`, async () => {
    const { provider, accessToken } = await loggedIn(-1);
    await happens(provider);
    for (const args of [["models"], ["profile", "status"], ["profile", "refresh", "--no-browser", "--timeout", "1"]]) {
      const { code, out, err } = await person.run(args);
      if (exit === 4 && args[1] === "refresh") continue; // it goes on to a login
      expect({ args, code }).toEqual({ args, code: exit });
      if (exit === 5) {
        expect(err).toContain(provider.issuer);
        expect(out + err).not.toMatch(/no longer valid|not logged in|profile login/);
      }
    }
    const seen = sandbox.record.filter(({ headers }) => headers.authorization === `Bearer ${accessToken}`);
    expect(seen).toEqual([]);
  });

  test(`the gateway in the middle of a run, when the provider ${what}`, async () => {
    const { provider, accessToken } = await loggedIn(3600);
    await using gateway = await startGateway(person);
    expect((await gateway.post()).status).toBe(200);
    await happens(provider);
    const login = await storedLoginOf(person);
    if (login?.method !== "oidc") throw new Error("no login");
    await vaultOf(person).write(loginRecord("default"), { ...login, expiresAt: secondsFromNow(-1) });
    await Bun.sleep(30); // the gateway looks for changes every 20 ms
    sandbox.record.length = 0;
    for (let n = 0; n < 3; n++) {
      const answer = await gateway.post();
      const text = await answer.text();
      expect({ status: answer.status, names: text.includes(provider.issuer) }).toEqual(
        exit === 5 ? { status: 502, names: true } : { status: 401, names: false },
      );
    }
    expect(sandbox.record.filter(({ headers }) => headers.authorization === `Bearer ${accessToken}`)).toEqual([]);
    // a refused refresh token is not shown again: providers take that for theft
    expect(provider.shown.length).toBeLessThanOrEqual(1);
  });

  test(`a token that still lives is used while the provider ${what}`, async () => {
    const { provider, accessToken } = await loggedIn(60);
    await happens(provider);
    const { code, out } = await person.run(["token"]);
    expect({ code, out }).toEqual({ code: 0, out: `${accessToken}\n` });
  });
}

test("an ended token without a refresh token: exit 4, and the host never sees it", async () => {
  await loggedIn(-1, "");
  const login = await storedLoginOf(person);
  if (login?.method !== "oidc") throw new Error("no login");
  const { refreshToken: _, ...bare } = login;
  await vaultOf(person).write(loginRecord("default"), bare);
  for (const args of [["token"], ["models"]]) {
    const { code, out, err } = await person.run(args);
    expect({ code, out }).toEqual({ code: 4, out: "" });
    expect(err).toContain("no longer valid");
  }
  expect(sandbox.record).toEqual([]);
});

ciTest("a provider that never answers: exit 5 once its time is over", async () => {
  const { provider } = await loggedIn(-1);
  provider.mode = "hangs";
  const { code, out, err } = await person.run(["token"]);
  expect({ code, out }).toEqual({ code: 5, out: "" });
  expect(err).toContain(`${provider.issuer} cannot renew the login now`);
  expect(err).toContain("no answer in time");
});

test("a token whose end is unknown is used as it is, and one that can be renewed is renewed", async () => {
  const { accessToken } = await loggedIn(undefined);
  expect((await person.run(["token"])).out).toBe(`${accessToken}\n`);
  const { provider } = await loggedIn(-1);
  const { code, out } = await person.run(["token"]);
  expect({ code, renewed: out !== `${accessToken}\n`, shown: provider.shown }).toEqual({
    code: 0,
    renewed: true,
    shown: ["refresh"],
  });
});

test("a token that a login on a clock ahead of time makes look alive is renewed", async () => {
  const { provider, accessToken } = await loggedIn(7200);
  const login = await storedLoginOf(person);
  await vaultOf(person).write(loginRecord("default"), { ...login, confirmedAt: secondsFromNow(6600) });
  const { code, out } = await person.run(["token"]);
  expect({ code, renewed: out !== `${accessToken}\n`, shown: provider.shown.length }).toEqual({
    code: 0,
    renewed: true,
    shown: 1,
  });
});

test("a token that the host refuses while the provider is down: that is what is said", async () => {
  const { provider } = await loggedIn(3600);
  const login = await storedLoginOf(person);
  await vaultOf(person).write(loginRecord("default"), { ...login, accessToken: "no-longer-good" });
  await provider.goDown();
  const { code, err } = await person.run(["models"]);
  expect(code).toBe(5);
  expect(err).toContain(`${provider.issuer} cannot renew the login now`);
});

test("doctor checks the provider, and the login fails for its reason", async () => {
  const examined = async () => {
    const { checks } = JSON.parse((await person.run(["doctor", "--json"])).out);
    return (id: string) => checks.find((one: { id: string }) => one.id === id);
  };
  const { provider } = await loggedIn(-1);
  expect((await examined())("provider")).toMatchObject({ status: "ok", message: `${provider.issuer} answers` });
  provider.mode = "useless";
  expect((await examined())("provider")).toMatchObject({
    status: "failed",
    message: expect.stringContaining("no usable metadata"),
  });
  const down = await loggedIn(-1);
  await down.provider.goDown();
  const of = await examined();
  expect(of("provider")).toMatchObject({
    status: "failed",
    message: expect.stringContaining(`cannot reach ${down.provider.issuer}`),
  });
  for (const id of ["credential", "api", "models", "gateway"]) {
    expect(JSON.stringify(of(id))).not.toMatch(/no longer valid|profile login/);
    expect(of(id).status).not.toBe("ok");
  }
});

test("a profile that uses no provider has none to check", async () => {
  await logIn(person, sandbox);
  const { checks } = JSON.parse((await person.run(["doctor", "--json"])).out);
  expect(checks.find((one: { id: string }) => one.id === "provider")).toMatchObject({ status: "skipped" });
});

test("without asking the host, an ended token that can be renewed is no ended login", async () => {
  await loggedIn(-1);
  const { code, out } = await person.run(["profile", "status", "--offline"]);
  expect({ code, says: out.includes("a stored login for") }).toEqual({ code: 0, says: true });
});

test("a browser session that is over is not printed either", async () => {
  await logIn(person, sandbox);
  const login = await storedLoginOf(person);
  const cookies = { _oauth2_proxy: "over" };
  await vaultOf(person).write(loginRecord("default"), { ...login, cookies, confirmedAt: 1 });
  const { code, out } = await person.run(["token", "--format", "header"]);
  expect({ code, out }).toEqual({ code: 4, out: "" });
});
