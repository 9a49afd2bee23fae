import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loginRecord } from "../../src/auth/credential.ts";
import { loginFile, storedLoginOf } from "../support/age.ts";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { Pty } from "../support/pty.ts";
import { sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";
import { unsigned } from "../support/token.ts";
import { sealCheaply } from "../support/vault-access.ts";

/** Threat: an export made by somebody else brings more than logins, logins that break a header, or another person's. */

const passphrase = "a passphrase for the way";
const stdin = `${passphrase}\n`;
const jwt = unsigned({ sub: "ada", exp: 1 });
const sandbox = await sharedSandbox();

const identity = { id: "1", name: "Ada", email: "ada@example.com" };
const common = () => ({ origin: sandbox.origin, identity, loggedInAt: Date.now() });
const sso = (cookies: Record<string, string> = { _oauth2_proxy: "AAAA|1700000000|BBBB" }) => ({
  ...common(),
  method: "sso",
  cookies,
});
const oidc = (accessToken = "opaque.token") => ({
  ...common(),
  method: "oidc",
  issuer: "https://sso.example.com",
  clientId: "codemie",
  scope: "openid",
  accessToken,
});
const key = (text = "sk-1") => ({ ...common(), identity: undefined, method: "api-key", provider: "openai", key: text });

async function importInto(to: Person, logins: Record<string, unknown>, profiles: unknown, flags: string[] = []) {
  const records = Object.entries(logins).map(([name, record]) => ({ name: loginRecord(name), record }));
  const file = join(to.root, "theirs.codemie");
  const plain = new TextEncoder().encode(JSON.stringify({ records, profiles }));
  writeFileSync(file, await sealCheaply(plain, passphrase, "codemie vault 1 export"));
  return await to.run(["vault", "import", file, "--passphrase-stdin", ...flags], { stdin });
}

const configOf = (person: Person) => person.config().profiles;

const harmless = {
  model: "m",
  haikuModel: "h",
  sonnetModel: "s",
  opusModel: "o",
  codeMieProject: "p",
  codeMieIntegration: { id: "i", alias: "a" },
  timeout: 60,
};
const hostile = {
  insecureSkipTlsVerify: true,
  gatewayPaths: ["* /v1/user"],
  jwtConfig: { tokenEnvVar: "GITHUB_TOKEN", token: jwt },
  apiKey: "sk-clear",
  hook: "evil",
};

test("of a profile's settings only the harmless ones come along; the others are named", async () => {
  const to = new Person();
  const oidcHere = { issuer: "https://evil.example", clientId: "x" };
  const { code, out, err } = await importInto(
    to,
    { a: sso(), b: oidc(), c: { ...common(), method: "jwt", token: jwt }, d: key() },
    {
      a: { ...harmless, ...hostile, provider: "openai", oidc: oidcHere },
      b: { ...hostile, oidc: oidcHere },
      c: hostile,
      d: { ...hostile, provider: "litellm", baseUrl: `${sandbox.origin}/api/v9` },
    },
    ["--json"],
  );
  expect({ code, all: JSON.parse(out).records.map((one: { outcome: string }) => one.outcome) }).toEqual({
    code: 0,
    all: ["imported", "imported", "imported", "imported"],
  });
  const at = { codeMieUrl: sandbox.origin, baseUrl: `${sandbox.origin}/code-assistant-api` };
  const { issuer, clientId, scope } = oidc();
  expect(configOf(to)).toEqual({
    a: { ...harmless, ...at, name: "a", provider: "ai-run-sso" },
    b: { ...at, name: "b", provider: "bearer-auth", oidc: { issuer, clientId, scope } },
    c: { ...at, name: "c", provider: "bearer-auth", authMethod: "jwt", jwtConfig: {} },
    d: { name: "d", provider: "openai", authMethod: "api-key", baseUrl: `${sandbox.origin}/api/v9` },
  });
  const [a] = JSON.parse(out).records;
  expect(a.leftOut.sort()).toEqual(
    [
      "apiKey",
      "gatewayPaths",
      "hook",
      "insecureSkipTlsVerify",
      "jwtConfig.token",
      "jwtConfig.tokenEnvVar",
      "oidc",
    ].sort(),
  );
  expect(err).toContain("warning: settings of profile a that were not imported: ");
  expect(err).toContain("insecureSkipTlsVerify");
  to.remove();
});

test("a login that could break a header, or is none, is left out", async () => {
  const to = new Person();
  const bad = {
    a: sso({ _oauth2_proxy: "x\r\nEvil: 1" }),
    b: sso({ _oauth2_proxy: "x; other=1" }),
    c: sso({ "_oauth2_proxy\n": "x" }),
    d: sso({ other: "x" }),
    e: sso({}),
    f: oidc("x\r\nEvil: 1"),
    g: { ...common(), method: "jwt", token: "x\r\nEvil: 1" },
    h: { ...common(), method: "jwt", token: ` ${jwt}` },
    h2: { ...common(), method: "jwt", token: unsigned({ sub: "ada", exp: 1e300 }) },
    h3: { ...common(), method: "jwt", token: unsigned({ sub: "ada", nbf: "soon" }) },
    h4: { ...common(), method: "jwt", token: jwt, loggedInAt: 1e300 },
    i: key("sk 1"),
    j: key(""),
  };
  const { code, out } = await importInto(to, bad, {}, ["--json"]);
  expect(code).toBe(0);
  const found = JSON.parse(out).records as { name: string; outcome: string }[];
  expect(found.map(({ outcome }) => outcome)).toEqual(Object.keys(bad).map(() => "unknown"));
  to.remove();
});

test("a bearer token comes along whatever its times: when it is used, they are judged", async () => {
  const to = new Person();
  const now = Math.floor(Date.now() / 1000);
  const token = (times: object) => ({ ...common(), method: "jwt", token: unsigned({ sub: "ada", ...times }) });
  const tokens = {
    now: token({ nbf: now - 60, iat: now - 60, exp: now + 3600 }),
    later: token({ nbf: now + 3600, exp: now + 7200 }),
    over: token({ nbf: now - 7200, exp: now - 3600 }),
  };
  const { out } = await importInto(to, tokens, {}, ["--json"]);
  const found = JSON.parse(out).records as { name: string; outcome: string }[];
  expect(found.map(({ outcome }) => outcome)).toEqual(["imported", "imported", "imported"]);
  const used = async (profile: string) => (await to.run(["token", "--profile", profile])).err.split("\n")[0];
  expect(await used("now")).toBe("");
  expect(await used("later")).toContain("not valid before");
  expect(await used("over")).toContain("expired at");
  to.remove();
});

ciTest("--replace does not take another person's login unasked", async () => {
  const to = new Person();
  await logIn(to, sandbox, "grace");
  const before = readFileSync(loginFile(to));
  const refused = await importInto(to, { default: sso() }, {}, ["--replace"]);
  expect(refused.code).toBe(4);
  expect(refused.out).toContain("left out: the login here is another person's (--yes imports the file's anyway)");
  expect(readFileSync(loginFile(to))).toEqual(before);

  const file = join(to.root, "theirs.codemie");
  for (const [answer, name] of [
    ["n", "Grace"],
    ["y", "Ada"],
  ] as const) {
    const pty = new Pty(to, ["vault", "import", file, "--replace", "--passphrase-command", `echo '${passphrase}'`]);
    await pty.shows(/belongs\s+to\s+Grace[\s\S]*with\s+Ada[\s\S]*\[y\/N\]/);
    pty.type(`${answer}\r`);
    expect(await pty.ended()).toBe(answer === "y" ? 0 : 4);
    expect(await storedLoginOf(to)).toMatchObject({ identity: { name } });
  }
  const yes = new Person();
  await logIn(yes, sandbox, "grace");
  expect((await importInto(yes, { default: sso() }, {}, ["--replace", "--yes"])).code).toBe(0);
  expect(await storedLoginOf(yes)).toMatchObject({ identity: { name: "Ada" } });
  yes.remove();
  to.remove();
});
