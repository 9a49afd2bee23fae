import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { threeMakers, withAgents } from "../support/agents.ts";
import { script } from "../support/ci-runner.ts";
import { claudeFolder, codemie, type Person } from "../support/codemie.ts";
import { endProxies, type StartedProxy } from "../support/proxy.ts";
import { Pty } from "../support/pty.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";

/** What `codemie proxy start` prints for programs that are not started by us, and `codemie proxy env`, which a shell evaluates. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
let person: Person;
let env: Record<string, string>;
beforeEach(() => {
  threeMakers(sandbox);
  person = loggedIn.copy();
  env = {
    ...person.env,
    PATH: `${dirname(codemie)}:${claudeFolder}:${withAgents(person).PATH}`,
    CODEMIE_MODEL: "gpt-5.2",
  };
});
afterEach(() => endProxies(person));

const shell = (line: string) => script(line, person.cwd, env);

/** Starts a gateway. @returns its lines, by the title above each, and its address and key */
async function started(): Promise<{ printed: string; line(title: string): string } & StartedProxy> {
  const { code, out: printed, err } = await person.run(["proxy", "start", "--detach"], { env });
  expect([code, err]).toEqual([0, ""]);
  const [shown] = JSON.parse((await person.run(["proxy", "status", "--show-key", "--json"])).out);
  return { ...shown, printed, line: (title) => new RegExp(`# ${title}\\n(.*)\\n`).exec(printed)?.[1] ?? "" };
}

for (const [title, changed, headless] of [
  ["Claude Code", (line: string) => line, "-p 'say it'"],
  ["OpenCode", (line: string) => line.replace("&& opencode ", "&& opencode run "), "'say it'"],
  ["Codex", (line: string) => line, "exec --skip-git-repo-check 'say it'"],
] as const) {
  test(`the line it prints leads the real ${title} to the gateway`, async () => {
    env.CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC = "1";
    const { line } = await started();
    const { code, out } = await shell(`${changed(line(title))} ${headless}`);
    expect([code, out]).toEqual([0, expect.stringContaining("The sandbox heard: ")]);
    expect(sandbox.record.some(({ method }) => method === "POST")).toBe(true);
  });
}

test("what it prints holds no key; curl gets it through a pipe; others are named", async () => {
  const { printed, line, key, url } = await started();
  expect(printed).toContain(url);
  expect(printed).not.toContain(key);
  const curl = await shell(`${line("curl")} -s`);
  expect(JSON.parse(curl.out).data.map(({ id }: { id: string }) => id)).toContain("gpt-5.2");
  // No variable leads Gemini CLI to a gateway.
  expect(line("Gemini CLI")).toBe("");
  expect(printed).toContain("# codemie proxy env NAME knows aider, zed, vscode, cursor, cline too\n");
});

test("any other program: addresses and keys of both APIs, for this shell alone", async () => {
  const { key, url } = await started();
  const { out } = await shell(
    'eval "$(codemie proxy env)" && echo "$OPENAI_BASE_URL $OPENAI_API_KEY $ANTHROPIC_BASE_URL $ANTHROPIC_AUTH_TOKEN"',
  );
  expect(out).toBe(`${url}/v1 ${key} ${url} ${key}\n`);
  const ask = 'echo "Authorization: Bearer $OPENAI_API_KEY" | curl -sf -H @- -d \'{"model":"gpt-5.2","messages":[]}\'';
  expect((await shell(`eval "$(codemie proxy env)" && ${ask} "$OPENAI_BASE_URL/chat/completions"`)).code).toBe(0);
});

test("editors: a terminal shows how, without the key; a shell gets the variables, which work", async () => {
  const { key, url } = await started();
  for (const [name, variables, next] of [
    ["aider", ["OPENAI_API_BASE", "OPENAI_API_KEY"], "aider --model openai/gpt-5.2"],
    ["zed", ["CODEMIE_GATEWAY_URL", "CODEMIE_GATEWAY_API_KEY"], "zed ."],
    ["vscode", ["ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"], "code ."],
    ["cursor", ["ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"], "cursor ."],
    ["cline", ["OPENAI_BASE_URL", "OPENAI_API_KEY"], "code ."],
  ] as const) {
    const pty = new Pty(person, ["proxy", "env", name], env);
    expect(await pty.ended()).toBe(0);
    const screen = Bun.stripANSI(pty.screen).replaceAll("\r", "");
    expect(screen).toContain(`eval "$(codemie proxy env ${name})" && ${next}\n`);
    expect(screen).not.toContain(key);
    if (name === "zed") {
      const settings = JSON.parse(/settings\.json: (.*)/.exec(screen)?.[1] ?? "");
      expect(settings.language_models.openai_compatible["codemie-gateway"]).toEqual({
        api_url: `${url}/v1`,
        available_models: [{ name: "gpt-5.2", max_tokens: 200000 }],
      });
    }
    const shown = variables.map((one) => `"$${one}"`).join(" ");
    const { out } = await shell(`eval "$(codemie proxy env ${name})" && printf '%s\\n' ${shown}`);
    expect([name, ...out.trim().split("\n")]).toEqual([name, expect.stringContaining(url), key]);
  }
});

test("whatever is wrong, the shell does not go on: the program would lead somewhere else", async () => {
  for (const [args, code, says] of [
    ["claude", 1, "no gateway is running"],
    ["claude --profile nobody", 1, "no gateway is running for profile nobody"],
    ["clauds", 2, "there is no program clauds"],
    ["gemini", 2, "run codemie-gemini"],
    ["claude --profil work", 2, "has no flag --profil"],
    ["claude --profile", 2, "--profile"],
    ["claude work", 2, "takes one word only"],
    ["claude -- --profile", 2, "takes nothing after --"],
  ] as const) {
    const { out, err } = await shell(`eval "$(codemie proxy env ${args})" && echo went on; true`);
    expect([args, out]).toEqual([args, ""]);
    expect(err).toContain(says);
    expect((await person.run(["proxy", "env", ...args.split(" ")])).code).toBe(code);
  }
  const json = await person.run(["proxy", "env", "--json"]);
  expect(JSON.parse(json.out).error.code).toBe("failed");
});

test("two gateways: the one of a profile; its name is in the printed lines", async () => {
  await started();
  person.editConfig(({ profiles }) => {
    profiles["my work"] = { codeMieUrl: sandbox.origin };
  });
  const other = { ...env, CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") };
  const { out } = await person.run(["proxy", "start", "--detach", "--profile", "my work"], { env: other });
  const url = / at (http:\S+)\n/.exec(out)?.[1];
  const line = /# Claude Code\n(.*) && claude\n/.exec(out)?.[1] ?? "";
  expect(line).toBe(`eval "$(codemie proxy env claude --profile 'my work')"`);
  expect((await shell(`${line} && echo "$ANTHROPIC_BASE_URL"`)).out).toBe(`${url}\n`);
  const unclear = await person.run(["proxy", "env", "claude"]);
  expect([unclear.code, unclear.out, unclear.err]).toEqual([2, "false\n", expect.stringContaining("default, my work")]);
  const document = JSON.parse((await person.run(["proxy", "env", "claude", "--profile", "my work", "--json"])).out);
  expect(Object.keys(document)).toEqual(["ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"]);
});

test("a home that cannot be written keeps no gateway to ask for: there the lines hold the key, and work", async () => {
  const token = await sandbox.front.mintToken("ci");
  const alone = { ...env, CODEMIE_HOME: "/proc/codemie", CODEMIE_JWT_TOKEN: token, CODEMIE_URL: sandbox.origin };
  const running = person.start(["proxy", "start"], { env: alone });
  await running.says(/# curl\n.*\n/);
  const line = (title: string) => new RegExp(`# ${title}\\n(.*)\\n`).exec(running.output)?.[1] ?? "";
  expect(line("Claude Code")).toMatch(/^ANTHROPIC_BASE_URL=http:\S+ ANTHROPIC_AUTH_TOKEN=[\w-]{43} claude$/);
  expect(JSON.parse((await shell(line("curl"))).out).data.length).toBe(3);
  running.kill("SIGTERM");
  expect((await running.finished()).code).toBe(0);
});

test("Codex without a gateway: its auth command is codemie token", async () => {
  const home = join(person.home, ".codex");
  mkdirSync(home);
  writeFileSync(
    join(home, "config.toml"),
    `model = "gpt-5.2"
model_provider = "codemie"

[model_providers.codemie]
name = "CodeMie"
base_url = "${sandbox.origin}/code-assistant-api/v1"
wire_api = "responses"

[model_providers.codemie.auth]
command = "codemie"
args = ["token"]
`,
  );
  const token = await sandbox.front.mintToken("ci");
  env.CODEMIE_JWT_TOKEN = token;
  env.CODEMIE_URL = sandbox.origin;
  const { code, out } = await shell("codex exec --skip-git-repo-check 'say it'");
  expect([code, out]).toEqual([0, expect.stringContaining("The sandbox heard: ")]);
  expect(sandbox.calls("/v1/responses").at(-1)?.headers.authorization).toBe(`Bearer ${token}`);
});
