import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { claude } from "../../src/agents/claude.ts";
import { claudeFolder, codemieClaude, Person, withClaude } from "../support/codemie.ts";
import { startGateway } from "../support/gateway.ts";
import { logIn } from "../support/login.ts";
import { Probe } from "../support/probe.ts";
import { isStopped } from "../support/processes.ts";
import { Pty } from "../support/pty.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";
import { rekeyCheaply } from "../support/vault-access.ts";

/** How an agent is started, what it gets, and what becomes of its end. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);

test("the agent's exit code is ours", async () => {
  const probe = new Probe(loggedIn.copy());
  await probe.started();
  expect((await probe.stop(42)).code).toBe(42);
});

for (const [signal, code] of cases([
  ["SIGTERM", 7],
  ["SIGHUP", 8],
  ["SIGINT", 9],
] as const)) {
  test(`${signal} reaches the agent, and its answer comes back`, async () => {
    const person = loggedIn.copy();
    const probe = new Probe(person);
    await probe.started();
    probe.running.kill(signal);
    expect((await probe.running.finished()).code).toBe(code);
    expect(readdirSync(join(person.codemieHome, "run")).filter((name) => name.startsWith("agent-"))).toEqual([]);
    person.remove();
  });
}

test("ours is taken, the rest goes on untouched and in order, everything after -- too", async () => {
  const probe = new Probe(loggedIn.copy(), [
    "--verbose",
    "--profile=default",
    "--add-dir",
    "a b",
    "-s",
    "a prompt",
    "--",
    "--model",
    "x",
    "--jwt-tokn",
    "--",
    "",
  ]);
  const { args } = await probe.started();
  const { err } = await probe.stop();
  expect(args[0]).toBe("--settings");
  expect(args.slice(2, 6)).toEqual(["--plugin-dir", expect.any(String), "--setting-sources", "user"]);
  expect(args.slice(6)).toEqual(["--verbose", "--add-dir", "a b", "a prompt", "--model", "x", "--jwt-tokn", "--", ""]);
  expect(err).toBe("");
});

test("a subcommand of Claude Code gets its arguments untouched, without login or gateway", async () => {
  const person = new Person();
  const added = await person.run(["mcp", "add", "-s", "user", "tracker", "--", "npx", "--model", "x"], {
    program: codemieClaude,
    env: { ...withClaude(person), CODEMIE_JWT_TOKEN: "secret" },
  });
  expect(added).toMatchObject({ code: 0, err: "" });
  const { mcpServers } = await Bun.file(join(person.home, ".claude.json")).json();
  expect(mcpServers).toEqual({ tracker: { type: "stdio", command: "npx", args: ["--model", "x"], env: {} } });
  person.remove();
});

test("the subcommands and flags of Claude Code that its help names are known", async () => {
  const person = new Person();
  const { out } = await person.run(["--help"], { program: join(claudeFolder, "claude") });
  const [flags = "", commands = ""] = out.split("\nCommands:\n");
  const words = [...commands.matchAll(/^ {2}([a-z|-]+)/gm)].flatMap(([, names = ""]) => names.split("|"));
  expect(words.filter((word) => !claude.own.subcommands.has(word))).toEqual([]);
  const named = [...flags.matchAll(/^ {2}(-[^ ,\n]+)(?:, (-[^ \n]+))?(?: ([<[])[^ ]*?(\.\.\.)?[>\]])?/gm)];
  const ours = ["--model", "--resume", "--help", "-h", "--version"];
  for (const [, first = "", second, bracket, dots] of named) {
    const takes = dots ? "many" : bracket === "<" ? "one" : bracket === "[" ? "optional" : "none";
    for (const flag of [first, second])
      if (flag && !ours.includes(flag)) expect([flag, claude.own.flags.get(flag)]).toEqual([flag, takes]);
  }
  person.remove();
});

test("an agent that stops only itself stops the job, and fg wakes it", async () => {
  const person = loggedIn.copy();
  person.install("claude", "#!/bin/sh\necho agent ready\nread -r line\nkill -STOP $$\necho agent awake\nexit 5\n");
  const pty = new Pty(person, ["--norc", "--noprofile", "-i"], { PS1: "shell> " }, "/bin/bash");
  await pty.shows(/shell> /);
  pty.type(`${codemieClaude}; echo its code: $?\r`);
  await pty.shows(/agent ready/);
  pty.type("\r");
  await pty.shows(/Stopped[\s\S]*shell> /);
  pty.type("fg; echo its code: $?\r");
  await pty.shows(/agent awake[\s\S]*its code: 5/);
  pty.type("exit\r");
  await pty.ended();
  person.remove();
});

ciTest("the last line of an interactive run is a command that continues the session here", async () => {
  const person = loggedIn.copy();
  const trusted = { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true };
  const settings = { hasCompletedOnboarding: true, theme: "dark", projects: { [person.cwd]: trusted } };
  writeFileSync(join(person.home, ".claude.json"), JSON.stringify(settings));
  const pty = new Pty(person, ["claude", "--profile", "default", "say hello"], withClaude(person));
  await pty.shows(/sandbox[^\n]*heard:/);
  pty.type("/exit");
  await pty.shows(/Exit[^\n]*the CLI/);
  pty.type("\r");
  await pty.ended();
  expect(pty.screen).toMatch(/Resume this session with:[^\n]*\r\n[^\n]*codemie-claude --resume [0-9a-f-]{36}/);
  expect(pty.screen).toContain("to go on with the session later: codemie-claude --profile default --resume\r\n");
  person.remove();
});

test("without a terminal there is no banner, whatever flag makes it a run of one prompt", async () => {
  const person = loggedIn.copy();
  person.install("claude", "#!/bin/sh\necho done\n");
  for (const args of [["-p", "hello"], ["--print", "hello"], []]) {
    expect(await person.run(["claude", ...args])).toMatchObject({
      out: "done\n",
      err: expect.not.stringContaining("codemie ·"),
    });
  }
  person.remove();
});

test("Ctrl-Z that stops the agent and us, and fg", async () => {
  const person = loggedIn.copy();
  person.install("claude", "#!/bin/sh\necho agent $$ ready\nread -r line\necho agent heard $line\nexit 6\n");
  const pty = new Pty(person, ["--norc", "--noprofile", "-i"], { PS1: "shell> " }, "/bin/bash");
  await pty.shows(/shell> /);
  pty.type(`${codemieClaude}\r`);
  const [, agent] = await pty.shows(/agent (\d+) ready/);
  pty.type("\x1a");
  await pty.shows(/Stopped[\s\S]*shell> /);
  // The shell waits for us alone: an agent that has not stopped yet would read of what is typed for the shell.
  while (!isStopped(Number(agent))) await Bun.sleep(10);
  pty.type("fg; echo its code: $?\r");
  await pty.shows(/fg;[\s\S]*codemie-claude/);
  pty.type("you\r");
  await pty.shows(/agent heard you[\s\S]*its code: 6/);
  pty.type("exit\r");
  await pty.ended();
  person.remove();
});

test("--task, --resume and --reasoning-effort become the agent's own flags", async () => {
  const probe = new Probe(loggedIn.copy(), ["--task", "-- do it", "--resume", "s1", "--reasoning-effort", "high"]);
  const { args } = await probe.started();
  await probe.stop();
  expect(args.slice(2)).toEqual([
    "--plugin-dir",
    expect.stringMatching(/\/\.codemie\/claude-plugin\/\d+\.\d+\.\d+$/),
    "--setting-sources",
    "user",
    "--resume",
    "s1",
    "--effort",
    "high",
    "--print",
    "--",
    "-- do it",
  ]);
});

test("the environment: models by tier, loopback past every proxy, no secret of ours, a 0600 settings file", async () => {
  const person = loggedIn.copy();
  const passphrase = "it opens the vault, and goes no further";
  await rekeyCheaply(person, passphrase);
  const probe = new Probe(person, ["--model", "claude-haiku-4-5"], {
    CODEMIE_VAULT_PASSPHRASE: passphrase,
    HTTP_PROXY: "http://proxy.invalid",
    NO_PROXY: "intranet",
    CODEMIE_API_KEY: "x",
    ANTHROPIC_API_KEY: "z",
    CLAUDE_CODE_USE_BEDROCK: "1",
    KEPT: "1",
  });
  const { env, args, url, key } = await probe.started();
  expect(env).toMatchObject({
    ANTHROPIC_MODEL: "claude-haiku-4-5",
    ANTHROPIC_DEFAULT_HAIKU_MODEL: "claude-haiku-4-5",
    ANTHROPIC_DEFAULT_SONNET_MODEL: "claude-sonnet-4-6",
    ANTHROPIC_DEFAULT_OPUS_MODEL: "claude-haiku-4-5",
    NO_PROXY: "intranet,localhost,127.0.0.1,127.0.0.0/8,::1",
    no_proxy: "intranet,localhost,127.0.0.1,127.0.0.0/8,::1",
    KEPT: "1",
    CLAUDE_CODE_RESUME_HINT_COMMAND: "codemie-claude",
  });
  for (const name of [
    "CODEMIE_JWT_TOKEN",
    "CODEMIE_VAULT_PASSPHRASE",
    "ANTHROPIC_API_KEY",
    "CLAUDE_CODE_USE_BEDROCK",
  ]) {
    expect(env).not.toHaveProperty(name);
  }
  const settings = args[1] ?? "";
  expect(statSync(settings).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(settings)).mode & 0o777).toBe(0o700);
  expect((await Bun.file(settings).json()).env).toMatchObject({ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: key });
  await probe.stop();
  expect(existsSync(settings)).toBe(false);
});

test("repository and branch are told without running git", async () => {
  const person = loggedIn.copy();
  mkdirSync(join(person.cwd, ".git"));
  writeFileSync(join(person.cwd, ".git/HEAD"), "ref: refs/heads/feature/one\n");
  writeFileSync(
    join(person.cwd, ".git/config"),
    '[core]\n\tfsmonitor = touch owned\n[remote "origin"]\n\turl = https://u:secret@git.example.com/team/repo.git\n',
  );
  await using gateway = await startGateway(person);
  await gateway.post();
  const { headers } = sandbox.calls("/v1/messages").at(-1) ?? { headers: {} };
  expect(headers).toMatchObject({
    "x-codemie-repository": "team/repo",
    "x-codemie-branch": "feature/one",
    "x-codemie-client": "codemie-claude",
    "x-codemie-cli-model": "claude-sonnet-4-6",
  });
  expect(existsSync(join(person.cwd, "owned"))).toBe(false);
});

test("a host that does not answer in time is a 504", async () => {
  await using gateway = await startGateway(loggedIn.copy(), ["--timeout", "1"]);
  sandbox.settings.answer = (_seen, response) => new Promise((resolve) => response.on("close", resolve));
  const answer = await gateway.post();
  expect(answer.status).toBe(504);
  expect(await answer.json()).toMatchObject({ type: "error", error: { type: "timeout_error" } });
});

test("without a login nothing starts: exit 4 and the command", async () => {
  const person = new Person();
  const { session } = await logIn(person, sandbox);
  const env = withClaude(person);
  session.revoked = true;
  const ended = await person.run(["--task", "x"], { program: codemieClaude, env });
  expect(ended.code).toBe(4);
  expect(ended.err).toContain(`hint: run codemie profile login --profile default`);
  await person.run(["profile", "logout"]);
  const never = await person.run(["--task", "x"], { program: codemieClaude, env });
  expect(never.code).toBe(4);
  expect(never.err).toStartWith("error: not logged in to ");
  person.remove();
});

ciTest("a session that ends in mid-run: Claude Code shows the command that helps", async () => {
  const person = loggedIn.copy();
  sandbox.settings.answer = (_seen, response) => void response.writeHead(302, { location: "/oauth2/start" }).end();
  const env = { ...withClaude(person), CLAUDE_CODE_MAX_RETRIES: "0" };
  const { code, out, err } = await person.run(["--task", "x"], { program: codemieClaude, env });
  expect(code).not.toBe(0);
  expect(out + err).toContain(`codemie profile login --profile default`);
  person.remove();
});

test("asked for its version, the agent sees none of our secrets", async () => {
  const person = new Person();
  person.install("claude", '#!/bin/sh\necho "9.9.9 [$CODEMIE_JWT_TOKEN$CODEMIE_VAULT_PASSPHRASE]"\n');
  const env = { CODEMIE_JWT_TOKEN: "secret", CODEMIE_VAULT_PASSPHRASE: "secret" };
  const { out, code } = await person.run(["--version"], { program: codemieClaude, env });
  expect(code).toBe(0);
  expect(out).toMatch(/^codemie \d+\.\d+\.\d+ \(\w+\)\nclaude 9\.9\.9 \[\]\n$/);
  person.remove();
});
