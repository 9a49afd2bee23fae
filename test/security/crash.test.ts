import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { maskSecrets } from "../../src/core/secret-arguments.ts";
import { Person } from "../support/codemie.ts";
import { RawBridge } from "../support/mcp/bridge.ts";
import { startScripted } from "../support/mcp/scripted.ts";
import { Probe } from "../support/probe.ts";
import { goesOn, shownOf } from "../support/processes.ts";
import { sharedSandbox } from "../support/shared.ts";

/** Threat: the list of processes, or a crash, shows a secret of the command line; a crash leaves it in a core file. */

const sandbox = await sharedSandbox();
const secret = "s3cret-of-the-command-line";
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

/** The process that this one started. */
const childOf = (pid: number) => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0]);
const coreLimit = (pid: number) =>
  /^Max core file size\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1];

for (const signal of ["SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGKILL"] as const) {
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

for (const [flags, shown] of [
  [["--header", `Authorization: Bearer ${secret}`], "--header\n[redacted]\n"],
  [[`--header=X-Api-Key: ${secret}`], "--header=[redacted]\n"],
] as const) {
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
  [[`--url=https://u:${secret}@x.example/a`], ["--url=https://x.example/a"]],
  [["--jwt-token", "-"], undefined],
  [["--jwt-token-file", "/run/token", "--header-env", "X-Api-Key: KEY"], undefined],
  [["--header", `Authorization: Bearer ${variable}`, "--header", `X: ${variable}`], undefined],
  [["--task", "what is a token?", "https://x.example/mcp"], undefined],
];
for (const [args, shown] of masked) {
  test(`masked: ${args.join(" ").replaceAll(secret, "…")}`, () => {
    const found = maskSecrets(args);
    expect(found?.shown).toEqual(shown);
    const typed = new Map(found?.secrets);
    expect(found?.shown.map((arg, i) => typed.get(i) ?? arg)).toEqual(found && args);
  });
}
