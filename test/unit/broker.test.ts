import { expect, test } from "bun:test";
import { Broker, type BrokerOptions, type LoginVault } from "../../src/auth/broker.ts";
import type { OidcLogin, SsoLogin, StoredLogin } from "../../src/auth/credential.ts";
import { freshIdToken } from "../../src/auth/id-token.ts";
import type { Renewal } from "../../src/auth/renewal.ts";
import { CodemieError } from "../../src/core/errors.ts";
import { hostAt } from "../../src/core/host.ts";
import { Secret } from "../../src/core/secret.ts";
import type { Runtime } from "../../src/platform/runtime.ts";

const origin = "https://codemie.example.com";
const identity = { id: "1", name: "Ada", email: "ada@example.com" };
const minute = 60_000;

const sso = (value: string, confirmedAt = 0): SsoLogin => ({
  method: "sso",
  origin,
  identity,
  loggedInAt: 0,
  confirmedAt,
  cookies: { _oauth2_proxy: value },
});

const oidc = (accessToken: string, expiresAt: number): OidcLogin => ({
  method: "oidc",
  origin,
  identity,
  loggedInAt: 0,
  confirmedAt: 0,
  issuer: "https://id.example.com",
  clientId: "cli",
  scope: "openid",
  accessToken,
  expiresAt,
});

/** A vault of one record, in memory. */
class FakeVault implements LoginVault {
  record: StoredLogin | undefined;
  writes = 0;
  locks = 0;
  /** what writing, or locking, fails with */
  writeFails: CodemieError | undefined;
  lockFails: CodemieError | undefined;
  /** what another process does while we wait for the lock */
  meanwhile: () => void = () => undefined;

  constructor(record: StoredLogin | undefined) {
    this.record = record;
  }

  async locked<T>(_name: string, work: () => Promise<T>): Promise<T> {
    this.locks++;
    if (this.lockFails) throw this.lockFails;
    this.meanwhile();
    return await work();
  }

  async read<T>(): Promise<T | undefined> {
    return this.record as T | undefined;
  }

  async write(_name: string, value: unknown): Promise<void> {
    if (this.writeFails) throw this.writeFails;
    this.writes++;
    this.record = value as StoredLogin;
  }

  async stamp(): Promise<string> {
    return JSON.stringify(this.record) ?? "";
  }

  async changed(): Promise<boolean> {
    return false;
  }
}

function broker(record: StoredLogin | undefined, answer: Renewal<StoredLogin>, more: Partial<BrokerOptions> = {}) {
  const vault = new FakeVault(record);
  const clock = { now: 10 * minute };
  const seen = { asked: [] as StoredLogin[], audited: 0 };
  const it = new Broker({
    vault,
    profile: "default",
    host: hostAt(origin),
    runtime: { now: () => clock.now } as Runtime,
    async renewLogin(login) {
      seen.asked.push(login);
      return answer;
    },
    renewed: async () => void seen.audited++,
    ...more,
  });
  return { it, vault, clock, seen };
}

const cookiesOf = (login: StoredLogin | undefined) =>
  login?.method === "sso" ? login.cookies._oauth2_proxy : undefined;
const diskFull = new CodemieError("disk", "the disk is full");
const busy = new CodemieError("vault_locked", "another process has it");

test("a session that was just confirmed is used as it is, without a lock", async () => {
  const { it, vault, seen } = broker(sso("a", 9.5 * minute), { kind: "ended" });
  expect(cookiesOf((await it.current()).login)).toBe("a");
  expect([vault.locks, seen.asked.length]).toEqual([0, 0]);
});

test("an older one is confirmed once, by all who ask at the same time, and the confirmation is stored", async () => {
  const { it, vault, seen } = broker(sso("a"), { kind: "valid" });
  const leases = await Promise.all([it.current(), it.current(), it.current()]);
  expect(leases.map(({ login }) => cookiesOf(login))).toEqual(["a", "a", "a"]);
  expect([vault.locks, seen.asked.length, vault.writes, seen.audited]).toEqual([1, 1, 1, 0]);
  expect(vault.record?.confirmedAt).toBe(10 * minute);
});

test("a renewed one is stored and written into the trail", async () => {
  const { it, vault, seen } = broker(sso("a"), { kind: "renewed", login: sso("b") });
  expect(cookiesOf((await it.current()).login)).toBe("b");
  expect([cookiesOf(vault.record), seen.audited]).toEqual(["b", 1]);
});

test("what another process stored while we waited for the lock is adopted", async () => {
  const { it, vault, seen } = broker(sso("a"), { kind: "ended" });
  vault.meanwhile = () => {
    vault.record = sso("sibling's", 10 * minute);
  };
  expect(cookiesOf((await it.current()).login)).toBe("sibling's");
  expect(seen.asked).toEqual([]);
});

test("a session that nobody could be asked about is used, and not asked about by each process anew", async () => {
  const { it, vault } = broker(sso("a"), { kind: "unknown" });
  expect(cookiesOf((await it.current()).login)).toBe("a");
  expect(vault.record?.confirmedAt).toBe(10 * minute);
});

test("tokens whose provider cannot be asked are used, and nothing is stored", async () => {
  const { it, vault } = broker(oidc("a", 10 * minute + 1), { kind: "unknown" });
  expect((await it.current()).login).toMatchObject({ accessToken: "a" });
  expect(vault.writes).toBe(0);
});

test("tokens are renewed some time before their end, and not earlier", async () => {
  const renewed = { kind: "renewed", login: oidc("b", 90 * minute) } as const;
  const early = broker(oidc("a", 60 * minute), renewed);
  expect((await early.it.current()).login).toMatchObject({ accessToken: "a" });
  const late = broker(oidc("a", 14 * minute), renewed);
  late.clock.now = 12 * minute;
  expect((await late.it.current()).login).toMatchObject({ accessToken: "b" });
});

test("an ended one is handed out as it is: the host decides", async () => {
  const { it, vault, seen } = broker(sso("a"), { kind: "ended" });
  expect(cookiesOf((await it.current()).login)).toBe("a");
  expect([vault.writes, seen.audited]).toEqual([0, 0]);
});

test("on a full disk a renewed one is used all the same, until somebody stores another", async () => {
  const { it, vault, clock } = broker(sso("a"), { kind: "renewed", login: sso("b") });
  vault.writeFails = diskFull;
  expect(cookiesOf((await it.current()).login)).toBe("b");
  clock.now += minute / 2;
  expect(cookiesOf((await it.current()).login)).toBe("b");
  vault.record = sso("another", clock.now);
  await Bun.sleep(25); // the record is looked at again 20 ms later
  expect(cookiesOf((await it.current()).login)).toBe("another");
});

test("where nothing can be written there is no lock, and it is renewed without one", async () => {
  const { it, vault, seen } = broker(sso("a"), { kind: "valid" });
  vault.lockFails = diskFull;
  vault.writeFails = diskFull;
  expect(cookiesOf((await it.current()).login)).toBe("a");
  expect(seen.asked.length).toBe(1);
});

test("while another process holds the record, what is there is used", async () => {
  const { it, vault, seen } = broker(sso("a"), { kind: "valid" });
  vault.lockFails = busy;
  expect(cookiesOf((await it.current()).login)).toBe("a");
  expect(seen.asked).toEqual([]);
});

test("any other failure of the vault is told", async () => {
  const { it, vault } = broker(sso("a"), { kind: "renewed", login: sso("b") });
  vault.writeFails = new CodemieError("vault_key", "the key is gone");
  await expect(it.current()).rejects.toThrow("the key is gone");
});

test("without a login it says so in the profile's own words", async () => {
  const { it } = broker(undefined, { kind: "valid" }, { missing: () => new CodemieError("auth_needed", "no key") });
  await expect(it.current()).rejects.toThrow("no key");
});

test("cookies of an answer are stored before the answer goes on", async () => {
  const { it, vault, seen } = broker(sso("a", 9.9 * minute), { kind: "ended" });
  await it.capture(await it.current(), ["_oauth2_proxy=b; Path=/"]);
  expect([cookiesOf(vault.record), seen.audited]).toEqual(["b", 1]);
  expect(cookiesOf((await it.current()).login)).toBe("b");
});

test("a newer session of another process is not overwritten by cookies of an answer to an older one", async () => {
  const { it, vault, seen } = broker(sso("a", 9.9 * minute), { kind: "ended" });
  const lease = await it.current();
  vault.record = sso("sibling's", 9.95 * minute);
  await it.capture(lease, ["_oauth2_proxy=b; Path=/"]);
  expect([cookiesOf(vault.record), seen.audited]).toEqual(["sibling's", 0]);
});

test("cookies that cannot be stored are used all the same; those of a session's end change nothing", async () => {
  const { it, vault } = broker(sso("a", 9.9 * minute), { kind: "ended" });
  vault.lockFails = busy;
  await it.capture(await it.current(), ["_oauth2_proxy=b; Path=/"]);
  expect(cookiesOf((await it.current()).login)).toBe("b");
  await it.capture(await it.current(), ["_oauth2_proxy=; Max-Age=0"]);
  expect(cookiesOf((await it.current()).login)).toBe("b");
});

test("a part of a split session has the whole asked for", async () => {
  const { it, seen } = broker(sso("a", 9.9 * minute), { kind: "renewed", login: sso("whole") });
  await it.capture(await it.current(), ["_oauth2_proxy_1=b; Path=/"]);
  expect(seen.asked.length).toBe(1);
  expect(cookiesOf((await it.current()).login)).toBe("whole");
});

test("a refused one: another process's, else a renewed one, else a new login, and that once a minute", async () => {
  const adopted = broker(sso("a", 9.9 * minute), { kind: "ended" });
  const lease = await adopted.it.current();
  adopted.vault.record = sso("sibling's", 9.95 * minute);
  expect(cookiesOf((await adopted.it.renew(lease))?.login)).toBe("sibling's");

  const renewed = broker(sso("a", 9.9 * minute), { kind: "renewed", login: sso("b") });
  const both = await Promise.all([1, 2].map(async () => await renewed.it.renew(await renewed.it.current())));
  expect(both.map((one) => cookiesOf(one?.login))).toEqual(["b", "b"]);
  expect(renewed.seen.asked.length).toBe(1);

  let logins = 0;
  const again = broker(
    sso("a", 9.9 * minute),
    { kind: "ended" },
    {
      loginAgain: async () => {
        logins++;
        again.vault.record = sso(`login ${logins}`, again.clock.now);
      },
    },
  );
  const first = await again.it.renew(await again.it.current());
  expect(cookiesOf(first?.login)).toBe("login 1");
  if (!first) throw new Error("there is no newer login");
  expect(await again.it.renew(first)).toBeUndefined();
  again.clock.now += 2 * minute;
  expect(cookiesOf((await again.it.renew(first))?.login)).toBe("login 2");
});

test("a search that the vault or the login ends gives no newer one; a full disk is told", async () => {
  for (const [error, told] of [
    [new CodemieError("auth_timeout", "nobody came"), false],
    [diskFull, true],
  ] as const) {
    const { it } = broker(sso("a", 9.9 * minute), { kind: "ended" }, { loginAgain: () => Promise.reject(error) });
    const search = it.renew(await it.current());
    if (told) await expect(search).rejects.toThrow(error.message);
    else expect(await search).toBeUndefined();
  }
});

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const jwt = (endsAt: number): StoredLogin => ({
  method: "jwt",
  origin,
  identity,
  loggedInAt: 0,
  token: `${part({ alg: "RS256" })}.${part({ exp: endsAt / 1000 })}.x`,
});

test("a stored bearer token that ends in the middle of a run is not given out, but for what a clock may be off", async () => {
  const { it, clock } = broker(jwt(11 * minute), { kind: "ended" });
  await it.current();
  clock.now = 12 * minute - 1;
  await Bun.sleep(25); // the record is looked at again 20 ms later
  await it.current();
  clock.now = 12 * minute;
  await expect(it.current()).rejects.toMatchObject({ code: "auth_expired" });
});

const down = { kind: "unknown", error: new CodemieError("unreachable", "cannot reach it") } as const;

test("tokens that have ended are not given out when the provider cannot be asked, which is asked again after a rest", async () => {
  const { it, clock, seen } = broker(oidc("a", 10 * minute), down);
  for (let n = 0; n < 3; n++) {
    await expect(it.current()).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("id.example.com"),
    });
  }
  expect(seen.asked.length).toBe(1);
  clock.now += 5_000;
  await expect(it.current()).rejects.toThrow("cannot reach it");
  expect(seen.asked.length).toBe(2);
});

test("the holder of the lock may wait for a provider that hangs: ended tokens are not given out meanwhile", async () => {
  const { it, vault } = broker(oidc("a", 10 * minute), { kind: "ended" });
  vault.lockFails = busy;
  await expect(it.current()).rejects.toMatchObject({ code: "unreachable" });
});

test("a refused refresh token is shown once; a person who is there logs in again, all requests wait for that", async () => {
  let logins = 0;
  const loginAgain = async () => {
    logins++;
    await Bun.sleep(1);
    if (logins > 1) again.vault.record = oidc("new", 90 * minute);
    else throw new CodemieError("auth_timeout", "nobody came");
  };
  const again = broker(oidc("a", 10 * minute), { kind: "ended" }, { loginAgain });
  await expect(again.it.current()).rejects.toMatchObject({ code: "auth_expired" });
  const leases = await Promise.all([again.it.current(), again.it.current()]);
  expect(leases.map(({ login }) => login)).toMatchObject([{ accessToken: "new" }, { accessToken: "new" }]);
  expect([again.seen.asked.length, logins]).toEqual([1, 2]);
});

test("a refused token whose provider is down is not looked for at the browser; nor is an ended one of another process", async () => {
  const { it, vault } = broker(oidc("a", 60 * minute), down, { loginAgain: () => Promise.reject(new Error("asked")) });
  const lease = await it.current();
  await expect(it.renew(lease)).rejects.toMatchObject({ code: "unreachable" });
  vault.record = oidc("b", 9 * minute);
  await expect(it.renew(lease)).rejects.toMatchObject({ code: "unreachable" });
});

test("an ID token comes with a renewal, which is stored and written into the trail", async () => {
  const server = { issuer: "https://id.example.com", token_endpoint: "https://id.example.com/token" };
  const idToken = { token: new Secret("id"), server, client: { id: "cli", method: "none" as const } };
  const { it, vault, seen } = broker(oidc("a", 60 * minute), {
    kind: "renewed",
    login: oidc("b", 90 * minute),
    idToken,
  });
  const found = await freshIdToken(it, "default");
  expect([found.idToken.reveal(), found.client.id, found.server]).toEqual(["id", "cli", server]);
  expect(vault.record).toMatchObject({ accessToken: "b" });
  expect(seen.audited).toBe(1);
});

for (const [answer, says] of [
  [{ kind: "ended" }, "no longer valid"],
  [{ kind: "unknown", error: new CodemieError("unreachable", "cannot reach it") }, "cannot reach it"],
  [{ kind: "renewed", login: oidc("b", 90 * minute) }, "sends no ID token with a renewal"],
] as const) {
  test(`no ID token: ${says}`, async () => {
    const { it } = broker(oidc("a", 60 * minute), answer);
    await expect(freshIdToken(it, "default")).rejects.toThrow(says);
  });
}

test("a login of another kind has no ID token, and is not renewed for it", async () => {
  const { it, seen } = broker(sso("a"), { kind: "renewed", login: sso("b") });
  await expect(freshIdToken(it, "work")).rejects.toMatchObject({ code: "auth_needed" });
  expect(seen.asked).toEqual([]);
});
