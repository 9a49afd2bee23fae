import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { faultOfIdToken } from "../../src/oauth/id-token.ts";
import { discoverProvider } from "../../src/oauth/provider.ts";
import { Person } from "../support/codemie.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: a provider, or somebody who answers in its place, passes off another login, or a weaker one. */

const sandbox = await sharedSandbox();
const provider = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
const origin = `http://127.0.0.1:${provider.port}`;
afterAll(() => provider.stop(true));
let redirect = "";
let nonce = "";
let person: Person;
/** what the provider does differently */
let twist: {
  metadata?: Record<string, unknown>;
  callback?: Record<string, string>;
  claims?: Record<string, unknown>;
  token?: () => Promise<string>;
  answer?: Record<string, unknown>;
} = {};
const keys = generateKeyPair("RS256", { extractable: true });
const others = generateKeyPair("RS256");

beforeEach(() => {
  twist = {};
  person = new Person();
});
afterEach(() => person.remove());

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/.well-known/openid-configuration") {
    return Response.json({
      issuer: origin,
      authorization_endpoint: `${origin}/auth`,
      token_endpoint: `${origin}/token`,
      jwks_uri: `${origin}/jwks`,
      code_challenge_methods_supported: ["S256"],
      ...twist.metadata,
    });
  }
  if (pathname === "/jwks") {
    return Response.json({ keys: [{ ...(await exportJWK((await keys).publicKey)), alg: "RS256", kid: "1" }] });
  }
  if (pathname === "/token") {
    const id_token = await (twist.token ?? idToken)();
    return Response.json({ access_token: "at", token_type: "Bearer", expires_in: 60, id_token, ...twist.answer });
  }
  return new Response("?", { status: 404 });
}

const endpoints = ["authorization_endpoint", "token_endpoint", "jwks_uri", "revocation_endpoint"];
const now = () => Math.floor(Date.now() / 1000);
/** Left half of the hash of an access token (OpenID Connect Core 1.0 section 3.1.3.6). */
const hashOf = (algorithm: string, token: string) => {
  const hash = createHash(algorithm).update(token).digest();
  return hash.subarray(0, hash.length / 2).toString("base64url");
};

async function idToken(key: CryptoKey | Uint8Array | undefined = undefined, alg = "RS256"): Promise<string> {
  const claims = { iss: origin, aud: "cli", sub: "ada", iat: now(), exp: now() + 60, nonce, ...twist.claims };
  return await new SignJWT(claims as JWTPayload)
    .setProtectedHeader({ alg, kid: "1" })
    .sign(key ?? (await keys).privateKey);
}

/** Logs in as far as the provider lets it; the browser's part is one request. */
async function attempt(): Promise<{ code: number; err: string }> {
  const flags = ["--url", sandbox.origin, "--issuer", origin, "--client-id", "cli", "--timeout", "5"];
  const login = person.start(["profile", "login", ...flags]);
  const said = await Promise.race([login.says(/http:\S+\/auth\?\S+/), login.finished()]);
  if (Array.isArray(said)) {
    const { searchParams } = new URL(said[0] ?? "");
    nonce = searchParams.get("nonce") ?? "";
    redirect = searchParams.get("redirect_uri") ?? "";
    expect(searchParams.get("code_challenge_method")).toBe("S256");
    const query = new URLSearchParams({ code: "c", state: searchParams.get("state") ?? "", ...twist.callback });
    await (await fetch(`${redirect}?${query}`)).text();
  }
  return await login.finished();
}

test("without a twist the tokens are taken, and the host is asked", async () => {
  const { code, err } = await attempt();
  expect(sandbox.record.length).toBeGreaterThan(0);
  expect({ code, says: err.includes("did not accept") }).toEqual({ code: 4, says: true });
  person.remove();
});

for (const claims of cases(
  [{ aud: ["cli", "account"] }, { aud: ["cli", "account"], azp: "cli" }, { aud: ["cli"] }],
  1,
)) {
  test(`an ID token with ${JSON.stringify(claims)} is for us`, async () => {
    twist = { claims };
    expect((await attempt()).err).toContain("did not accept"); // the host, which gets the access token next
  });
}

for (const tenant of cases(["common", "organizations"])) {
  test(`the issuer template of Microsoft Entra at /${tenant}: the hint names a tenant's own address`, async () => {
    const issuer = `https://login.microsoftonline.com/${tenant}/v2.0`;
    const metadata = {
      issuer: "https://login.microsoftonline.com/{tenantid}/v2.0",
      ...Object.fromEntries(endpoints.map((name) => [name, `https://login.microsoftonline.com/${tenant}/${name}`])),
    };
    expect(await discoverProvider(issuer, async () => Response.json(metadata))).toEqual({
      unusable: "it serves every tenant, and each is an issuer of its own",
      hint: "give the address of your own tenant: --issuer https://login.microsoftonline.com/TENANT-ID/v2.0",
    });
    twist = { metadata: { issuer: `${origin}/{tenantid}/v2.0` } };
    expect((await attempt()).err).toContain(
      `hint: give the address of your own tenant: --issuer ${origin}/TENANT-ID/v2.0`,
    );
  });
}

test("metadata that names another issuer of the same origin: the hint names it", async () => {
  twist = { metadata: { issuer: `${origin}/realms/one` } };
  const { code, err } = await attempt();
  expect(code).toBe(1);
  expect(err).toContain("names another issuer");
  expect(err).toContain(`hint: it calls itself ${origin}/realms/one; if you trust that one, give it with --issuer`);
});

for (const [alg, hash] of cases([
  ["RS256", "sha256"],
  ["PS384", "sha384"],
  ["ES512", "sha512"],
  ["Ed25519", "sha512"],
] as const)) {
  test(`${alg}: the right hash of the access token is accepted, another is not`, async () => {
    const pair = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await exportJWK(pair.publicKey)), alg, kid: "1" };
    const expected = { issuer: origin, jwksUri: new URL(`${origin}/jwks`), clientId: "cli", nonce: undefined };
    const judged = async (accessToken: string) => {
      twist = { claims: { at_hash: hashOf(hash, "at"), iat: now() + 30, sub: "a".repeat(255) } };
      const token = await idToken(pair.privateKey, alg);
      return await faultOfIdToken(token, { ...expected, accessToken }, async () => Response.json({ keys: [jwk] }));
    };
    expect(await judged("at")).toBeUndefined();
    expect(await judged("other")).toContain("at_hash");
  });
}

for (const address of cases(
  [
    "http://127.0.0.1:8080/x",
    "http://localhost:8080/x",
    "https://127.0.0.1/x",
    "https://localhost./x",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://169.254.169.254/x",
    "https://0.0.0.0/x",
    "http://sso.example.com/x",
    "https://user:secret@sso.example.com/x",
    "file:///etc/passwd",
  ],
  3,
)) {
  test(`an issuer on the network may not name ${address}`, async () => {
    const issuer = "https://sso.example.com";
    const metadata = {
      issuer,
      ...Object.fromEntries(endpoints.map((name) => [name, `https://other.example.com/${name}`])),
    };
    const found = (changes: object) => discoverProvider(issuer, async () => Response.json({ ...metadata, ...changes }));
    expect(await found({})).toHaveProperty("metadata");
    for (const name of [...endpoints, "device_authorization_endpoint"]) {
      expect(await found({ [name]: address })).toEqual({ unusable: expect.stringContaining("no usable metadata") });
    }
  });
}

const alien = "https://evil.example";
const twists: [string, () => typeof twist, string][] = [
  ["metadata of another issuer", () => ({ metadata: { issuer: alien } }), "names another issuer"],
  ["no PKCE with S256", () => ({ metadata: { code_challenge_methods_supported: ["plain"] } }), "PKCE"],
  [
    "a token endpoint in clear",
    () => ({ metadata: { token_endpoint: "http://h.example/token" } }),
    "no usable metadata",
  ],
  ["an answer of another issuer", () => ({ callback: { iss: alien } }), "another issuer"],
  [
    "a promised iss that is missing",
    () => ({ metadata: { authorization_response_iss_parameter_supported: true } }),
    "another issuer",
  ],
  ["no code", () => ({ callback: { code: "" } }), "without a code"],
  ["an error with escape codes", () => ({ callback: { error: "x\u001b[2J\nerror: forged" } }), "refused: x�[2J error"],
  ["no ID token", () => ({ answer: { id_token: undefined } }), "the provider sent none"],
  ["another nonce", () => ({ claims: { nonce: "other" } }), "nonce"],
  ["no nonce", () => ({ claims: { nonce: undefined } }), "nonce"],
  ["another audience", () => ({ claims: { aud: "other" } }), "aud"],
  ["two audiences, none of them ours", () => ({ claims: { aud: ["one", "other"] } }), "aud"],
  ["two audiences and another azp", () => ({ claims: { aud: ["cli", "other"], azp: "other" } }), "another client"],
  [
    "two audiences of another issuer without azp",
    () => ({ claims: { aud: ["cli", "other"], iss: alien } }),
    '"iss" claim',
  ],
  ["another azp", () => ({ claims: { azp: "other" } }), "another client"],
  ["another issuer in the ID token", () => ({ claims: { iss: alien } }), "iss"],
  ["an expired ID token", () => ({ claims: { exp: 1_000_000_000 } }), "exp"],
  ["an ID token issued in an hour", () => ({ claims: { iat: now() + 3600 } }), "its iat is in the future"],
  ["an ID token issued in two minutes", () => ({ claims: { iat: now() + 120 } }), "its iat is in the future"],
  ["an issue time that is no number", () => ({ claims: { iat: "soon" } }), "iat"],
  ["a subject that is a number", () => ({ claims: { sub: 7 } }), "its sub is not"],
  ["a subject that is a list", () => ({ claims: { sub: ["ada"] } }), "its sub is not"],
  ["an empty subject", () => ({ claims: { sub: "" } }), "its sub is not"],
  ["a subject of 256 characters", () => ({ claims: { sub: "a".repeat(256) } }), "its sub is not"],
  ["a subject beyond ASCII", () => ({ claims: { sub: "ad\u0430" } }), "its sub is not"],
  ["a subject with a line feed", () => ({ claims: { sub: "ada\n" } }), "its sub is not"],
  [
    "the hash of another access token",
    () => ({ claims: { at_hash: hashOf("sha256", "other") } }),
    "its at_hash belongs",
  ],
  ["the hash by another algorithm", () => ({ claims: { at_hash: hashOf("sha512", "at") } }), "its at_hash belongs"],
  ["a hash that is no text", () => ({ claims: { at_hash: null } }), "its at_hash belongs"],
  ["an empty hash", () => ({ claims: { at_hash: "" } }), "its at_hash belongs"],
  ["another key", () => ({ token: async () => idToken((await others).privateKey) }), "signature"],
  [
    "a shared secret as key",
    () => ({ token: async () => idToken(new TextEncoder().encode("s".repeat(32)), "HS256") }),
    "alg",
  ],
  [
    "no signature",
    () => ({
      token: async () => {
        const [, claims] = (await idToken()).split(".");
        return `${Buffer.from('{"alg":"none"}').toString("base64url")}.${claims}.`;
      },
    }),
    "ID token",
  ],
  ["a token that breaks headers", () => ({ answer: { access_token: "a\r\nx: y" } }), "cannot be used"],
  ["a token of another type", () => ({ answer: { token_type: "DPoP" } }), "cannot be used"],
];
for (const [what, make, says] of cases(twists, 8)) {
  test(`${what}: refused, nothing stored, the host never asked with it`, async () => {
    twist = make();
    const { code, err } = await attempt();
    expect([1, 4]).toContain(code);
    expect(err).toContain("error: ");
    expect(err).toContain(says);
    expect(err).not.toContain("\u001b");
    expect(sandbox.record.filter(({ path }) => path.endsWith("/v1/user"))).toEqual([]);
    expect((await person.run(["profile"])).out).toContain("no profiles yet");
    person.remove();
  });
}
