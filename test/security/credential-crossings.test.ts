import { afterEach, beforeEach, expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { Pty } from "../support/pty.ts";
import { startSandbox } from "../support/sandbox/sandbox.ts";
import { ownProvider, sharedSandbox } from "../support/shared.ts";

/** Threat: a credential of one profile, method or host is used for another. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

const write = (profiles: unknown, activeProfile: string) => person.writeConfig({ version: 2, activeProfile, profiles });

test("a service that is neither CodeMie nor a known provider gets no token", async () => {
  const token = await sandbox.front.mintToken("ci");
  for (const provider of ["moonshot-subscription", "ollama", "bedrock", "anthropic-subscription"]) {
    write({ p: { provider, baseUrl: sandbox.origin } }, "p");
    const { code, err } = await person.run(["models"], { env: { CODEMIE_JWT_TOKEN: token } });
    expect([code, err.includes("which codemie does not log in to")]).toEqual([2, true]);
  }
  expect(sandbox.record).toEqual([]);
});

test("a provider's key is tried at the profile's own address, not at everybody's", async () => {
  const proxy = await ownProvider("openai");
  write({ work: { provider: "openai", baseUrl: proxy.api } }, "work");
  const { code } = await person.run(["setup", "--profile", "work", "--provider", "openai", "--key-stdin", "--yes"], {
    stdin: proxy.key,
  });
  expect([code, proxy.record.at(-1)?.headers.authorization]).toEqual([0, `Bearer ${proxy.key}`]);
});

test("setting up one profile does not take another's login", async () => {
  const [ada, bob] = [await sandbox.front.mintToken("ada"), await sandbox.front.mintToken("bob")];
  const store = (name: string, token: string) =>
    person.run(["setup", "--method", "jwt", "--url", sandbox.origin, "--profile", name, "--token-stdin", "--yes"], {
      stdin: token,
    });
  await store("a", ada);
  await store("b", bob);
  await person.run(["setup", "--method", "jwt", "--url", sandbox.origin, "--yes"]);
  expect((await person.run(["token", "--profile", "a"])).out.trim()).toBe(ada);
  expect((await person.run(["token", "--profile", "b"])).out.trim()).toBe(bob);
});

test("a changed method does not leave the former login in force", async () => {
  const token = await sandbox.front.mintToken("ci");
  const jwt = ["setup", "--method", "jwt", "--url", sandbox.origin, "--profile", "default", "--yes"];
  await person.run([...jwt, "--token-stdin"], { stdin: token });
  const changed = await person.run([...jwt, "--token-env", "CI_TOK"]);
  expect(changed.err).toContain("the former login of profile default is removed");
  expect((await person.run(["token"])).code).toBe(4);
  await logIn(person, sandbox, "ada", ["--yes"]); // without it, a bearer profile is kept
  expect((await person.run(["profile", "status"])).code).toBe(0);
  await person.run([...jwt, "--token-env", "CI_TOK"]);
  expect((await person.run(["models"])).code).toBe(4);
});

test("another host, project or provider starts without what belonged to the former one", async () => {
  await logIn(person, sandbox);
  const settings = { codeMieProject: "gone", model: "gpt-5.2", codeMieIntegration: { id: "i-1", alias: "x" } };
  person.editConfig(({ profiles }) => Object.assign(profiles.default, settings));
  const elsewhere = await startSandbox({ mode: "direct" });
  await person.run(["setup", "--profile", "default", "--method", "jwt", "--url", elsewhere.origin, "--yes"]);
  const { default: now } = person.config().profiles;
  expect(now).toEqual({
    name: "default",
    provider: "bearer-auth",
    authMethod: "jwt",
    jwtConfig: { tokenEnvVar: "CODEMIE_JWT_TOKEN" },
    codeMieUrl: elsewhere.origin,
    baseUrl: `${elsewhere.origin}/code-assistant-api`,
  });
  await elsewhere.close();
});

test("a key kept for one provider is not another's, at the same address", async () => {
  const server = await ownProvider("litellm");
  const setup = (provider: string, more: string[], stdin?: string) =>
    person.run(
      ["setup", "--profile", "p", "--provider", provider, "--url", server.origin, "--yes", ...more],
      stdin ? { stdin } : {},
    );
  await setup("litellm", ["--key-stdin"], server.key);
  const { code, err } = await setup("openai", []);
  expect([code, err.includes("--key-stdin")]).toEqual([2, true]);
});

test("the environment's hosts have to agree in setup too, and do not move a named profile", async () => {
  const env = { CODEMIE_URL: "https://a.example", CODEMIE_BASE_URL: "https://b.example" };
  expect((await person.run(["setup", "--method", "jwt", "--yes"], { env })).code).toBe(2);
  await logIn(person, sandbox, "ada", ["--profile", "work"]);
  const kept = await person.run(["setup", "--profile", "work", "--model", "gpt-5.2", "--yes"], {
    env: { CODEMIE_URL: "https://elsewhere.example" },
  });
  expect(kept.code).toBe(0);
  expect(person.config().profiles.work).toMatchObject({
    codeMieUrl: sandbox.origin,
    model: "gpt-5.2",
  });
});

test("the Tab key asks nobody, and takes no word for a profile", async () => {
  const provider = await ownProvider("litellm");
  write({ claude: { provider: "litellm", baseUrl: provider.api }, ci: { codeMieUrl: sandbox.origin } }, "ci");
  const env = { CODEMIE_API_KEY: provider.key, CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") };
  for (const words of [
    ["claude", "--model", ""],
    ["claude", "--profile", "claude", "--model", ""],
    ["models", "--profile", "nobody", "--model", ""],
  ]) {
    expect((await person.run(["__complete", ...words], { env })).code).toBe(0);
  }
  expect([provider.record.length, sandbox.record.length]).toEqual([0, 0]);
});

test("in the wizard, what was refused is sent again only when the person says so", async () => {
  const token = await sandbox.front.mintToken("ci");
  sandbox.settings.userFailure = { status: 401, type: "application/json", body: '{"error":{"message":"no"}}' };
  const pty = new Pty(person, ["setup", "--method", "jwt", "--url", sandbox.origin, "--token-env", "CIT"], {
    CIT: token,
  });
  await pty.shows(/Try again\?/);
  expect(sandbox.calls("/v1/user").length).toBe(1);
  pty.type("n");
  expect(await pty.ended()).toBe(4);
  expect(sandbox.calls("/v1/user").length).toBe(1);
  const stopped = new Pty(person, ["setup", "--method", "jwt", "--url", sandbox.origin, "--token-env", "1BAD"]);
  await stopped.shows(/Try again\?/);
  stopped.type("\u0003");
  expect(await stopped.ended()).toBe(130);
});

test("a token that was moved out of a file is nobody's in particular: its owner is not taken for another person", async () => {
  const token = await sandbox.front.mintToken("ci");
  write({ j: { provider: "bearer-auth", codeMieUrl: sandbox.origin, jwtConfig: { token } } }, "j");
  await person.run(["config", "set", "timeout", "1"]);
  expect((await person.run(["token"])).out.trim()).toBe(token);
  const again = await person.run(
    ["setup", "--method", "jwt", "--profile", "j", "--url", sandbox.origin, "--token-stdin", "--yes"],
    {
      stdin: await sandbox.front.mintToken("ci"),
    },
  );
  expect(again.code).toBe(0);
});
