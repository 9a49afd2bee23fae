import { afterEach, beforeEach, expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { startGateway } from "../support/gateway.ts";
import { logIn } from "../support/login.ts";
import { Pty } from "../support/pty.ts";
import { sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** What this shell's environment gives is named; no hint sends a person to a flag or a browser that is not there. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

const doctor = async (env: Record<string, string>) => {
  const { out } = await person.run(["doctor", "--json"], { env });
  return (id: string) => JSON.parse(out).checks.find((one: { id: string }) => one.id === id);
};

ciTest("a token of the environment that is bad, expired or refused: the variable is named", async () => {
  await logIn(person, sandbox);
  const expired = await sandbox.front.mintToken("ci", -120);
  const refused = `${(await sandbox.front.mintToken("ci")).split(".").slice(0, 2).join(".")}.c2lnbmF0dXJl`;
  for (const [token, says] of [
    ["nonsense", "cannot be used"],
    [expired, "expired at"],
    [refused, "did not accept the bearer token"],
  ] as const) {
    const file = `${person.root}/token`;
    await Bun.write(file, token);
    for (const env of [{ CODEMIE_JWT_TOKEN: token }, { CODEMIE_JWT_TOKEN_FILE: file }] as Record<string, string>[]) {
      const [variable = ""] = Object.keys(env);
      for (const command of [["profile", "status"], ["models"]]) {
        const { code, out, err } = await person.run(command, { env });
        expect({ code, says: err.includes(says), names: err.includes(`${variable} in this shell`) }).toEqual({
          code: 4,
          says: true,
          names: true,
        });
        if (command[1] === "status") expect(out).toMatch(new RegExp(`with +a bearer token from ${variable} in`));
      }
      expect(JSON.stringify((await doctor(env))(says.includes("accept") ? "api" : "credential"))).toContain(variable);
    }
  }
});

test("a good token of the environment is named too, by status and doctor", async () => {
  await logIn(person, sandbox);
  const env = { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") };
  const { code, out } = await person.run(["profile", "status"], { env });
  expect({ code, names: out.includes("from CODEMIE_JWT_TOKEN in this shell's environment") }).toEqual({
    code: 0,
    names: true,
  });
  expect((await doctor(env))("credential").message).toContain("from CODEMIE_JWT_TOKEN in this shell's environment");
});

ciTest("a CODEMIE_PROFILE that names no profile is named, by commands and doctor", async () => {
  await logIn(person, sandbox);
  for (const name of ["wrok", "-bad"]) {
    const env = { CODEMIE_PROFILE: name };
    for (const command of [["profile", "status"], ["models"], ["token"]]) {
      const { code, err } = await person.run(command, { env });
      expect({ code, names: err.includes("CODEMIE_PROFILE") }).toEqual({ code: 2, names: true });
    }
    expect((await doctor(env))("profile")).toMatchObject({
      status: "failed",
      message: expect.stringContaining("CODEMIE_PROFILE"),
    });
  }
  expect((await person.run(["models", "--profile", "wrok"])).err).not.toContain("CODEMIE_PROFILE");
});

test("hints name nothing that the command does not take", async () => {
  person.writeConfig({
    version: 2,
    activeProfile: "ci",
    profiles: { ci: { provider: "bearer-auth", codeMieUrl: sandbox.origin, jwtConfig: { tokenEnvVar: "CI_TOKEN" } } },
  });
  for (const command of [["models"], ["profile", "status"], ["token"]]) {
    const { code, err } = await person.run(command);
    expect({ code, names: err.includes("set CI_TOKEN") }).toEqual({ code: 4, names: true });
    expect(err).not.toMatch(/--jwt-token|--api-key|--base-url|--url/);
  }
});

test("where no browser opens and nobody watches, a login fails at once, and says what a job in CI needs", async () => {
  delete person.env.CODEMIE_BROWSER;
  const flags = ["--url", sandbox.origin];
  for (const args of [["login"], ["profile", "login"], ["setup", "--method", "sso", "--yes"]]) {
    const here = await person.run([...args, ...flags]);
    expect({ args, code: here.code }).toEqual({ args, code: 4 });
    expect(here.err).toContain("nobody can log in here: there is no terminal, and no browser opens");
    expect(here.err).toContain("--no-browser prints the address and waits");
    const job = await person.run([...args, ...flags], { env: { GITHUB_ACTIONS: "true", CI: "true" } });
    expect(job.err).toContain("CODEMIE_JWT_TOKEN");
  }
});

ciTest("in CI a missing secret is no reason to log in by browser", async () => {
  const hosts: Record<string, string>[] = [{}, { CODEMIE_URL: sandbox.origin }];
  for (const ci of [{ CI: "true" }, { TF_BUILD: "True" }, { JENKINS_URL: "https://ci.example.com" }]) {
    for (const host of hosts) {
      for (const command of [["models"], ["token"], ["profile", "status"]]) {
        const { code, err } = await person.run(command, { env: { ...ci, ...host } as Record<string, string> });
        expect({ code, names: err.includes("CODEMIE_JWT_TOKEN") }).toEqual({ code: 4, names: true });
        expect(err).not.toContain("profile login");
      }
    }
  }
  for (const variable of ["CODEMIE_JWT_TOKEN", "CODEMIE_JWT_TOKEN_FILE"]) {
    const { err } = await person.run(["models"], { env: { CODEMIE_URL: sandbox.origin, [variable]: "" } });
    expect(err).toContain(`${variable} is set but empty`);
  }
});

const bearerProfile = () =>
  person.writeConfig({
    version: 2,
    activeProfile: "ci",
    profiles: { ci: { name: "ci", provider: "bearer-auth", codeMieUrl: sandbox.origin, jwtConfig: {} } },
  });

test("a login over a bearer profile: refused without a terminal, unless --yes", async () => {
  bearerProfile();
  const before = person.config();
  for (const args of [["--profile", "ci"], []]) {
    const { code, err } = await person.run(["profile", "login", ...args, "--timeout", "1"]);
    expect({ code, says: err.includes("profile ci works with a bearer token") }).toEqual({ code: 2, says: true });
  }
  expect(person.config()).toEqual(before);
  expect(sandbox.record).toEqual([]);
  const login = person.start(["profile", "login", "--profile", "ci", "--yes", "--timeout", "30"]);
  await login.says(/http:\/\/127\.0\.0\.1:\d+\/code-assistant-api\/v1\/auth\/login/);
  login.kill("SIGTERM");
  await login.finished();
});

test("a login over a bearer profile: asked about at a terminal", async () => {
  bearerProfile();
  const before = person.config();
  const pty = new Pty(person, ["profile", "login", "--profile", "ci"]);
  await pty.shows(/profile ci works with a bearer token; log it in/);
  pty.type("n\r");
  expect(await pty.ended()).toBe(2);
  expect(person.config()).toEqual(before);
});

test("the gateway names the variable of a token that the host no longer takes", async () => {
  await logIn(person, sandbox);
  await using gateway = await startGateway(person, [], { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") });
  sandbox.settings.answer = (_seen, response) => void response.writeHead(401).end();
  const answer = await gateway.post();
  expect({ status: answer.status, text: await answer.text() }).toEqual({
    status: 401,
    text: expect.stringContaining("from CODEMIE_JWT_TOKEN"),
  });
});

test("models and status take a host and a token for one run, and store nothing", async () => {
  const file = `${person.root}/token`;
  await Bun.write(file, await sandbox.front.mintToken("ci"));
  const flags = ["--url", sandbox.origin, "--jwt-token-file", file];
  const models = await person.run(["models", ...flags]);
  expect({ code: models.code, lists: models.out.includes("claude-") }).toEqual({ code: 0, lists: true });
  const status = await person.run(["profile", "status", "--json", ...flags]);
  expect({ code: status.code, ...JSON.parse(status.out) }).toMatchObject({
    code: 0,
    method: "jwt",
    authenticated: true,
  });
  expect(
    (await person.run(["models", "--url", sandbox.origin, "--jwt-token", "-"], { stdin: await Bun.file(file).text() }))
      .code,
  ).toBe(0);
  expect((await person.run(["profile", "list", "--json"])).out).toBe("[]\n");
  const { code, err } = await person.run(["profile", "status", "--all", "--jwt-token-file", file]);
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("not with --all") });
});
