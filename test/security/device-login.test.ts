import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync, statSync, truncateSync } from "node:fs";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { loginRecord } from "../../src/auth/credential.ts";
import { registered } from "../../src/oauth/registration.ts";
import { loginFile, vaultOf } from "../support/age.ts";
import { Person } from "../support/codemie.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: a provider's answer makes a login last for ever, floods the provider, or spoils all commands after it. */

const keys = await generateKeyPair("RS256", { extractable: true });
const jwk = { ...(await exportJWK(keys.publicKey)), alg: "RS256", kid: "1" };
/** what the provider does differently */
let twist: { hangs?: string; device?: object; token?: object; user?: Buffer } = {};
let asked: string[] = [];
let heard = Promise.withResolvers<void>();
let person: Person;

/** A provider, and a host that lets everybody in. */
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  async fetch(request): Promise<Response> {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    if (pathname === twist.hangs) {
      heard.resolve();
      await new Promise(() => undefined);
    }
    switch (pathname) {
      case "/.well-known/openid-configuration":
        return Response.json({
          issuer: origin,
          authorization_endpoint: `${origin}/auth`,
          token_endpoint: `${origin}/token`,
          device_authorization_endpoint: `${origin}/device`,
          jwks_uri: `${origin}/jwks`,
        });
      case "/device":
        return Response.json({
          device_code: "d",
          user_code: "ABCD",
          verification_uri: `${origin}/enter`,
          expires_in: 600,
          interval: 1,
          ...twist.device,
        });
      case "/token":
        if (!twist.token) return Response.json({ error: "authorization_pending" }, { status: 400 });
        return Response.json({ access_token: "at", token_type: "Bearer", id_token: await idToken(), ...twist.token });
      case "/jwks":
        return Response.json({ keys: [jwk] });
      case "/code-assistant-api/v1/user":
        if (twist.user) return new Response(twist.user, { headers: { "content-type": "application/json" } });
        return Response.json({ user_id: "ada", name: "Ada", email: "ada@example.com" });
      case "/code-assistant-api/v1/llm_models":
        return Response.json([{ base_name: "claude-sonnet-4-6" }]);
      default:
        return Response.json({ detail: "not found" }, { status: 404 });
    }
  },
});
const origin = `http://127.0.0.1:${server.port}`;
afterAll(() => server.stop(true));

beforeEach(() => {
  [twist, asked, heard] = [{}, [], Promise.withResolvers<void>()];
  person = new Person();
});
afterEach(() => person.remove());

const idToken = () =>
  new SignJWT({ sub: "ada" })
    .setProtectedHeader({ alg: "RS256", kid: "1" })
    .setIssuer(origin)
    .setAudience("cli")
    .setIssuedAt()
    .setExpirationTime("1m")
    .sign(keys.privateKey);

const start = (seconds: number) => {
  const flags = ["--url", origin, "--issuer", origin, "--client-id", "cli", "--device"];
  return person.start(["profile", "login", ...flags, "--timeout", String(seconds)]);
};
const requests = () => asked.filter((path) => path === "/token").length;

for (const interval of cases([1e-9, -5, "soon"], 1)) {
  test(`an interval of ${interval}: no more than one request a second`, async () => {
    twist = { device: { interval } };
    expect((await start(3).finished()).err).toContain("no login within 3 s");
    expect(requests()).toBeLessThanOrEqual(3);
  });
}

for (const interval of cases([100, 1e300], 1)) {
  test(`an interval of ${interval}: the time limit holds`, async () => {
    twist = { device: { interval } };
    const { code, err } = await start(1).finished();
    expect([code, err]).toEqual([4, expect.stringContaining("no login within 1 s")]);
  });
}

for (const [signal, code] of cases(
  [
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const,
  1,
)) {
  test(`${signal} ends the wait for the next request`, async () => {
    twist = { device: { interval: 3600 } };
    const login = start(600);
    await login.says(/ABCD/);
    login.kill(signal);
    expect((await login.finished()).code).toBe(code);
  });
}

for (const hangs of cases(
  ["/.well-known/openid-configuration", "/device", "/token", "/jwks", "/code-assistant-api/v1/user"],
  1,
)) {
  test(`${hangs} never answers: a signal ends the login, and so does the time limit`, async () => {
    twist = { hangs, token: {} };
    const login = start(600);
    await heard.promise;
    login.kill("SIGTERM");
    expect((await login.finished()).code).toBe(143);
    const { code, err } = await start(2).finished();
    expect([code, err]).toEqual([4, expect.stringContaining("no login within 2 s")]);
  });
}

/** Every command that looks at a login works, or says what is wrong; none stumbles. */
async function commandsWork(): Promise<void> {
  for (const args of [
    ["profile", "status", "--json"],
    ["profile", "status", "--offline"],
    ["profile", "status", "--all", "--json"],
    ["token", "--json"],
    ["doctor"],
    ["profile", "logout"],
  ]) {
    const { err, out } = await person.run(args);
    expect({ args, stumbles: /unexpected|internal|Invalid|NaN/.test(err + out) }).toEqual({ args, stumbles: false });
  }
}

for (const life of cases([1e15, 1e300, -1, "1e15", 1e-9], 1)) {
  test(`a life of ${life} s: the login is stored, and every command works`, async () => {
    twist = { device: { expires_in: typeof life === "number" && life > 1 ? life : 600 }, token: { expires_in: life } };
    const { code, err } = await start(60).finished();
    expect({ code, err: err.match(/error.*/)?.[0] }).toEqual({ code: 0, err: undefined });
    await commandsWork();
  });
}

ciTest("a name of millions of characters: the login is stored, and every command works", async () => {
  // Each of these bytes becomes three in the text.
  const name = Buffer.alloc(6_000_000, 0xff);
  twist = { token: {}, user: Buffer.concat([Buffer.from('{"user_id":"ada","name":"'), name, Buffer.from('"}')]) };
  expect((await start(60).finished()).code).toBe(0);
  expect(statSync(loginFile(person)).size).toBeLessThan(20_000);
  await commandsWork();
});

ciTest(
  "nothing is stored that could not be read again; a record that is too long is damaged, and a login replaces it",
  async () => {
    twist = { token: {} };
    expect((await start(60).finished()).code).toBe(0);
    const [vault, record] = [vaultOf(person), loginRecord("default")];
    const before = readFileSync(loginFile(person));
    expect(vault.write(record, { name: "x".repeat(13_000_000) })).rejects.toMatchObject({ code: "disk" });
    expect(readFileSync(loginFile(person))).toEqual(before);

    truncateSync(loginFile(person), 17_000_000);
    expect((await person.run(["token"])).err).toContain(`the stored record ${record} is damaged`);
    expect((await start(60).finished()).code).toBe(0);
    expect((await person.run(["token"])).code).toBe(0);
  },
);

for (const member of cases(["verification_uri", "verification_uri_complete"], 1)) {
  for (const pad of ["a", "\u20ac"]) {
    test(`a ${member} of 900 KB (${pad}) is refused, and not printed`, async () => {
      twist = { token: {}, device: { [member]: `${origin}/${pad.repeat(900_000 / Buffer.byteLength(pad))}` } };
      const { code, err } = await start(60).finished();
      expect([code, err]).toEqual([4, expect.stringContaining("the page for device codes")]);
      expect(err.length).toBeLessThan(1_000);
      expect(requests()).toBe(0);
    });
  }
}

for (const changes of cases(
  [{ expiresAt: 1e18 }, { expiresAt: -1e300 }, { loggedInAt: 1e18 }, { confirmedAt: 1e18 }],
  1,
)) {
  test(`a login stored with ${JSON.stringify(changes)}: no command stumbles over it`, async () => {
    twist = { token: {} };
    expect((await start(60).finished()).code).toBe(0);
    const vault = vaultOf(person);
    const record = loginRecord("default");
    const { z } = await import("zod");
    const login = await vault.read(record, z.looseObject({}));
    await vault.locked(record, () => vault.write(record, { ...login, ...changes }));
    await commandsWork();
  });
}

test("the end of a client's secret is a moment, or unknown: a stored registration can be read again", () => {
  const ends = [1e306, -1, "soon", 2_000_000_000].map((client_secret_expires_at) => {
    return registered.parse({ client_id: "c", client_secret: "s", client_secret_expires_at }).client_secret_expires_at;
  });
  expect(ends).toEqual([undefined, undefined, undefined, 2_000_000_000]);
});
