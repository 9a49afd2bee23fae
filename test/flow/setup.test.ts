import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { codemie, Person } from "../support/codemie.ts";
import { textBelow } from "../support/files.ts";
import { handOff, logIn } from "../support/login.ts";
import { Pty } from "../support/pty.ts";
import { cliClientId } from "../support/sandbox/identity.ts";
import { startSandbox } from "../support/sandbox/sandbox.ts";
import { ownProvider, sharedSandbox } from "../support/shared.ts";

/** Setting up a profile: by flags without a person, and by questions on a real pseudo-terminal. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

const config = () => person.config();
const loginUrl = /http:\/\/127\.0\.0\.1:\d+\/code-assistant-api\/v1\/auth\/login\/(\d+)/;
const [enter, down, esc, ctrlC] = ["\r", "\u001b[B", "\u001b", "\u0003"];

/** Does the browser's part of a login that waits. */
async function browserAnswers(url: string, name = "ada"): Promise<void> {
  await (await fetch(await handOff(url, sandbox.front.issue(name).cookie))).text();
}

test("sso by flags: what is at the address is found, the person logs in, project, integration and model are kept", async () => {
  sandbox.settings.applications = ["team-beta", "Team-Alpha", "team-gamma"];
  sandbox.settings.integrations = [
    { id: "i-1", alias: "beta-litellm", project: "team-beta" },
    { id: "i-2", alias: "gamma-litellm", project: "team-gamma" },
  ];
  const args = ["setup", "--url", sandbox.origin, "--project", "team-gamma", "--model", "claude-haiku-4-5", "--yes"];
  const setup = person.start(args);
  const [url] = await setup.says(loginUrl);
  await browserAnswers(url);
  const { code, out, err } = await setup.finished();
  expect({ code, out }).toEqual({
    code: 0,
    out: '✓ profile default is set up, and the active one\n  try it: codemie-claude --task "say hello"\n',
  });
  expect(err).toContain(`✓ ${sandbox.origin} is a CodeMie host behind single sign-on`);
  expect(err).toContain("✓ logged in as Ada <ada@example.com>");
  expect(config()).toEqual({
    version: 2,
    profiles: {
      default: {
        name: "default",
        provider: "ai-run-sso",
        codeMieUrl: sandbox.origin,
        baseUrl: `${sandbox.origin}/code-assistant-api`,
        model: "claude-haiku-4-5",
        codeMieProject: "team-gamma",
        codeMieIntegration: { id: "i-2", alias: "gamma-litellm" },
      },
    },
    activeProfile: "default",
  });
  expect((await person.run(["models"])).code).toBe(0);
});

test("run again it edits: the login is kept, what is not named stays, unknown members too", async () => {
  await logIn(person, sandbox);
  person.editConfig((before) => {
    before.profiles.default.hooks = { mine: true };
    before.extra = 1;
  });
  const { code, err } = await person.run([
    "setup",
    "--profile",
    "default",
    "--url",
    sandbox.origin,
    "--model",
    "gpt-5.2",
    "--yes",
  ]);
  expect({ code, logins: loginUrl.test(err) }).toEqual({ code: 0, logins: false });
  expect(config()).toMatchObject({
    extra: 1,
    profiles: { default: { hooks: { mine: true }, model: "gpt-5.2", codeMieProject: "team-alpha" } },
  });
});

test("a bearer token: its variable is kept, the token is not; the agent does not get the variable", async () => {
  const token = await sandbox.front.mintToken("ci");
  const args = ["setup", "--method", "jwt", "--url", sandbox.origin, "--token-env", "CI_TOKEN", "--yes"];
  const { code, out, err } = await person.run(args, { env: { CI_TOKEN: token } });
  expect(code).toBe(0);
  expect(err).toContain("✓ the token is ci <ci@example.com>'s");
  expect(out).toContain("before a run, put the token into CI_TOKEN; it is stored nowhere");
  expect(config().profiles.default).toMatchObject({
    provider: "bearer-auth",
    authMethod: "jwt",
    jwtConfig: { tokenEnvVar: "CI_TOKEN" },
  });
  expect(readFileSync(person.configFile, "utf8")).not.toContain(token);
  expect((await person.run(["models"], { env: { CI_TOKEN: token } })).code).toBe(0);
  const none = await person.run(["models"]);
  expect([none.code, none.err]).toEqual([
    4,
    `error: no bearer token for ${sandbox.origin}\nhint: set CI_TOKEN to the token, or CODEMIE_JWT_TOKEN_FILE to a file that holds it\n`,
  ]);
  // the variable's token is for the profile's host: another host that is asked for does not get it
  const other = await startSandbox();
  const elsewhere = await person.run(["models", "--profile", "default"], {
    env: { CI_TOKEN: token, CODEMIE_PROFILE: "default", CODEMIE_URL: other.origin },
  });
  expect([elsewhere.code, other.record.length]).toEqual([0, 0]);
  expect((await person.run(["models"], { env: { CI_TOKEN: token, CODEMIE_URL: other.origin } })).code).toBe(4);
  expect(other.record.length).toBe(0);
  await other.close();
});

test("a bearer token is stored only when asked for, sealed, and used until it ends", async () => {
  const token = await sandbox.front.mintToken("ci");
  const args = ["setup", "--method", "jwt", "--url", sandbox.origin, "--token-stdin", "--yes"];
  expect((await person.run(args, { stdin: `${token}\n` })).code).toBe(0);
  const status = JSON.parse((await person.run(["profile", "status", "--json"])).out);
  expect(status).toMatchObject({ method: "jwt", authenticated: true, user: { name: "ci" }, expiresFrom: "token" });
  expect((await person.run(["profile", "status"])).out).toContain("with     a stored bearer token");
  expect((await person.run(["token"])).out).toBe(`${token}\n`);
  // the environment stands before it
  const another = await sandbox.front.mintToken("another");
  const env = { CODEMIE_JWT_TOKEN: another };
  expect((await person.run(["token"], { env })).out).toBe(`${another}\n`);
  expect(textBelow(person.root)).not.toContain(token.slice(0, 60));
  expect((await person.run(["profile", "refresh"])).code).toBe(2);
  expect((await person.run(["profile", "logout"])).out).toContain("the token itself stays valid until it expires");
  expect((await person.run(["token"])).code).toBe(4);
});

test("a stored token that ended is exit 4 with when", async () => {
  const token = await sandbox.front.mintToken("ci", 2 - 60);
  const args = ["setup", "--method", "jwt", "--url", sandbox.origin, "--token-stdin", "--yes"];
  expect((await person.run(args, { stdin: token })).code).toBe(4);
});

test("without a terminal nothing is asked: the flag that is missing is named", async () => {
  for (const [args, says] of [
    [["setup"], "hint: for example codemie setup --url https://codemie.example.com"],
    [["setup", "--provider", "litellm", "--key-stdin"], "hint: for example --url https://litellm.example.com"],
    [["setup", "--provider", "openai"], "hint: pass it on standard input with --key-stdin"],
    [
      ["setup", "--method", "oidc", "--url", "codemie.example.com"],
      "hint: for example --issuer https://sso.example.com",
    ],
    [["setup", "--method", "password"], "hint: methods: sso, oidc, jwt, api-key"],
    [["setup", "--provider", "nobody"], "hint: providers: openai, anthropic, azure, litellm"],
    [["setup", "--key-stdin", "--token-stdin"], "error: standard input holds a key or a token, not both"],
  ] as const) {
    const { code, err } = await person.run([...args], { stdin: "sk-key-of-somebody" });
    expect({ code, err: err.includes(says), args }).toEqual({ code: 2, err: true, args });
  }
  expect((await person.run(["profile", "--json"])).out).toBe("[]\n");
});

test("an address that is something else: what was found is said", async () => {
  const page = await startSandbox({ mode: "direct" });
  const spa = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("<title>Wiki of \u001b[31mAcme</title>", { headers: { "content-type": "text/html" } }),
  });
  const found = await person.run(["setup", "--url", `http://127.0.0.1:${spa.port}`, "--yes"]);
  expect([found.code, found.err.includes("it sent a web page, “Wiki of �[31mAcme”")]).toEqual([1, true]);
  const issuer = await person.run(["setup", "--url", sandbox.issuer, "--yes"]);
  expect([issuer.code, issuer.err.includes("is an OpenID provider, not a CodeMie host")]).toEqual([2, true]);
  const direct = await person.run(["setup", "--url", page.origin, "--yes"]);
  expect([direct.code, direct.err.includes("✓ http"), direct.err.includes("single sign-on")]).toEqual([0, true, false]);
  expect(config().profiles.default.authMethod).toBe("jwt");
  await page.close();
  await spa.stop(true);
});

test("the wizard: address, login in the browser, project out of many, integration, model, name", async () => {
  sandbox.settings.applications = Array.from({ length: 30 }, (_, i) => `team-${String(i).padStart(2, "0")}`);
  sandbox.settings.integrations = [
    { id: "i-1", alias: "first", project: "team-17" },
    { id: "i-2", alias: "second", project: "team-17" },
  ];
  sandbox.settings.countsPages = false;
  const pty = new Pty(person, ["setup"]);
  await pty.shows(/Where are your models\?/);
  pty.type(`${sandbox.origin}${enter}`);
  await pty.shows(/is a CodeMie host behind single sign-on/);
  await pty.shows(/How do you log in\?[\s\S]*in the browser/);
  pty.type(enter);
  const [url] = await pty.shows(loginUrl);
  await browserAnswers(url);
  await pty.shows(/logged in as Ada/);
  await pty.shows(/Which project\?/);
  pty.type("17");
  await pty.shows(/1 match|team-17/);
  pty.type(enter);
  await pty.shows(/Which integration\?/);
  pty.type(down + enter);
  await pty.shows(/Which model\?[\s\S]*the account's default, now claude-sonnet-4-6/);
  pty.type(down + down + enter);
  await pty.shows(/Name of the profile/);
  pty.type(enter);
  await pty.shows(/profile default is set up/);
  expect(await pty.ended()).toBe(0);
  expect(config().profiles.default).toMatchObject({
    codeMieProject: "team-17",
    codeMieIntegration: { id: "i-2", alias: "second" },
    model: "claude-haiku-4-5",
  });
});

test("the wizard: Escape goes back to the question before, Ctrl-C leaves everything as it was", async () => {
  const provider = await ownProvider("litellm");
  const pty = new Pty(person, ["setup"]);
  await pty.shows(/Where are your models\?/);
  pty.type(`${provider.origin}${enter}`);
  await pty.shows(/Which API is it\?[\s\S]*LiteLLM/);
  pty.type(enter);
  await pty.shows(/API key of LiteLLM/);
  pty.type(esc);
  await pty.shows(/API key of LiteLLM[\s\S]*Which API is it\?/);
  pty.type(esc);
  await pty.shows(/API key of LiteLLM[\s\S]*Which API is it\?[\s\S]*Where are your models\?/);
  // what was typed is still there
  pty.type(enter);
  await pty.shows(/API key[\s\S]*Where are your models\?[\s\S]*Which API is it\?/);
  pty.type(enter);
  await pty.shows(/(Which API is it\?[\s\S]*){3}API key of LiteLLM/);
  pty.type(`sk-wrong${enter}`);
  await pty.shows(/did not accept the API key[\s\S]*API key of LiteLLM/);
  pty.type(`${provider.key}${enter}`);
  await pty.shows(/the key works at/);
  await pty.shows(/Which model\?/);
  pty.type(ctrlC);
  expect(await pty.ended()).toBe(130);
  expect(pty.screen).not.toContain(provider.key);
  expect(pty.screen).not.toContain("sk-wrong");
  expect((await person.run(["profile", "--json"])).out).toBe("[]\n");
  expect((await person.run(["audit", "--json"])).out).toBe("[]\n");
});

test("the wizard edits: another person's login is asked about", async () => {
  await logIn(person, sandbox);
  const pty = new Pty(person, ["setup"]);
  await pty.shows(/There are profiles already[\s\S]*change default/);
  pty.type(enter);
  await pty.shows(/Where are your models\?/);
  pty.type(enter);
  await pty.shows(/How do you log in\?/);
  pty.type(enter);
  await pty.shows(/Keep the login of Ada/);
  pty.type(`n`);
  const [url] = await pty.shows(loginUrl);
  await browserAnswers(url, "grace");
  await pty.shows(/logged in as Grace/);
  await pty.shows(/Which model\?/);
  pty.type(enter);
  await pty.shows(/Profile default belongs to Ada[\s\S]*Replace it with Grace/);
  pty.type(`n`);
  expect(await pty.ended()).toBe(4);
  expect(JSON.parse((await person.run(["profile", "status", "--json"])).out).user.name).toBe("Ada");
});

test("when the profile cannot be saved, its former login stays", async () => {
  await logIn(person, sandbox);
  person.editConfig(({ profiles }) => {
    profiles.large = { name: "large", note: "x".repeat(300_000) };
  });
  const settings = config();
  // No file over 100 KiB can be written: the settings are larger, records of the vault and the audit trail are not.
  const limited = ["-c", 'trap "" XFSZ; ulimit -f 100; exec "$0" "$@"', codemie];
  const setup = ["setup", "--profile", "default", "--method", "jwt", "--url", sandbox.origin, "--yes"];
  const { code, err } = await person.run([...limited, ...setup], { program: "bash" });
  expect([code, err.startsWith("error: ") || err.includes("\nerror: ")]).toEqual([1, true]);
  expect(config()).toEqual(settings);
  expect((await person.run(["profile", "status"])).code).toBe(0);
});

test("the address of a page, as the browser shows it: its host is used, and that is said", async () => {
  const page = `${sandbox.origin}/workspace/assistants?tab=mine#top`;
  const { code, err } = await person.run(["setup", "--url", page, "--method", "jwt", "--yes"]);
  expect([code, err]).toEqual([0, expect.stringContaining(`the host is ${sandbox.origin}, and that is used`)]);
  const direct = await startSandbox({ mode: "direct" });
  const found = await person.run(["setup", "--url", `${direct.origin}/workspace/assistants?tab=mine`, "--yes"]);
  expect([found.code, found.err]).toEqual([0, expect.stringContaining(`${direct.origin} is a CodeMie host`)]);
  expect(found.err).toContain(`the host is ${direct.origin}, and that is used`);
  const logIn = person.start(["setup", "--url", `${sandbox.origin}/workspace/x`, "--profile", "new", "--yes"]);
  await browserAnswers((await logIn.says(loginUrl))[0]);
  expect((await logIn.finished()).err).toContain(`the host is ${sandbox.origin}, and that is used`);
  await direct.close();
});

test("the wizard: Escape at the first question says that it is the first", async () => {
  const pty = new Pty(person, ["setup"]);
  await pty.shows(/There are profiles already|Where are your models\?/);
  pty.type("\u001b");
  await pty.shows(/this is the first question; Ctrl-C leaves everything as it was/);
  pty.type("\u0003");
  expect(await pty.ended()).toBe(130);
});

test("the wizard: keys typed while it looks at a host answer no later question, and are not shown; Ctrl-C stops", async () => {
  for (const key of [esc, "xyzzy", undefined]) {
    const asked = Promise.withResolvers<void>();
    const answers = Promise.withResolvers<void>();
    const host = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async () => {
        asked.resolve();
        await answers.promise;
        return new Response("nothing here", { status: 404 });
      },
    });
    const pty = new Pty(person, ["setup"]);
    await pty.shows(/Where are your models\?/);
    pty.type(`http://127.0.0.1:${host.port}${enter}`);
    await asked.promise;
    if (key !== undefined) {
      // The keys and the answer come in the same moment: the wizard finds both at once.
      pty.kill("SIGSTOP");
      pty.type(key);
      answers.resolve();
      while (host.pendingRequests > 0) await Bun.sleep(5);
      pty.kill("SIGCONT");
      await pty.shows(/404[\s\S]*Where are your models\?/);
      pty.type("/last");
      await pty.shows(/last/);
    }
    pty.type(ctrlC);
    expect(await pty.ended()).toBe(130);
    expect(pty.screen).not.toMatch(/this is the first question|xyzzy/);
    await host.stop(true);
  }
});

test("the wizard: Escape while a finished login is looked at answers no later question", async () => {
  sandbox.settings.applications = ["team-a", "team-b"];
  const flags = ["--method", "sso", "--project", "team-a", "--model", "gpt-5.2"];
  const pty = new Pty(person, ["setup", "--url", sandbox.origin, ...flags]);
  const [url] = await pty.shows(loginUrl);
  const looks = Promise.withResolvers<void>();
  sandbox.settings.userWaits = looks.promise;
  const browser = browserAnswers(url);
  while (!sandbox.record.some(({ path }) => path.endsWith("/v1/user"))) await Bun.sleep(5);
  // The keys and the answer come in the same moment: the wizard finds both at once.
  pty.kill("SIGSTOP");
  pty.type(`xyzzy${esc}`);
  looks.resolve();
  await fetch(sandbox.origin);
  pty.kill("SIGCONT");
  await browser;
  await pty.shows(/Name of the profile/);
  pty.type("last");
  await pty.shows(/last/);
  pty.type(ctrlC);
  expect(await pty.ended()).toBe(130);
  expect(pty.screen).not.toMatch(/Name of the profile[\s\S]*xyzzy/);
});

test("the wizard: going back keeps the login of a moment ago", async () => {
  sandbox.settings.applications = ["team-a", "team-b"];
  const pty = new Pty(person, ["setup", "--url", sandbox.origin]);
  await pty.shows(/How do you log in\?/);
  pty.type(enter);
  const [url] = await pty.shows(loginUrl);
  await browserAnswers(url);
  await pty.shows(/Which project\?/);
  pty.type(esc);
  await pty.shows(/Which project\?[\s\S]*How do you log in\?/);
  pty.type(enter);
  await pty.shows(/Keep the login of Ada/);
  pty.type(enter);
  await pty.shows(/Keep the login of Ada[\s\S]*Which project\?/);
  pty.type(ctrlC);
  expect(await pty.ended()).toBe(130);
  expect(pty.screen.split(/auth\/login\//).length).toBe(2);
});

test("the wizard: no to another try leads back to the question before, and ends where there is none", async () => {
  const pty = new Pty(person, ["setup", "--url", sandbox.origin, "--timeout", "1"]);
  await pty.shows(/How do you log in\?/);
  pty.type(enter);
  await pty.shows(/Try again\?/);
  pty.type("n");
  await pty.shows(/Try again\?[\s\S]*How do you log in\?/);
  pty.type(ctrlC);
  expect(await pty.ended()).toBe(130);
  const alone = new Pty(person, ["setup", "--url", sandbox.origin, "--method", "sso", "--timeout", "1"]);
  await alone.shows(/Try again\?/);
  alone.type("n");
  expect(await alone.ended()).toBe(4);
});

test("the wizard: Escape while a login waits goes back, and ends it where there is no question before", async () => {
  const pty = new Pty(person, ["setup", "--url", sandbox.origin]);
  await pty.shows(/How do you log in\?/);
  pty.type(enter);
  await pty.shows(/paste the address/);
  pty.type(down); // the rest of a key's sequence shows that it is not Escape
  pty.type("\u001b[200~nonsense\u001b[201~\r");
  await pty.shows(/it is no address/);
  pty.type(esc);
  await pty.shows(/paste the address[\s\S]*How do you log in\?/);
  pty.type(enter);
  await pty.shows(/(paste the address[\s\S]*){2}/);
  pty.type(ctrlC);
  expect(await pty.ended()).toBe(130);
  const alone = new Pty(person, ["setup", "--url", sandbox.origin, "--method", "sso"]);
  await alone.shows(/paste the address/);
  alone.type(esc);
  expect(await alone.ended()).toBe(130);
});

test("the wizard: Escape and Ctrl-C while a device code waits", async () => {
  const client = ["--issuer", sandbox.issuer, "--client-id", cliClientId, "--device"];
  const pty = new Pty(person, ["setup", ...client]);
  await pty.shows(/Where are your models\?/);
  pty.type(`${sandbox.origin}${enter}`);
  await pty.shows(/waiting for the login/);
  pty.type(esc);
  await pty.shows(/waiting for the login[\s\S]*Where are your models\?/);
  pty.type(enter);
  await pty.shows(/(waiting for the login[\s\S]*){2}/);
  pty.type(ctrlC);
  expect(await pty.ended()).toBe(130);
});

test("the wizard: --device is a login at an OpenID provider, so nobody is asked how to log in", async () => {
  const pty = new Pty(person, ["setup", "--url", sandbox.origin, "--device"]);
  await pty.shows(/Address of the OpenID provider/);
  expect(Bun.stripANSI(pty.screen)).not.toContain("How do you log in?");
  pty.type(ctrlC);
  expect(await pty.ended()).toBe(130);
});

test("the wizard: a pasted bearer token is hidden, and stored sealed after a yes", async () => {
  const token = await sandbox.front.mintToken("ci");
  for (const [name, pasted, answer, method] of [
    ["kept", `Bearer ${token}`, enter, { jwtConfig: {} }],
    ["variable", `"${token}"`, "n", { jwtConfig: { tokenEnvVar: "CODEMIE_JWT_TOKEN" } }],
    ["back", token, esc, { jwtConfig: { tokenEnvVar: "CODEMIE_JWT_TOKEN" } }],
  ] as const) {
    const pty = new Pty(person, ["setup", "--url", sandbox.origin, "--profile", name]);
    await pty.shows(/How do you log in\?/);
    pty.type(`${down}${enter}`);
    await pty.shows(/Variable that will hold the token[\s\S]*ODEMIE_JWT_TOKEN/);
    if (answer === enter) {
      pty.type(`1x${enter}`);
      await pty.shows(/a variable has letters/);
      pty.type("\u007f\u007f");
    }
    pty.type(`${pasted}${enter}`);
    await pty.shows(/\(hidden\)[\s\S]*the token is ci[\s\S]*Store the token in the vault/);
    pty.type(answer);
    if (answer !== enter) {
      await pty.shows(/Store the token[\s\S]*Variable that will hold/);
    } else await pty.shows(/Which model\?/);
    pty.type(enter);
    await pty.shows(new RegExp(`profile ${name} is set up`));
    expect(await pty.ended()).toBe(0);
    const shown = Bun.stripANSI(pty.screen);
    for (let at = 0; at + 12 < token.length; at += 6) expect(shown).not.toContain(token.slice(at, at + 12));
    expect(config().profiles[name]).toMatchObject(method);
    expect((await person.run(["models"])).code).toBe(answer === enter ? 0 : 4);
    expect(textBelow(person.root)).not.toContain(token.slice(0, 60));
  }
});

test("the wizard: an OpenID provider and a client ID are checked where they are typed, in words without flags", async () => {
  const pty = new Pty(person, ["setup", "--url", sandbox.origin]);
  await pty.shows(/How do you log in\?/);
  pty.type(down + down + enter);
  await pty.shows(/Address of the OpenID provider/);
  pty.type(`nonsense${enter}`);
  await pty.shows(/type an address that begins with https/);
  pty.type(`${"\u007f".repeat(8)}${sandbox.origin}${enter}`);
  await pty.shows(/identity provider [\s\S]*cannot be used[\s\S]*Address of the OpenID provider/);
  pty.type(`${"\u007f".repeat(sandbox.origin.length)}${sandbox.issuer}${enter}`);
  await pty.shows(/Client ID at that provider/);
  pty.type(enter);
  await pty.shows(/type the ID/);
  pty.type(esc);
  await pty.shows(/Client ID[\s\S]*Address of the OpenID provider/);
  pty.type(ctrlC);
  expect(await pty.ended()).toBe(130);
  expect(pty.screen).not.toContain("--");
});
