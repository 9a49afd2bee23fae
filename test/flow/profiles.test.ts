import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { Pty } from "../support/pty.ts";
import { ownProvider, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** Profiles and configuration: named, changed, moved, read as the existing CLI wrote them; nothing is ever lost. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

const config = () => person.config();
const active = async () => JSON.parse((await person.run(["profile", "status", "--json"])).out).profile;

test("use (and switch) make another profile the active one, rename takes the login along, delete removes both", async () => {
  await logIn(person, sandbox, "ada", ["--profile", "one"]);
  await logIn(person, sandbox, "grace", ["--profile", "two"]);
  expect(await active()).toBe("two");
  expect(await person.run(["profile", "use", "one"])).toMatchObject({
    code: 0,
    out: "✓ one is now the active profile\n",
  });
  expect((await person.run(["profile", "switch", "two"])).code).toBe(0);
  expect(await active()).toBe("two");
  expect((await person.run(["profile", "rename", "two", "main"])).out).toBe("✓ profile two is now main\n");
  const status = JSON.parse((await person.run(["profile", "status", "--json"])).out);
  expect(status).toMatchObject({ profile: "main", authenticated: true, user: { name: "Grace" } });
  const asked = await person.run(["profile", "delete", "main"]);
  expect([asked.code, asked.err]).toEqual([
    2,
    "error: cannot ask whether to delete the profile: there is no terminal\nhint: add --yes\n",
  ]);
  expect((await person.run(["profile", "delete", "main", "--yes"])).out).toBe(
    "✓ profile main is deleted; one is the active one\n",
  );
  expect(await active()).toBe("one");
  // the login went with it, here and at the host
  expect(readdirSync(join(person.codemieHome, "vault")).filter((name) => name.endsWith(".json")).length).toBe(3);
  expect(sandbox.record.some(({ path }) => path === "/oauth2/sign_out")).toBe(true);
  for (const [args, code] of [
    [["profile", "use", "main"], 2],
    [["profile", "use"], 2],
    [["profile", "rename", "one", "-x"], 2],
    [["profile", "rename", "one", "one"], 2],
    [["profile", "delete", "nobody", "--yes"], 2],
  ] as const) {
    expect((await person.run([...args])).code).toBe(code);
  }
  const events = JSON.parse((await person.run(["audit", "list", "--event", "config-changed", "--json"])).out);
  expect(events.map(({ detail }: { detail: { what: string } }) => detail.what)).toContain("rename");
});

test("a person at the terminal is asked before a profile is deleted", async () => {
  await logIn(person, sandbox);
  const pty = new Pty(person, ["profile", "delete", "default"]);
  await pty.shows(/delete profile default and its login\?/);
  pty.type("n\r");
  expect(await pty.ended()).toBe(1);
  expect(await active()).toBe("default");
});

test("show tells what a profile holds and no secret", async () => {
  person.writeConfig({
    version: 2,
    activeProfile: "lite",
    profiles: {
      lite: { provider: "litellm", baseUrl: "https://llm.example.com/v1", apiKey: "sk-in-clear", hooks: { a: 1 } },
    },
  });
  const { out } = await person.run(["profile", "show"]);
  expect(out).toContain("lite (active): api-key at https://llm.example.com");
  expect(out).toContain("hooks.a");
  expect(out).toContain("[redacted]");
  const json = await person.run(["profile", "show", "--json"]);
  expect(out + json.out).not.toContain("sk-in-clear");
});

test("settings: listed with their sources, read, set, removed, in the order of precedence", async () => {
  await logIn(person, sandbox);
  expect((await person.run(["config", "set", "model", "gpt-5.2"])).out).toBe(
    "✓ model of profile default is now gpt-5.2\n",
  );
  await person.run(["config", "set", "timeout", "600"]);
  expect((await person.run(["config", "get", "model"])).out).toBe("gpt-5.2\n");
  mkdirSync(join(person.cwd, ".codemie"));
  writeFileSync(
    join(person.cwd, ".codemie/codemie-cli.config.json"),
    JSON.stringify({ model: "from-repository", codeMieProject: "repo", timeout: 1 }),
  );
  const list = async (env = {}) =>
    JSON.parse((await person.run(["config", "list", "--sources", "--json"], { env })).out);
  expect(await list()).toMatchObject({
    profile: { value: "default", source: "profile" },
    url: { value: sandbox.origin, source: "profile" },
    model: { value: "from-repository", source: "repository" },
    codeMieProject: { value: "repo", source: "repository" },
    timeout: { value: 600, source: "profile" },
    haikuModel: { value: null, source: "default" },
  });
  expect(await list({ CODEMIE_MODEL: "from-env", CODEMIE_URL: sandbox.origin })).toMatchObject({
    url: { source: "environment" },
    model: { value: "from-env", source: "environment" },
  });
  expect((await person.run(["config", "set", "project", "demo"])).out).toContain("codeMieProject of profile");
  expect(config().profiles.default.codeMieProject).toBe("demo");
  expect((await person.run(["config", "unset", "project"])).code).toBe(0);
  expect((await person.run(["config", "unset", "model"])).code).toBe(0);
  expect(config().profiles.default.model).toBeUndefined();
  expect((await person.run(["config", "path"])).out).toBe(`${person.configFile}\n`);
  for (const [args, hint] of [
    [["config", "set", "modle", "x"], "did you mean model"],
    [["config", "set", "timeout", "soon"], "timeout: seconds a request may wait"],
    [["config", "set", "model"], "see codemie config set --help"],
    [["config", "get", "nothing"], "settings: url, model"],
  ] as const) {
    const { code, err } = await person.run([...args]);
    expect([code, err.includes(`hint: ${hint}`)]).toEqual([2, true]);
  }
});

ciTest(
  "a model or project that the host does not list is warned of, with the nearest; no login, no warning",
  async () => {
    await logIn(person, sandbox);
    sandbox.settings.applications = ["team-alpha", "team-beta", "other"];
    for (const [key, value, says] of [
      [
        "model",
        "claude-sonet-4-6",
        "not one of this account's models; the nearest are claude-sonnet-4-6, claude-haiku-4-5",
      ],
      ["haikuModel", "haiku-9", "not one of this account's models; the nearest are claude-haiku-4-5"],
      ["opusModel", "zzzzz", "not one of this account's models (see codemie models)\n"],
      ["project", "team-alfa", "not one of your projects; the nearest are team-alpha, team-beta"],
    ] as const) {
      const { code, err } = await person.run(["config", "set", key, value]);
      expect([code, err]).toEqual([0, expect.stringContaining(`warning: ${value} is ${says}`)]);
    }
    for (const [key, value] of [
      ["model", "claude-sonnet-4-6"],
      ["model", "opus"],
      ["project", "team-beta"],
      ["timeout", "5"],
    ] as const)
      expect((await person.run(["config", "set", key, value])).err).toBe("");
    sandbox.settings.list = { status: 503, body: "{}" };
    expect(await person.run(["config", "set", "model", "nobody-knows"])).toMatchObject({
      code: 0,
      err: expect.stringContaining("nobody-knows is one of this account's models could not be checked: "),
    });
    await person.run(["profile", "logout"]);
    expect(await person.run(["config", "set", "project", "nobody-knows"])).toMatchObject({ code: 0, err: "" });
  },
);

ciTest("config set url: another host, what was the former one's goes, the login stays with its own", async () => {
  await logIn(person, sandbox);
  person.editConfig(({ profiles }) =>
    Object.assign(profiles.default, { insecureSkipTlsVerify: true, model: "m", mine: 1 }),
  );
  for (const name of ["url", "codeMieUrl"]) {
    const same = await person.run(["config", "set", name, `${sandbox.origin}/code-assistant-api`]);
    expect(same.out).toStartWith(`✓ url of profile default is now ${sandbox.origin}\n`);
  }
  expect(person.config().profiles.default).toMatchObject({ model: "m", insecureSkipTlsVerify: true });
  const { out } = await person.run(["config", "set", "url", "other.example.com"]);
  expect(out).toContain("url of profile default is now https://other.example.com\n");
  expect(out).toContain("no longer set, since the other host gave it a meaning: model, insecureSkipTlsVerify");
  expect(person.config().profiles.default).toEqual({
    name: "default",
    provider: "ai-run-sso",
    mine: 1,
    codeMieUrl: "https://other.example.com",
    baseUrl: "https://other.example.com/code-assistant-api",
  });
  expect((await person.run(["config", "get", "url"])).out).toBe("https://other.example.com\n");
  sandbox.record.length = 0;
  expect([(await person.run(["models"])).code, sandbox.record.length]).toEqual([4, 0]);
  expect((await person.run(["config", "set", "url", "http://other.example.com"])).code).toBe(2);
  const unset = await person.run(["config", "unset", "url"]);
  expect([unset.code, unset.err]).toEqual([2, expect.stringContaining("error: profile default needs its host")]);
  await person.run(["config", "set", "url", sandbox.origin]);
  expect((await person.run(["profile", "status"])).code).toBe(0);
});

ciTest("a file that is wrong is named by line and member, and never overwritten", async () => {
  for (const [text, says] of [
    ['{\n "version": 2,\n "profiles": {\n', "line 4: close brace expected"],
    ['{\n "version": 2,\n "profiles": { "a": {\n  "timeout": "long" } } }', "line 4, profiles.a.timeout: "],
    ['{\n "version": 2,\n "profiles": { "a": {\n  "timeout": 3000000 } } }', "line 4, profiles.a.timeout: "],
    ['{\n "version": 3 }', "line 2, version: "],
    ["[]", "line 1, the file: "],
  ] as const) {
    person.writeConfig(text);
    for (const args of [["profile"], ["config", "set", "model", "x"], ["profile", "login", "--url", sandbox.origin]]) {
      const { code, err } = await person.run(args);
      expect([code, err.includes(says), err]).toEqual([1, true, err]);
    }
    expect(readFileSync(person.configFile, "utf8")).toBe(text);
  }
  const reset = await person.run(["config", "reset", "--yes", "--json"]);
  expect(reset.code).toBe(0);
  expect(readFileSync(JSON.parse(reset.out).backup, "utf8")).toBe("[]");
  expect((await person.run(["profile", "--json"])).out).toBe("[]\n");
});

test("reset asks, backs up, and removes the logins where it was told to", async () => {
  await logIn(person, sandbox);
  expect((await person.run(["config", "reset"])).code).toBe(2);
  const pty = new Pty(person, ["config", "reset"]);
  await pty.shows(/move the configuration aside and start anew\?/);
  pty.type("y\r");
  await pty.shows(/remove the logins of all profiles as well\?/);
  pty.type("y\r");
  await pty.shows(/logged out: default/);
  expect(await pty.ended()).toBe(0);
  expect((await person.run(["profile", "--json"])).out).toBe("[]\n");
  expect(sandbox.record.some(({ path }) => path === "/oauth2/sign_out")).toBe(true);
});

test("the existing CLI's files are read as they are; at the first write their secrets move to the vault, and that is said", async () => {
  const provider = await ownProvider("litellm");
  const token = await sandbox.front.mintToken("ci");
  const before = {
    version: 2,
    activeProfile: "lite",
    userEmail: "ada@example.com",
    profiles: {
      lite: {
        name: "lite",
        provider: "litellm",
        baseUrl: provider.api,
        apiKey: provider.key,
        timeout: 0,
        allowedDirs: [],
      },
      sso: { provider: "ai-run-sso", codeMieUrl: sandbox.origin, apiKey: "sso-provided" },
      jwt: {
        provider: "bearer-auth",
        authMethod: "jwt",
        codeMieUrl: sandbox.origin,
        jwtConfig: { token, tokenEnvVar: "CODEMIE_JWT_TOKEN" },
      },
      aws: { provider: "bedrock", awsProfile: "p", awsSecretAccessKey: "aws-secret-in-clear" },
    },
  };
  person.writeConfig(before);
  // used before anything is written
  expect((await person.run(["models"])).code).toBe(0);
  expect(config()).toEqual(before);
  const first = await person.run(["config", "set", "model", "gpt-5.2", "--profile", "lite"]);
  expect([first.code, first.err]).toEqual([
    0,
    "note: secrets of lite, jwt, aws moved from the configuration file to the vault\n",
  ]);
  const text = readFileSync(person.configFile, "utf8");
  for (const secret of [provider.key, token, "aws-secret-in-clear"]) expect(text).not.toContain(secret);
  expect(config()).toMatchObject({
    userEmail: "ada@example.com",
    profiles: {
      lite: { timeout: 0, allowedDirs: [], model: "gpt-5.2" },
      sso: { apiKey: "sso-provided" },
      aws: { awsProfile: "p" },
    },
  });
  expect((await person.run(["models"])).code).toBe(0);
  expect((await person.run(["token", "--profile", "jwt"])).out).toBe(`${token}\n`);
  const second = await person.run(["config", "set", "timeout", "5", "--profile", "lite"]);
  expect(second.err).toBe("");
  expect(statSync(person.configFile).mode & 0o777).toBe(0o600);
});

test("the flat first format is a profile named default", async () => {
  const provider = await ownProvider("litellm");
  person.writeConfig({ provider: "litellm", baseUrl: provider.api, apiKey: provider.key, model: "gpt-5.2" });
  expect(JSON.parse((await person.run(["profile", "--json"])).out)).toMatchObject([
    { name: "default", active: true, url: provider.origin, method: "api-key", model: "gpt-5.2" },
  ]);
  expect((await person.run(["models"])).code).toBe(0);
  await person.run(["config", "set", "timeout", "1"]);
  expect(config()).toMatchObject({ version: 2, activeProfile: "default", profiles: { default: { timeout: 1 } } });
});

test("a vault that cannot take the secrets leaves them where they are", async () => {
  person.writeConfig({
    version: 2,
    profiles: { lite: { provider: "litellm", baseUrl: "https://x.example/v1", apiKey: "sk-stays" } },
  });
  writeFileSync(join(person.codemieHome, "vault"), "in the way");
  const { code } = await person.run(["config", "set", "model", "m"]);
  expect(code).toBe(6);
  expect(config().profiles.lite.apiKey).toBe("sk-stays");
});

test("two commands at once both have their effect", async () => {
  await logIn(person, sandbox);
  const names = Array.from({ length: 12 }, (_, i) => `p${i}`);
  await Promise.all(
    names.map((name) => person.run(["setup", "--method", "jwt", "--url", sandbox.origin, "--profile", name, "--yes"])),
  );
  expect(Object.keys(config().profiles).sort()).toEqual(["default", ...names].sort());
});

test("of two profiles at one host the hint names the one that is meant, which need not be the active one", async () => {
  await logIn(person, sandbox, "ada");
  await logIn(person, sandbox, "grace", ["--profile", "second"]);
  await person.run(["profile", "logout", "--profile", "default"]);
  for (const command of [["status"], ["refresh"], ["refresh", "--force"]]) {
    const { code, err } = await person.run(["profile", ...command, "--profile", "default"]);
    expect([code, err]).toEqual([4, expect.stringContaining("hint: run codemie profile login --profile default\n")]);
  }
  expect(await active()).toBe("second");
});
