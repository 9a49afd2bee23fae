import { afterEach, beforeEach, expect, onTestFinished, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportJWK, exportPKCS8, generateKeyPair } from "jose";
import type { BrowserContext } from "playwright-core";
import { ageLogin } from "../support/age.ts";
import { passLoginPages } from "../support/browser.ts";
import { Person } from "../support/codemie.ts";
import { loopbackRedirects } from "../support/sandbox/identity.ts";
import { startScriptedProvider } from "../support/scripted-provider.ts";
import { sharedBrowser, sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Clients that prove themselves at an OpenID provider, and providers that want requests handed to them: the real one. */

const secret = "s3cret/with+signs=and:colons %41";
const keys = await generateKeyPair("ES256", { extractable: true });
const jwk = { ...(await exportJWK(keys.publicKey)), alg: "ES256", use: "sig", kid: "1" };
const common = {
  application_type: "native",
  redirect_uris: loopbackRedirects,
  grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
  response_types: ["code"],
};
const sandbox = await sharedSandbox({}, [
  { ...common, client_id: "with secret", client_secret: secret },
  { ...common, client_id: "keyed", token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [jwk] } },
]);
const browser = await sharedBrowser();
let context: BrowserContext;
let person: Person;
let keyFile: string;
beforeEach(async () => {
  person = new Person();
  context = await browser.newContext();
  keyFile = join(person.root, "client.pem");
  writeFileSync(keyFile, await exportPKCS8(keys.privateKey), { mode: 0o600 });
});
afterEach(async () => {
  person.remove();
  await context.close();
});

const env = { TEAM_SECRET: secret };

/** Logs in through the pages. @returns how it ended, and what else the browser's program saw of the environment */
async function logIn(client: string, flags: readonly string[], environment: Record<string, string> = {}) {
  const at = ["--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", client];
  const login = person.start(["profile", "login", ...at, ...flags], { env: environment });
  const [url] = await login.says(/http:\S+\/auth\?\S+/);
  await context.clearCookies(); // else the provider remembers the person
  const page = await context.newPage();
  await page.goto(url);
  await passLoginPages(page, "ada");
  return { url, ...(await login.finished()) };
}

/** The end of the tokens has come: what is done next renews them. */
async function renewing(environment: Record<string, string> = {}) {
  await ageLogin(person);
  return await person.run(["token"], { env: environment });
}

const config = () => JSON.parse(readFileSync(join(person.codemieHome, "codemie-cli.config.json"), "utf8"));

test("a client with a secret in a variable: login, renewal and logout; without the variable, words that name it", async () => {
  const { code, out } = await logIn("with secret", ["--client-secret-env", "TEAM_SECRET"], env);
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("as Ada") });
  expect((await renewing(env)).code).toBe(0);
  const without = await renewing();
  expect(without).toMatchObject({ code: 4, out: "" });
  expect(without.err).toContain("the variable TEAM_SECRET is missing or empty");
  expect(without.err).toContain("--keep-client-secret");
  expect(config().profiles.default.oidc).toMatchObject({ clientSecretEnv: "TEAM_SECRET" });
  expect(JSON.stringify(config())).not.toContain("s3cret");
  const logout = await person.run(["profile", "logout", "--json"], { env });
  expect(JSON.parse(logout.out)[0]).toMatchObject({ removed: true, endedAtHost: true });
});

ciTest("a client's secret that is kept: renewals without the variable, and a new login too", async () => {
  const flags = ["--client-secret-env", "TEAM_SECRET", "--keep-client-secret"];
  expect((await logIn("with secret", flags, env)).code).toBe(0);
  expect((await renewing()).code).toBe(0);
  expect((await logIn("with secret", [])).code).toBe(0);
  expect((await renewing()).code).toBe(0);
});

ciTest("a client with a key in a file: login and renewal; kept, it needs the file no more", async () => {
  expect((await logIn("keyed", ["--client-key", keyFile])).code).toBe(0);
  expect((await renewing()).code).toBe(0);
  expect((await logIn("keyed", ["--client-key", keyFile, "--keep-client-secret"])).code).toBe(0);
  rmSync(keyFile);
  expect((await renewing()).code).toBe(0);
});

ciTest("a device code for a client with a secret", async () => {
  const at = ["--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", "with secret", "--device"];
  const login = person.start(["profile", "login", ...at, "--client-secret-env", "TEAM_SECRET"], { env });
  const [, address = ""] = await login.says(/^\s*(http:\S+\/device\S*)$/m);
  const page = await context.newPage();
  await page.goto(address);
  await page.click('button[type="submit"]');
  await passLoginPages(page, "ada");
  expect((await login.finished()).code).toBe(0);
});

ciTest("set-up takes the same flags", async () => {
  const at = ["--method", "oidc", "--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", "with secret"];
  const setup = person.start(["setup", ...at, "--client-secret-env", "TEAM_SECRET", "--yes"], { env });
  const [url] = await setup.says(/http:\S+\/auth\?\S+/);
  const page = await context.newPage();
  await page.goto(url);
  await passLoginPages(page, "ada");
  expect((await setup.finished()).code).toBe(0);
  expect(config().profiles.default ?? Object.values(config().profiles)[0]).toMatchObject({
    oidc: { clientSecretEnv: "TEAM_SECRET" },
  });
  expect((await renewing(env)).code).toBe(0);
});

ciTest("a secret goes to the provider and client that it was given for: another client id gets none", async () => {
  expect((await logIn("with secret", ["--client-secret-env", "TEAM_SECRET", "--keep-client-secret"], env)).code).toBe(
    0,
  );
  const at = ["--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", "codemie-cli"];
  const login = person.start(["profile", "login", ...at], { env });
  const [url] = await login.says(/http:\S+\/auth\?\S+/);
  const page = await context.newPage();
  await page.goto(url);
  await page.click('form button:has-text("Continue")');
  expect((await login.finished()).code).toBe(0);
  expect(config().profiles.default.oidc).toEqual({
    issuer: sandbox.issuer,
    clientId: "codemie-cli",
    scope: expect.any(String),
  });
});

test("a key file that a profile names by a relative path is not read: it would be the repository's", async () => {
  writeFileSync(join(person.cwd, "client.pem"), readFileSync(keyFile));
  const oidc = { issuer: sandbox.issuer, clientId: "keyed", scope: "openid", clientKeyFile: "client.pem" };
  const profile = { name: "default", provider: "bearer-auth", codeMieUrl: sandbox.origin, oidc };
  person.writeConfig({ version: 2, activeProfile: "default", profiles: { default: profile } });
  const { code, err } = await person.run(["profile", "login"]);
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("the current directory would decide") });
});

test("the browser does not see the variable", async () => {
  const program = join(person.root, "browser");
  writeFileSync(program, `#!/bin/sh\nenv > ${join(person.root, "seen")}\n`);
  chmodSync(program, 0o755);
  const at = ["--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", "with secret"];
  const login = person.start(["profile", "login", ...at, "--client-secret-env", "TEAM_SECRET"], {
    env: { ...env, CODEMIE_BROWSER: program },
  });
  await login.says(/waiting for the login/);
  while (!existsSync(join(person.root, "seen")) || !readFileSync(join(person.root, "seen"), "utf8").includes("HOME="))
    await Bun.sleep(20);
  login.kill("SIGINT");
  await login.finished();
  expect(readFileSync(join(person.root, "seen"), "utf8")).not.toContain("s3cret");
});

for (const [what, flags, message] of cases([
  ["a secret and a key", ["--client-secret-env", "TEAM_SECRET", "--client-key", "x"], "not with both"],
  ["a secret in place of a name", ["--client-secret-env", "s3cret/with+signs"], "takes the name of a variable"],
  ["nothing to keep", ["--keep-client-secret"], "has no secret or key to keep"],
  ["a variable that is not set", ["--client-secret-env", "NOT_SET"], "the variable NOT_SET is missing or empty"],
  ["a file that is not there", ["--client-key", "/nonexistent/key"], "the file /nonexistent/key is missing or empty"],
] as const)) {
  test(`${what}: an error before anything is asked`, async () => {
    const at = ["--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", "with secret"];
    const { code, err } = await person.run(["profile", "login", ...at, ...flags], { env });
    expect([2, 4]).toContain(code);
    expect(err).toContain(message);
    expect(err).not.toContain("s3cret");
    expect(sandbox.identityRequests).toEqual([]);
  });
}

test("a provider that demands pushed requests: the address for the browser holds a reference and no more", async () => {
  const provider = await startScriptedProvider();
  onTestFinished(() => provider.stop());
  provider.metadata = {
    require_pushed_authorization_requests: true,
    pushed_authorization_request_endpoint: `${provider.origin}/par`,
    // A query of the endpoint's own stays, and takes nothing out of the request.
    authorization_endpoint: `${provider.origin}/auth?tenant=t&state=theirs&code_challenge=theirs`,
  };
  const pushed = Promise.withResolvers<URLSearchParams>();
  provider.answer = (path, form) => {
    if (path !== "/par") return undefined;
    pushed.resolve(form);
    return Response.json({ request_uri: "urn:example:1", expires_in: 60 }, { status: 201 });
  };
  const at = ["--url", provider.origin, "--issuer", provider.origin, "--client-id", "cli"];
  const login = person.start(["profile", "login", ...at, "--client-secret-env", "TEAM_SECRET"], { env });
  const [address] = await login.says(/http:\S+\/auth\?\S+/);
  expect(Object.fromEntries(new URL(address).searchParams)).toEqual({
    ...{ tenant: "t", state: "theirs", code_challenge: "theirs" },
    ...{ client_id: "cli", request_uri: "urn:example:1" },
  });
  const form = await pushed.promise;
  expect([form.get("tenant"), form.get("state"), form.get("code_challenge")]).toEqual([
    ...[null, expect.stringMatching(/^[\w-]{20,}$/), expect.stringMatching(/^[\w-]{43}$/)],
  ]);
  expect(form.get("code_challenge_method")).toBe("S256");
  expect(form.get("redirect_uri")).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/);
  login.kill("SIGINT");
  await login.finished();

  provider.answer = (path) =>
    path === "/par" ? Response.json({ error: "invalid_request" }, { status: 400 }) : undefined;
  const { code, err } = await person.run(["profile", "login", ...at], { env });
  expect({ code, err }).toEqual({ code: 4, err: expect.stringContaining("refused: invalid_request") });
});

for (const [what, metadata] of cases(
  [
    ["and names no endpoint", {}],
    ["at an address that is none", { pushed_authorization_request_endpoint: "ftp://example.com/par" }],
  ] as const,
  1,
)) {
  test(`a provider that demands pushed requests ${what}: an error, and no browser`, async () => {
    const provider = await startScriptedProvider();
    onTestFinished(() => provider.stop());
    provider.metadata = { require_pushed_authorization_requests: true, ...metadata };
    const at = ["--url", provider.origin, "--issuer", provider.origin, "--client-id", "cli"];
    const { code, err } = await person.run(["profile", "login", ...at]);
    expect(code).not.toBe(0);
    expect(err).toContain("error: ");
    expect(err).not.toContain("open this address");
  });
}
