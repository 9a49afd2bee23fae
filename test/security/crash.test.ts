import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { maskSecrets } from "../../src/core/secret-arguments.ts";
import { codemie, codemieClaude, Person } from "../support/codemie.ts";
import { beginLogin } from "../support/login.ts";
import { RawBridge } from "../support/mcp/bridge.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { startScripted } from "../support/mcp/scripted.ts";
import { commandOf, someone, testWithOthers } from "../support/other-user.ts";
import { Probe } from "../support/probe.ts";
import { goesOn, shownOf } from "../support/processes.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: the list of processes, or a crash, shows a secret of the command line; a crash leaves it in a core file. */

const sandbox = await sharedSandbox();
const secret = "s3cret-of-the-command-line";
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

/** The process that this one started last: the agent comes after its guard. */
const childOf = (pid: number) =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").at(-1));
/** The runtime's own handlers stand: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV. */
function catchesCrashes(pid: number): boolean {
  const caught = BigInt(`0x${/^SigCgt:\s*(\S+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]}`);
  return [4, 5, 6, 7, 8, 11].some((signal) => ((caught >> BigInt(signal - 1)) & 1n) === 1n);
}
const coreLimit = (pid: number) =>
  /^Max core file size\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1];

for (const signal of cases(["SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGKILL"] as const)) {
  test(`${signal} ends the agent too, and what is said is ours and holds no token`, async () => {
    const token = await sandbox.front.mintToken("ci");
    const probe = new Probe(person, ["--base-url", sandbox.origin, "--jwt-token", token]);
    await probe.started();
    const { pid } = probe.running;
    const agent = childOf(pid);
    expect(shownOf(pid, "cmdline")).toEndWith(`--base-url\n${sandbox.origin}\n--jwt-token\n[redacted]\n`);
    probe.running.kill(signal);
    // The output ends when everybody who holds it has ended: agent and guard too.
    const { out, err } = await probe.running.finished();
    expect(goesOn(agent)).toBe(false);
    expect(err).toContain("error: codemie crashed, so Claude Code was stopped");
    expect(err).toContain("can see a token on the command line");
    expect(out + err).not.toMatch(/\bbun\b/i);
    expect((out + err).includes(token)).toBe(false);
    expect(readdirSync(person.cwd)).toEqual([]);
    expect(sandbox.record.some(({ headers }) => headers.authorization === `Bearer ${token}`)).toBe(true);
  });
}

ciTest("an agent behind wrappers is ended too, even one that does not want to, with all it started", async () => {
  person.install("tool", "#!/bin/sh\necho tool $$ ready\nwhile :; do /bin/sleep 1; done\n");
  person.install(
    "real-claude",
    "#!/bin/sh\ntrap '' TERM\ntool &\necho agent $$ ready\nwhile :; do /bin/sleep 1; done\n",
  );
  person.install("shim (1) x", '#!/bin/sh\nreal-claude "$@"\necho came back\n');
  person.install("claude", '#!/bin/sh\n"shim (1) x" "$@"\n');
  const token = await sandbox.front.mintToken("ci");
  const env = { CODEMIE_JWT_TOKEN: token };
  const running = person.start(["--base-url", sandbox.origin], { program: codemieClaude, env });
  const pids = [await running.says(/tool (\d+) ready/), await running.says(/agent (\d+) ready/)];
  running.kill("SIGKILL");
  const { err } = await running.finished();
  expect(pids.map(([, pid]) => goesOn(Number(pid)))).toEqual([false, false]);
  expect(err).toContain("error: codemie crashed, so Claude Code was stopped");
});

test("an agent that starts others without end is ended with all of them", async () => {
  person.install(
    "claude",
    "#!/bin/sh\necho agent ready $ANTHROPIC_BASE_URL\ni=0\nwhile [ $((i += 1)) -lt 2000 ]; do /bin/sleep 600 & /bin/sleep 0.01; done\nexec /bin/sleep 600\n",
  );
  const env = { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") };
  const running = person.start(["--base-url", sandbox.origin], { program: codemieClaude, env });
  const [, gateway = ""] = await running.says(/agent ready (\S+)/);
  // It answers once the run's start is over, and the guard knows the agent.
  await fetch(gateway);
  running.kill("SIGKILL");
  // Each of them holds the output.
  expect((await running.finished()).err).toContain("error: codemie crashed, so Claude Code was stopped");
});

test("the guard is there before the agent is", async () => {
  person.install("claude", '#!/bin/sh\necho "$$ among $(cat /proc/$PPID/task/$PPID/children)"\n');
  const env = { CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") };
  const { out } = await person.run(["--base-url", sandbox.origin], { program: codemieClaude, env });
  const [, agent, guard, last] = /(\d+) among (\d+) (\d+)/.exec(out) ?? [];
  expect([last, guard === agent]).toEqual([agent, false]);
});

testWithOthers("the guard says that an agent was stopped only when it was", async () => {
  const child = Bun.spawn(["sleep", "60"]);
  const guard = join(import.meta.dir, "../../src/platform/child-guard.ts");
  // Root's process, and a guard that may not end it.
  const code = `(await import(${JSON.stringify(guard)})).startGuard({ stopped: "stopped", goesOn: "goes on" }).watch(${child.pid});
    process.kill(process.pid, "SIGKILL")`;
  const script = join(person.root, "guard.ts");
  writeFileSync(script, code);
  Bun.spawnSync(["chmod", "-R", "a+rX", person.root]);
  const watched = Bun.spawn(commandOf(someone, process.execPath, script), { cwd: "/", stderr: "pipe" });
  expect(await watched.stderr.text()).toBe("goes on\n");
  child.kill();
});

test("every start of the program contains its crashes, the helper that holds a port too", async () => {
  const server = await startScripted();
  const bridge = new RawBridge(person, [server.url]);
  const byName = new RawBridge(person, ["mcp-proxy", server.url], { program: codemie });
  for (const one of [bridge, byName]) await one.initialize();
  const { login } = await beginLogin(person, sandbox);
  const other = new Person();
  const { login: left } = await beginLogin(other, sandbox);
  left.kill("SIGINT");
  await left.finished();
  const pids = [login.pid, bridge.child.pid, byName.child.pid, ...other.holders()];
  expect(pids.map(catchesCrashes)).toEqual([false, false, false, false]);
  expect(pids.map(coreLimit)).toEqual(["0", "0", "0", "0"]);
  login.kill("SIGKILL");
  for (const one of [bridge, byName]) await one.end();
  await server.close();
  other.remove();
});

test("a token from a shell's <(…) is read, though a secret beside it makes the program start anew", async () => {
  person.install("claude", '#!/bin/sh\necho "agent got $*"\n');
  const token = await sandbox.front.mintToken("ci");
  const file = join(person.root, "token");
  writeFileSync(file, token);
  const page = "https://example.com/issue?id=1";
  for (const way of ["--jwt-token-file <(cat $FILE)", "--jwt-token-file /proc/self/fd/7 7< $FILE"]) {
    const line = `exec ${codemieClaude} --base-url ${sandbox.origin} --task '${page}' ${way}`;
    const child = Bun.spawn(["bash", "-c", line], {
      cwd: person.cwd,
      env: { ...person.env, FILE: file },
      stdio: ["ignore", "pipe", "pipe"],
    });
    expect([await child.stderr.text(), await child.stdout.text()]).toEqual(["", expect.stringContaining(page)]);
  }
});

test("no core file, though the shell allows them; an agent keeps the shell's limit", async () => {
  const ours = (limit: string) => Bun.spawnSync(["prlimit", "--pid", String(process.pid), `--core=${limit}:`]);
  expect(ours("unlimited").exitCode).toBe(0);
  const token = await sandbox.front.mintToken("ci");
  const probe = new Probe(person, ["--base-url", sandbox.origin, "--jwt-token", token]);
  await probe.started();
  ours("0");
  const { pid } = probe.running;
  expect([coreLimit(pid), coreLimit(childOf(pid))]).toEqual(["0", "unlimited"]);
  probe.running.kill("SIGSEGV");
  await probe.running.finished();
  expect(readdirSync(person.cwd)).toEqual([]);
});

testWithOthers("an agent reads neither the environment nor the memory of the codemie that started it", async () => {
  const token = await sandbox.front.mintToken("ci");
  person.install("claude", "#!/bin/sh\ncd /proc/$PPID\n{ cat environ; cat mem; cat maps; ls fd; } 2>&1\nexit 0\n");
  expect(Bun.spawnSync(["chown", "-R", String(someone), person.root]).exitCode).toBe(0);
  const child = Bun.spawn(commandOf(someone, codemieClaude, "--base-url", sandbox.origin, "--task", "x"), {
    cwd: person.cwd,
    env: { ...person.env, PATH: `${person.root}/bin:/usr/bin:/bin`, CODEMIE_JWT_TOKEN: token },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err] = [await child.stdout.text(), await child.stderr.text()];
  expect([await child.exited, err]).toEqual([0, ""]);
  for (const one of ["environ", "mem", "maps", "fd"]) expect(out).toMatch(new RegExp(`${one}'?: Permission denied`));
  expect(out + err).not.toContain(token);
});

test("what an agent starts at each event contains its crashes too", async () => {
  const ours = (limit: string) => Bun.spawnSync(["prlimit", "--pid", String(process.pid), `--core=${limit}:`]);
  for (const args of [
    ["hook", person.codemieHome],
    ["status-line", join(person.root, "none")],
  ]) {
    ours("unlimited");
    // It waits for its input.
    const child = Bun.spawn([codemie, ...args], { cwd: person.cwd, env: person.env, stdin: "pipe" });
    ours("0");
    while (coreLimit(child.pid) !== "0") await Bun.sleep(10);
    expect(catchesCrashes(child.pid)).toBe(false);
    child.stdin.end();
    expect(await child.exited).toBe(0);
  }
});

for (const [flags, shown] of cases([
  [["--header", `Authorization: Bearer ${secret}`], "--header\n[redacted]\n"],
  [[`--header=X-Api-Key: ${secret}`], "--header=[redacted]\n"],
] as const)) {
  test(`the bridge: ${flags[0].split("=")[0]} is sent, and neither listed nor printed`, async () => {
    const server = await startScripted();
    const bridge = new RawBridge(person, [`${server.url}?key=${secret}`, ...flags]);
    await bridge.initialize();
    expect(shownOf(bridge.child.pid, "cmdline")).toEndWith(`${server.url}?[redacted]\n${shown}`);
    expect(JSON.stringify(server.record[0]?.headers)).toContain(secret);
    bridge.child.kill("SIGSEGV");
    await bridge.exited();
    expect(bridge.err).not.toContain(secret);
    await server.close();
  });
}

test("the bridge: the value of --authorize-param that is a secret is sent, and not listed", async () => {
  const server = await startProtected();
  const flags = ["--authorize-param", `id_token_hint=${secret}`, "--authorize-param", "login_hint=me"];
  const bridge = new AuthorizedBridge(server.url, flags);
  await bridge.initialize();
  const shown = "--authorize-param\nid_token_hint=[redacted]\n--authorize-param\nlogin_hint=me\n";
  expect(shownOf(bridge.child.pid, "cmdline")).toEndWith(`${server.url}\n${shown}`);
  expect(server.calls("/authorize")[0]?.query.get("id_token_hint")).toBe(secret);
  await bridge.finish();
  await server.close();
});

test("a variable that another process left behind changes no command line", async () => {
  const env = { CODEMIE_MASKED_ARGUMENTS: JSON.stringify({ pid: 1, secrets: [[0, "setup"]] }) };
  const { out, code } = await person.run(["profile"], { env });
  expect([code, out]).toEqual([0, expect.stringContaining("no profiles yet")]);
});

const variable = "$" + "{MCP_KEY}";
const masked: [string[], string[] | undefined][] = [
  [
    ["--jwt-token", secret],
    ["--jwt-token", "[redacted]"],
  ],
  [[`--jwt-token=${secret}`], ["--jwt-token=[redacted]"]],
  [
    ["--jwt_token", secret],
    ["--jwt_token", "[redacted]"],
  ],
  [
    ["--JWT-Token", secret],
    ["--JWT-Token", "[redacted]"],
  ],
  [
    ["-jwt-token", secret],
    ["-jwt-token", "[redacted]"],
  ],
  [
    ["claude", "--api-key", secret, "--task", "x"],
    ["claude", "--api-key", "[redacted]", "--task", "x"],
  ],
  [[`--api-key=--${secret}`], ["--api-key=[redacted]"]],
  [
    ["--api-key", `--${secret}`],
    ["--api-key", "[redacted]"],
  ],
  [
    ["--client-secret", secret],
    ["--client-secret", "[redacted]"],
  ],
  [
    ["--header", `X: ${secret}`, "--header", `Y: ${secret}`],
    ["--header", "[redacted]", "--header", "[redacted]"],
  ],
  [[`https://x.example/mcp?key=${secret}`], ["https://x.example/mcp?[redacted]"]],
  [[`https://x.example/mcp#${secret}`], ["https://x.example/mcp#[redacted]"]],
  [[`--url=https://u:${secret}@x.example/a`], ["--url=https://x.example/a"]],
  [["--jwt-token", "-"], undefined],
  [["--id-token", "github"], undefined],
  [["--id-token=env:JOB_IDENTITY", "--id-token", "file:/run/token"], undefined],
  [
    ["--id-token", secret, `--id-token=env:${secret}.x`],
    ["--id-token", "[redacted]", "--id-token=[redacted]"],
  ],
  [["--jwt-token-file", "/run/token", "--header-env", "X-Api-Key: KEY"], undefined],
  [["--header", `Authorization: Bearer ${variable}`, "--header", `X: ${variable}`], undefined],
  [
    ["--authorize-param", `id_token_hint=${secret}`, "--authorize-param", `client_secret=${secret}=`],
    ["--authorize-param", "id_token_hint=[redacted]", "--authorize-param", "client_secret=[redacted]"],
  ],
  [[`--authorize-param=Client-Assertion=${secret}`], ["--authorize-param=Client-Assertion=[redacted]"]],
  [["--authorize-param", "login_hint=me@example.com", "--authorize-param=audience=a", "id_token_hint=x"], undefined],
  [["--authorize-param", "id_token_hint=", "--authorize-param"], undefined],
  [["--task", "what is a token?", "https://x.example/mcp"], undefined],
];
for (const [args, shown] of cases(masked)) {
  test(`masked: ${args.join(" ").replaceAll(secret, "…")}`, () => {
    const found = maskSecrets(args);
    expect(found?.shown).toEqual(shown);
    const typed = new Map(found?.secrets);
    expect(found?.shown.map((arg, i) => typed.get(i) ?? arg)).toEqual(found && args);
  });
}
