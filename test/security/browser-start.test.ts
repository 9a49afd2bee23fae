import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { codemieClaude, Person } from "../support/codemie.ts";
import { beginLogin, logIn } from "../support/login.ts";
import { initializeParams, RawBridge } from "../support/mcp/bridge.ts";
import { startProtected } from "../support/mcp/protected.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";
import { cases } from "../support/tiers.ts";

/**
 * Threat: the browser we open gets our secrets in its environment and hands them on to every program it starts; or it is no
 * browser, but a program in the cloned repository that somebody stands in.
 */

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

/** A program that writes down that it ran, where, and with which environment. */
function spy(file: string): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    file,
    `#!/bin/sh\n{ pwd; env; } > "$HOME/ran-$(basename "$0").part"\nmv "$HOME/ran-$(basename "$0").part" "$HOME/ran-$(basename "$0")"\n`,
  );
  chmodSync(file, 0o755);
  return file;
}

const report = (person: Person, name: string) => join(person.home, `ran-${name}`);

async function written(file: string): Promise<string> {
  while (!existsSync(file)) await Bun.sleep(10);
  return readFileSync(file, "utf8");
}

const secrets = {
  CODEMIE_JWT_TOKEN: "secret-token",
  CODEMIE_JWT_TOKEN_FILE: "/secret-file",
  CODEMIE_API_KEY: "secret-key",
  CODEMIE_VAULT_PASSPHRASE: "secret passphrase",
  TEAM_TOKEN: "secret-of-the-team",
};

/** Starts a login in which the browser opens, waits until it was started, and ends the login. */
async function openIn(person: Person, env: Record<string, string>, name: string): Promise<string> {
  const running = person.start(["profile", "login", "--url", sandbox.origin, "--yes"], { env });
  const ran = await written(report(person, name));
  running.kill("SIGINT");
  await running.finished();
  return ran;
}

test("the system's opener and a named browser see no secret, and start in no folder of ours", async () => {
  for (const [name, choose] of [
    ["xdg-open", {}],
    ["my-browser", { CODEMIE_BROWSER: "my-browser" }],
  ] as const) {
    const person = new Person();
    const bin = join(person.root, "bin");
    spy(join(bin, name));
    const at = { codeMieUrl: sandbox.origin, provider: "bearer-auth", authMethod: "jwt" };
    mkdirSync(person.codemieHome, { recursive: true, mode: 0o700 });
    writeFileSync(
      join(person.codemieHome, "codemie-cli.config.json"),
      JSON.stringify({ version: 2, profiles: { ci: { ...at, jwtConfig: { tokenEnvVar: "TEAM_TOKEN" } } } }),
    );
    const env = { ...secrets, DISPLAY: ":9", PATH: `${bin}:/usr/bin:/bin` };
    Object.assign(person.env, { CODEMIE_BROWSER: "" });
    const ran = await openIn(person, { ...env, ...choose }, name);
    expect(ran).toContain("DISPLAY=:9");
    expect(ran.split("\n")[0]).toBe("/");
    expect(ran).not.toContain("secret");
    person.remove();
  }
});

test("the browser that the bridge opens sees no variable that the bridge's command line names", async () => {
  const server = await startProtected();
  const person = new Person();
  const bin = join(person.root, "bin");
  spy(join(bin, "xdg-open"));
  const flags = [
    ...["--header", "X-Key: $" + "{A}", "--header", "X-Sid: sid=$" + "{B}; lang=en", "--header-env", "X-Env: C"],
    ...["--header-env", "X-Words: Basic D", "--client-id", "mine", "--client-secret-env", "E"],
    ...["--idp-token-endpoint", `${server.origin}/token`, "--idp-client-id", "mine", "--id-token-env", "F"],
  ];
  const values = { A: "secret", B: "secret", C: "secret ", D: "secret words", E: "secret", F: "secret" };
  const env = { ...secrets, ...values, CODEMIE_BROWSER: "", DISPLAY: ":9", PATH: `${bin}:/usr/bin:/bin` };
  const damaged = { timeout: "soon", jwtConfig: { tokenEnvVar: "TEAM_TOKEN" } };
  person.writeConfig({ version: 2, profiles: { a: damaged } });
  const bridge = new RawBridge(person, [server.url, ...flags], { env });
  bridge.send({ jsonrpc: "2.0", id: 1, method: "initialize", params: initializeParams });
  const ran = await written(report(person, "xdg-open"));
  expect(ran).toContain("DISPLAY=:9");
  expect(ran).not.toContain("secret");
  bridge.child.kill("SIGKILL");
  await server.close();
  person.remove();
});

const token = `eyJ${"a".repeat(20)}.${"b".repeat(20)}.${"c".repeat(20)}`;
const profileOf = (more: string) => `{"profiles": {"b": {${more}}, "a": {"jwtConfig": {"tokenEnvVar": "TEAM_TOKEN"}}}}`;
const damages: [string, string, string][] = [
  ["a member of a wrong type", profileOf('"timeout": "soon"'), secrets.TEAM_TOKEN],
  ["a profile of a wrong type", profileOf("").replace("{}", "7"), secrets.TEAM_TOKEN],
  ["the first format", '{"provider": 7, "jwtConfig": {"tokenEnvVar": "TEAM_TOKEN"}}', secrets.TEAM_TOKEN],
  ["a comma too many", profileOf('"timeout": 1,'), secrets.TEAM_TOKEN],
  ["no JSON, and a token in a variable", "what is this?", `Bearer ${token}`],
  ["a text that ends too early", profileOf("").slice(0, 40), token],
];
for (const [what, config, value] of cases(damages)) {
  test(`a configuration with ${what} hides the profiles' tokens from other programs all the same`, async () => {
    const person = new Person();
    person.writeConfig(config);
    const claude = spy(join(person.root, "bin/claude"));
    const env = { ...secrets, TEAM_TOKEN: value, KEY: "secret", PATH: `${dirname(claude)}:/usr/bin:/bin` };
    const flags = ["--", "--header-env", "X-Key: KEY"];
    for (const [args, more] of [
      [["mcp", "add", "x", "https://mcp.example.com/mcp", ...flags], {}],
      [["--version"], { program: codemieClaude }],
    ] as const) {
      const { KEY, ...others } = env;
      await person.run(args, { env: "program" in more ? others : { ...others, KEY }, ...more });
      const ran = await written(report(person, "claude"));
      expect(ran).not.toContain("secret");
      expect(ran).not.toContain(token);
      rmSync(report(person, "claude"));
    }
    person.remove();
  });
}

for (const [what, env, file, name] of cases([
  ["./xdg-open by PATH=.", { PATH: "." }, "xdg-open", "xdg-open"],
  ["bin/xdg-open by PATH=bin", { PATH: "bin" }, "bin/xdg-open", "xdg-open"],
  ["./xdg-open by an empty entry of PATH", { PATH: ":" }, "xdg-open", "xdg-open"],
  ["BROWSER=./firefox", { BROWSER: "./firefox" }, "firefox", "firefox"],
  [
    "BROWSER=firefox by PATH=.",
    { BROWSER: "firefox-of-the-repository", PATH: "." },
    "firefox-of-the-repository",
    "firefox-of-the-repository",
  ],
  ["CODEMIE_BROWSER=bin/x", { CODEMIE_BROWSER: "bin/x" }, "bin/x", "x"],
] as const)) {
  test(`${what}: the repository's program does not run, and the address is printed`, async () => {
    const person = new Person();
    spy(join(person.cwd, file));
    Object.assign(person.env, { CODEMIE_BROWSER: "", DISPLAY: ":9", ...env });
    const { login, url } = await beginLogin(person, sandbox);
    expect(url).toContain("/v1/auth/login/");
    await login.says(/could not start/);
    login.kill("SIGINT");
    await login.finished();
    expect(existsSync(report(person, name))).toBe(false);
    person.remove();
  });
}

test("a program that yields the passphrase does not come from the repository either", async () => {
  const person = new Person();
  await logIn(person, sandbox);
  spy(join(person.cwd, "bin/pass"));
  const env = { CODEMIE_VAULT_PASSPHRASE_COMMAND: "bin/pass" };
  const { code, err } = await person.run(["vault", "rekey"], { env });
  expect(code).toBe(6);
  expect(err).toContain("bin/pass is not on PATH");
  expect(existsSync(report(person, "pass"))).toBe(false);
  person.remove();
});

test("programs are started in one place, which asks for a found program and a cleaned environment", async () => {
  const starts: string[] = [];
  for (const file of new Bun.Glob("**/*.ts").scanSync(join(import.meta.dir, "../../src"))) {
    const text = await Bun.file(join(import.meta.dir, "../../src", file)).text();
    if (/Bun\.spawn|child_process|from "open"/.test(text)) starts.push(file);
  }
  // OpenCode's plugin is a text here, and runs in OpenCode. The guard starts the system's own shell, with an environment of its own.
  const known = ["agents/opencode-plugin.ts", "platform/child-guard.ts", "platform/processes.ts", "platform/self.ts"];
  expect(starts.sort()).toEqual(known);
});
