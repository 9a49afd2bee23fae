import { beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  chosen,
  codemieFor,
  otherAgents,
  recordingAgent,
  threeMakers,
  trusting,
  withAgents,
} from "../support/agents.ts";
import { Person } from "../support/codemie.ts";
import { Pty } from "../support/pty.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** OpenCode, Codex and Gemini CLI: the real ones answer through the gateway; what each is told. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
beforeEach(() => threeMakers(sandbox));

/** The model calls that the host received. */
const modelCalls = () => sandbox.record.filter((seen) => seen.method === "POST");

for (const agent of cases(otherAgents, 1)) {
  test(`${agent} answers a task, logged in by browser: the host sees the session, and no key of the gateway`, async () => {
    const person = loggedIn.copy();
    const env = withAgents(person);
    const args = ["--task", "-- say hello", ...trusting[agent]];
    const { code, out } = await person.run(args, { program: codemieFor(agent), env });
    expect([code, out]).toEqual([0, expect.stringContaining("The sandbox heard: ")]);
    expect(out).toContain("-- say hello");
    const calls = modelCalls();
    expect(calls.length).toBeGreaterThan(0);
    for (const { headers, target } of calls) {
      expect(headers.cookie).toContain("_oauth2_proxy");
      expect(headers["x-codemie-client"]).toBe(`codemie-${agent}`);
      expect([headers.authorization, headers["x-api-key"], headers["x-goog-api-key"]]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect(target).not.toContain("key=");
    }
    expect(JSON.stringify(calls.at(-1))).toContain(chosen[agent]);
    expect(readdirSync(join(person.codemieHome, "run")).filter((name) => name.startsWith("agent-"))).toEqual([]);
    person.remove();
  });

  ciTest(`${agent} in a pipeline: a token of the environment, no home, and a session that ends is said`, async () => {
    const person = new Person();
    const token = await sandbox.front.mintToken("ci");
    const env = { ...withAgents(person), CODEMIE_URL: sandbox.origin, CODEMIE_JWT_TOKEN: token };
    const run = () => person.run(["--task", "hello", ...trusting[agent]], { program: codemieFor(agent), env });
    const { code, out } = await run();
    expect([code, out]).toEqual([0, expect.stringContaining("The sandbox heard: ")]);
    for (const { headers } of modelCalls()) expect(headers.authorization).toBe(`Bearer ${token}`);
    sandbox.settings.answer = (_seen, response) => {
      response.writeHead(401, { "content-type": "application/json" });
      response.end('{"error":{"message":"Authentication failed"}}');
    };
    const ended = await run();
    expect(ended.out + ended.err).toContain("CODEMIE_JWT_TOKEN");
    person.remove();
  });

  ciTest(`${agent} at a terminal answers too`, async () => {
    const person = loggedIn.copy();
    mkdirSync(join(person.home, ".codex"));
    writeFileSync(
      join(person.home, ".codex/config.toml"),
      `[projects.${JSON.stringify(person.cwd)}]\ntrust_level = "trusted"\n`,
    );
    const args = { opencode: ["--prompt", "hello"], codex: ["hello"], gemini: ["--skip-trust", "-i", "hello"] }[agent];
    const pty = new Pty(person, args, withAgents(person), codemieFor(agent));
    // One word: a screen that is drawn anew in between may put anything between two.
    await pty.shows(/heard/);
    // Gemini CLI's launcher lets no signal through to itself; a person types this, or closes the window.
    if (agent === "gemini") {
      await pty.shows(/Type your message/);
      await pty.enters("/quit", pty.ended());
    } else pty.kill("SIGTERM");
    await pty.ended();
    expect(readdirSync(join(person.codemieHome, "run")).filter((name) => name.startsWith("agent-"))).toEqual([]);
    person.remove();
  });
}

/** Runs one of our programs with a recording agent in place of the real one. */
async function started(agent: string, args: readonly string[], env: Record<string, string> = {}) {
  const person = loggedIn.copy();
  const seen = recordingAgent(person, agent);
  const { code, err } = await person.run(args, { program: codemieFor(agent), env });
  const recorded = code === 0 ? await seen() : { args: [], env: {} as Record<string, string> };
  person.remove();
  return { code, err, ...recorded };
}

const task = ["--task", "do -it", "--silent"];
for (const [agent, typed, expected] of cases([
  [
    "opencode",
    [...task, "--share"],
    ["run", "--model", "codemie/claude-sonnet-4-6", "--dir", "CWD", "--share", "--", "do -it"],
  ],
  ["opencode", ["--resume", "ses_1"], ["--model", "codemie/claude-sonnet-4-6", "--session", "ses_1"]],
  ["opencode", ["--resume"], ["--model", "codemie/claude-sonnet-4-6", "--continue"]],
  ["opencode", ["run", "-m", "gpt-5.2", "x"], ["run", "--model", "codemie/gpt-5.2", "--dir", "CWD", "x"]],
  [
    "opencode",
    ["--auto", "run", "--dir", "sub", "x"],
    ["run", "--model", "codemie/claude-sonnet-4-6", "--dir", "CWD/sub", "--auto", "x"],
  ],
  ["opencode", ["-m", "codemie/gpt-5.2"], ["--model", "codemie/gpt-5.2"]],
  ["opencode", ["serve", "--port", "0"], ["serve", "--port", "0"]],
  ["codex", task, ["exec", "--", "do -it"]],
  ["codex", [...task, "--resume", "s1"], ["exec", "resume", "s1", "--", "do -it"]],
  ["codex", [...task, "--resume"], ["exec", "resume", "--last", "--", "do -it"]],
  ["codex", ["--resume", "s1"], ["--no-daemon", "resume", "s1"]],
  ["codex", ["exec", "--json", "x"], ["exec", "--json", "x"]],
  ["codex", ["--sandbox", "read-only", "x"], ["--no-daemon", "--sandbox", "read-only", "x"]],
  ["gemini", [...task, "-y"], ["--model", "gemini-2.5-pro", "-y", "--prompt=do -it"]],
  ["gemini", ["--resume"], ["--model", "gemini-2.5-pro", "--resume", "latest"]],
] as const)) {
  test(`codemie-${agent} ${typed.join(" ")} becomes ${expected.join(" ")}`, async () => {
    const { args, code } = await started(agent, typed);
    const ours = agent === "codex" ? args.filter((arg, n) => arg !== "-c" && args[n - 1] !== "-c") : args;
    expect([code, ours.map((arg) => arg.replace(/^.*\/cwd(?=$|\/)/, "CWD"))]).toEqual([0, [...expected]]);
  });
}

test("OpenCode: what chooses providers is pinned, GPT models take responses, the user's own content goes along", async () => {
  const given = { theme: "x", share: "auto", provider: { mine: { name: "Mine" } } };
  const { env } = await started("opencode", ["--reasoning-effort", "max"], {
    OPENCODE_CONFIG_CONTENT: JSON.stringify(given),
  });
  const content = JSON.parse(env.OPENCODE_CONFIG_CONTENT ?? "");
  expect(content).toMatchObject({
    theme: "x",
    model: "codemie/claude-sonnet-4-6",
    small_model: "codemie/claude-sonnet-4-6",
    enabled_providers: ["codemie"],
    disabled_providers: [],
    share: "disabled",
    autoupdate: false,
    provider: { mine: { name: "Mine" }, codemie: { npm: "@ai-sdk/openai-compatible" } },
  });
  const { options, models } = content.provider.codemie;
  expect(options.baseURL).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
  expect(Object.keys(models)).toEqual(["claude-sonnet-4-6", "gpt-5.2", "gemini-2.5-pro"]);
  expect(models["gpt-5.2"].provider).toEqual({ npm: "@ai-sdk/openai" });
  expect(models["claude-sonnet-4-6"]).not.toHaveProperty("provider");
  expect(models["claude-sonnet-4-6"].options).toEqual({ reasoningEffort: "xhigh" });
  const bad = await started("opencode", [], { OPENCODE_CONFIG_CONTENT: "{" });
  expect([bad.code, bad.err]).toEqual([2, expect.stringContaining("OPENCODE_CONFIG_CONTENT is not a readable")]);
});

test("Codex: its key is in no argument; the account's models are described as it describes them", async () => {
  const person = loggedIn.copy();
  const own = {
    models: [{ slug: "gpt-9", use_responses_lite: false, base_instructions: "b", upgrade: { model: "x" } }],
  };
  const [args, file] = [join(person.root, "args"), join(person.root, "catalogue")];
  person.install(
    "codex",
    `#!/bin/sh
if [ "$1" = debug ]; then echo '${JSON.stringify(own)}'; exit; fi
printf '%s\\n' "$@" > '${args}'
cp "$(printf '%s\\n' "$@" | sed -n 's/^model_catalog_json="\\(.*\\)"$/\\1/p')" '${file}'
echo "$CODEMIE_GATEWAY_KEY"
`,
  );
  const { code, out } = await person.run(["--reasoning-effort", "max"], { program: codemieFor("codex") });
  const typed = await Bun.file(args).text();
  expect(code).toBe(0);
  expect(out.trim()).toMatch(/^[\w-]{43}$/);
  expect(typed).not.toContain(out.trim());
  expect(typed).toContain('model_reasoning_effort="xhigh"');
  const { models } = await Bun.file(file).json();
  expect(models).toEqual([
    {
      slug: "gpt-5.2",
      display_name: "gpt-5.2",
      description: "",
      use_responses_lite: false,
      base_instructions: "b",
      upgrade: null,
      availability_nux: null,
      visibility: "list",
    },
  ]);
  person.remove();
});

ciTest("Codex outside of a repository: the note names our flag, and there is none where it works", async () => {
  const person = loggedIn.copy();
  const run = (...args: string[]) => person.run(args, { program: codemieFor("codex"), env: withAgents(person) });
  const note = "Codex runs no task outside of one; if you trust the folder, --trust-folder lets it";
  const refused = await run("--task", "hello");
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining(note)]);
  const { code, err } = await run("exec", "--skip-git-repo-check", "hello");
  expect([code, err]).toEqual([0, expect.not.stringContaining(note)]);
  expect((await run("--task", "hello", "--trust-folder")).err).not.toContain(note);
  mkdirSync(join(person.cwd, ".git"));
  expect((await run("--task", "hello")).err).not.toContain(note);
  person.remove();
});

test("Gemini CLI: the user's own settings, logins and history stay as they are", async () => {
  const person = loggedIn.copy();
  const own = join(person.home, ".gemini");
  mkdirSync(join(own, "tmp"), { recursive: true });
  const settings = '// mine\n{"security":{"auth":{"selectedType":"oauth-personal"}},"ui":{"theme":"x"}}';
  writeFileSync(join(own, "settings.json"), settings);
  writeFileSync(join(own, "oauth_creds.json"), "secret");
  writeFileSync(join(own, "GEMINI.md"), "be kind");
  const seen = recordingAgent(person, "gemini");
  const env = { CODEMIE_TELEMETRY: "off" };
  const run = () => person.run(["--silent"], { program: codemieFor("gemini"), env });
  expect((await run()).code).toBe(0);
  const { env: theirs } = await seen();
  const home = join(theirs.GEMINI_CLI_HOME ?? "", ".gemini");
  expect(home).toBe(join(person.codemieHome, "agents/gemini/.gemini"));
  expect(readdirSync(home).sort()).toEqual(["GEMINI.md", "settings.json", "tmp"]);
  expect(await Bun.file(join(home, "settings.json")).json()).toEqual({
    security: { auth: { selectedType: "gemini-api-key" } },
    ui: { theme: "x" },
  });
  writeFileSync(join(home, "tmp/session"), "kept");
  expect(await Bun.file(join(own, "tmp/session")).text()).toBe("kept");
  expect(await Bun.file(join(own, "settings.json")).text()).toBe(settings);
  writeFileSync(join(own, "settings.json"), "{");
  const bad = await run();
  expect([bad.code, bad.err]).toEqual([2, expect.stringContaining("settings.json is not a readable settings file")]);
  expect(existsSync(join(person.codemieHome, "run/gateway"))).toBe(false);
  person.remove();
});

for (const [agent, model, says] of cases([
  ["codex", "claude-sonnet-4-6", "Codex cannot speak to claude-sonnet-4-6"],
  ["codex", "gemini-2.5-pro", "use --model with one of gpt-5.2"],
  ["gemini", "gpt-5.2", "use --model with one of gemini-2.5-pro"],
] as const)) {
  test(`codemie-${agent} --model ${model}: refused before anything starts, with what would do`, async () => {
    const { code, err } = await started(agent, ["--model", model]);
    expect([code, err]).toEqual([2, expect.stringContaining(says)]);
  });
}

test("the profile's model is for every agent: one that cannot speak to it uses another, and says so", async () => {
  const person = loggedIn.copy();
  person.editConfig((config) => {
    config.profiles.default.model = "claude-sonnet-4-6";
  });
  const { code, err } = await person.run(["--task", "hello", ...trusting.codex], {
    program: codemieFor("codex"),
    env: withAgents(person),
  });
  expect(code).toBe(0);
  expect(err.replaceAll(/\s+/g, " ")).toContain(
    "Codex cannot speak to claude-sonnet-4-6, the profile's model: this run uses gpt-5.2",
  );
  expect(JSON.stringify(modelCalls().at(-1))).toContain("gpt-5.2");
  person.remove();
});

test("an account with no model that would do: what it has is said", async () => {
  sandbox.settings.list = undefined;
  const { code, err } = await started("gemini", []);
  expect(code).toBe(2);
  expect(err.replaceAll(/\s+/g, " ")).toContain("the account has claude-sonnet-4-6, claude-haiku-4-5, gpt-5.2;");
});

test("-s with what another agent means by it is asked about", async () => {
  for (const [agent, args, instead] of [
    ["codex", ["-s", "read-only", "x"], "--sandbox read-only"],
    ["opencode", ["-s", "ses_1"], "--resume ses_1"],
  ] as const) {
    const { code, err } = await started(agent, args);
    expect([code, err]).toEqual([2, expect.stringContaining(instead)]);
  }
});

test("reasoning effort: the nearest level, none where there is none, and a word that is no level", async () => {
  const clamped = await started("claude", ["--reasoning-effort", "minimal"]);
  expect(clamped.args.join(" ")).toContain("--effort low");
  expect(clamped.err).toContain("Claude Code has no reasoning effort minimal, so low is used");
  expect((await started("gemini", ["--reasoning-effort", "high"])).err).toContain("--reasoning-effort changes nothing");
  const none = await started("codex", ["--reasoning-effort", "superb"]);
  expect([none.code, none.err]).toEqual([2, expect.stringContaining("one of minimal, low, medium, high, xhigh, max")]);
});

for (const [agent, name, version, code] of cases([
  ["opencode", "opencode-ai", "2.0.1", 1],
  ["opencode", "opencode-ai", "0.9.0", 1],
  ["codex", "@openai/codex", "0.20.0", 1],
  ["codex", "@openai/codex", "0.171.0", 0],
  ["codex", "another", "0.20.0", 0],
] as const)) {
  test(`${name} ${version} as ${agent}: ${code ? "refused in words" : "started"}`, async () => {
    const person = loggedIn.copy();
    const program = person.install(agent, "#!/bin/sh\nexit 0\n");
    writeFileSync(join(program, "../package.json"), JSON.stringify({ name, version }));
    const ended = await person.run(["--silent"], { program: codemieFor(agent) });
    expect(ended.code).toBe(code);
    if (code) expect(ended.err.replaceAll(/\s+/g, " ")).toContain(`${version} is not supported`);
    person.remove();
  });
}

test("a subcommand goes to the agent as typed, without a login", async () => {
  for (const [agent, words] of [
    ["codex", ["login", "-s", "--", "x"]],
    ["opencode", ["auth", "login", "--model", "x"]],
    ["gemini", ["mcp", "add", "-s", "user", "n", "--", "npx"]],
  ] as const) {
    const person = new Person();
    const seen = recordingAgent(person, agent);
    const { code, err } = await person.run(words, { program: codemieFor(agent) });
    expect([code, err, (await seen()).args]).toEqual([0, "", [...words]]);
    person.remove();
  }
});

for (const [agent, args, says] of cases([
  ["codex", [], true],
  ["codex", ["resume", "s1"], true],
  ["codex", ["exec", "hello"], false],
  ["codex", ["--task", "hello", "--trust-folder"], false],
  ["codex", ["--silent"], false],
  ["opencode", [], true],
  ["opencode", ["--resume", "ses_1"], true],
  ["opencode", ["run", "hello"], false],
  ["opencode", ["-s"], false],
  ["gemini", ["-i", "hello"], true],
  ["gemini", ["-p", "hello"], false],
] as const)) {
  test(`${agent} ${args.join(" ")}: at a terminal, ${says ? "the last line is ours" : "nothing is said of a later run"}`, async () => {
    const person = loggedIn.copy();
    person.install(agent, "#!/bin/sh\necho the agent says how to go on without codemie\n");
    const pty = new Pty(person, args, {}, codemieFor(agent));
    expect(await pty.ended()).toBe(0);
    const ours = `to go on with the session later: codemie-${agent} --resume\r\n`;
    const last = pty.screen.slice(pty.screen.indexOf("without codemie") + "without codemie".length);
    expect(last.includes(ours)).toBe(says);
    person.remove();
  });
}

test("the last line goes on with the profile and the host of the run: what was said is for no other", async () => {
  const person = loggedIn.copy();
  person.install("codex", "#!/bin/sh\necho ends\n");
  expect((await person.run(["profile", "rename", "default", "work"])).code).toBe(0);
  const pty = new Pty(person, ["--profile", "work"], {}, codemieFor("codex"));
  expect(await pty.ended()).toBe(0);
  expect(pty.screen).toContain("to go on with the session later: codemie-codex --profile work --resume\r\n");
  person.remove();
});

test("Claude Code's own names of models are no model of another agent's: it uses the account's", async () => {
  const person = loggedIn.copy();
  expect((await person.run(["config", "set", "model", "sonnet"])).code).toBe(0);
  for (const agent of ["opencode", "codex"] as const) {
    person.install(agent, "#!/bin/sh\necho ends\n");
    const ran = await person.run([agent, "--task", "x"]);
    expect(ran.err).toMatch(/cannot speak to sonnet, the profile's model: this run uses \S+; --model names another/);
    const named = await person.run([agent, "--model", "opus", "--task", "x"]);
    expect([named.code, named.err]).toEqual([2, expect.stringContaining("cannot speak to opus")]);
  }
  person.remove();
});

test("a run that failed, and one whose output nobody sees, say nothing of a later one", async () => {
  const person = loggedIn.copy();
  person.install("codex", "#!/bin/sh\nexit 3\n");
  const pty = new Pty(person, [], {}, codemieFor("codex"));
  expect(await pty.ended()).toBe(3);
  expect(pty.screen).not.toContain("later");
  expect((await started("codex", [])).err).not.toContain("later");
  person.remove();
});

test("gemini: a task in a folder that nobody has trusted names our flag, whether the agent's own words do or not", async () => {
  const person = loggedIn.copy();
  person.install("gemini", "#!/bin/sh\nexit 55\n");
  const run = (...args: string[]) => person.run(args, { program: codemieFor("gemini") });
  const { code, err } = await run("--task", "hello");
  expect([code, err]).toEqual([55, expect.stringContaining("--trust-folder lets it")]);
  expect((await run("-p", "hello")).err).toContain("--trust-folder lets it");
  expect((await run("--silent", "--task", "hello")).err).toBe("");
  expect((await run("--trust-folder", "--task", "hello")).err).not.toContain("--trust-folder");
  person.remove();
});

ciTest("gemini itself refuses a folder that nobody has trusted, and ours says what to add", async () => {
  const person = loggedIn.copy();
  const options = { program: codemieFor("gemini"), env: withAgents(person) };
  const { code, err } = await person.run(["--task", "hello"], options);
  expect([code, err]).toEqual([55, expect.stringContaining("--trust-folder lets it")]);
  person.remove();
});

test("codemie alone, once it is set up, names the profile and the agents that are here, and asks nobody", async () => {
  const person = loggedIn.copy();
  const bin = person.install("codex", "#!/bin/sh\nexit 1\n").replace(/\/[^/]*$/, "");
  person.install("claude", "#!/bin/sh\nexit 1\n");
  const { code, out, err } = await person.run([], { env: { PATH: bin } });
  expect([code, err]).toEqual([0, ""]);
  expect(out).toBe(`profile default at ${sandbox.origin}
  codemie-claude  runs Claude Code
  codemie-codex   runs Codex
Who you are: codemie profile status. All commands: codemie --help.
`);
  expect((await person.run([], { env: { PATH: "/nowhere" } })).out).toContain("codemie install claude");
  expect(sandbox.record).toEqual([]);
  person.remove();
});
