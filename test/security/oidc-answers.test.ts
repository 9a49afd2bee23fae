import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { Person } from "../support/codemie.ts";
import { sharedSandbox } from "../support/shared.ts";

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
  claims?: JWTPayload;
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

async function idToken(key: CryptoKey | Uint8Array | undefined = undefined, alg = "RS256"): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return await new SignJWT({ iss: origin, aud: "cli", sub: "ada", iat: now, exp: now + 60, nonce, ...twist.claims })
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
  ["two audiences without azp", () => ({ claims: { aud: ["cli", "other"] } }), "another client"],
  ["another azp", () => ({ claims: { azp: "other" } }), "another client"],
  ["another issuer in the ID token", () => ({ claims: { iss: alien } }), "iss"],
  ["an expired ID token", () => ({ claims: { exp: 1_000_000_000 } }), "exp"],
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
for (const [what, make, says] of twists) {
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
