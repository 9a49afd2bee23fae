import { expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codemieClaude, Person, withClaude } from "../support/codemie.ts";
import { Pty } from "../support/pty.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** `codemie status-line FILE`: what Claude Code shows below its prompt of a run, and when it is shown. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
const nobody = new Person();
const minute = 60_000;

/** @returns what the command prints for a file of this content; undefined: there is none */
async function shown(content: object | string | undefined, stdin = "{}", env: Record<string, string> = {}) {
  const file = join(nobody.root, `status-${crypto.randomUUID()}.json`);
  if (content !== undefined) writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  const { code, out, err } = await nobody.run(["status-line", file], { stdin, env });
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return out;
}

const run = { profile: "work", model: "claude-sonnet-4-6" };
const login: [string, object, string][] = [
  ["that goes on for days", { end: 3 * 1440 * minute + 30 * minute }, "login ends in 3 days"],
  ["that has ended", { end: -minute }, "login has ended"],
  ["that the host has refused", { end: 90 * minute, isOver: true }, "login has ended"],
  ["of a session, whose end is an estimate", { end: 90 * minute, isEstimate: true }, "login ends in about 1 hour"],
  ["of a session that should have ended", { end: -minute, isEstimate: true }, "login may have ended"],
  ["that ends in a moment", { end: 30_000 }, "login ends in less than a minute"],
  ["that ends in minutes", { end: 12.5 * minute }, "login ends in 12 minutes"],
];
for (const [what, { end, ...more }, words] of cases(login, 3) as [string, { end: number }, string][])
  test(`a login ${what}: ${words}`, async () => {
    const line = `codemie: profile work | claude-sonnet-4-6 | ${words}\n`;
    expect(await shown({ ...run, ...more, end: Date.now() + end })).toBe(line);
    expect(await shown({ ...run, ...more, end: Date.now() + end }, "{}", { LC_ALL: "C" })).toBe(line);
  });

test("without an end, or a model, the line is shorter", async () => {
  expect(await shown(run)).toBe("codemie: profile work | claude-sonnet-4-6\n");
  expect(await shown({ profile: "work" })).toBe("codemie: profile work\n");
});

test("the model that Claude Code names is the one it uses now; other input changes nothing", async () => {
  const named = (id: unknown) => JSON.stringify({ model: { id, display_name: "X" }, session_id: "s" });
  expect(await shown(run, named("claude-opus-4-8"))).toBe("codemie: profile work | claude-opus-4-8\n");
  const usual = "codemie: profile work | claude-sonnet-4-6\n";
  const long = JSON.stringify({ model: { id: "a" }, more: "x".repeat(4_000_000) });
  for (const input of ["", "{", "null", "[1]", '{"model":null}', named(7), named("\u001b[2Jx"), named("a b"), long])
    expect([input.slice(0, 40), await shown(run, input)]).toEqual([input.slice(0, 40), usual]);
});

test("no file, a damaged one, one too long, a pipe and a relative path show nothing", async () => {
  const bad = [
    undefined,
    "",
    "{",
    "null",
    '"x"',
    "[]",
    '{"profile":7}',
    JSON.stringify({ ...run, end: "soon" }),
    JSON.stringify({ ...run, more: "x".repeat(100_000) }),
  ];
  for (const content of bad) expect([content?.slice(0, 40), await shown(content)]).toEqual([content?.slice(0, 40), ""]);
  const pipe = join(nobody.root, "pipe");
  Bun.spawnSync(["mkfifo", pipe]);
  writeFileSync(join(nobody.cwd, "status.json"), JSON.stringify(run));
  for (const file of [pipe, nobody.root, "status.json"])
    expect(await nobody.run(["status-line", file], { stdin: "{}" })).toEqual({ code: 0, out: "", err: "" });
});

test("signs that act on a terminal do not come through, and a token's text neither", async () => {
  const out = await shown({ profile: "a\u001b]0;x\u0007\nb", model: `eyJ${"a".repeat(40)}.b.c` });
  expect(out).toMatch(/^codemie: profile a[^\p{C}]+b \| \[redacted\]\n$/u);
});

test("without a file it says how to use it, and its help is there", async () => {
  expect((await nobody.run(["status-line"])).code).toBe(2);
  expect((await nobody.run(["status-line", "--help"])).out).toContain("status-line");
});

/** Puts a program in Claude Code's place that prints the settings it got, and what its status line shows. */
function showingAgent(person: Person, script = ""): void {
  person.install(
    "claude",
    `#!${process.execPath}
if (process.argv.includes("--version")) { console.log("2.1.331 (Claude Code)"); process.exit(0); }
const { readFileSync } = require("node:fs");
const { statusLine } = JSON.parse(readFileSync(process.argv[process.argv.indexOf("--settings") + 1], "utf8"));
const line = () => Bun.spawnSync(["sh", "-c", statusLine.command], { stdin: Buffer.from("{}") }).stdout.toString();
${script || 'console.log(statusLine?.command.includes(" status-line ") ? line().trim() : JSON.stringify(statusLine ?? null));'}
`,
  );
}

test("a run with counting off has it too: profile, model and the session's end", async () => {
  const person = loggedIn.copy();
  showingAgent(person);
  const { out } = await person.run(["--task", "x"], { program: codemieClaude, env: { CODEMIE_TELEMETRY: "off" } });
  expect(out).toMatch(/^codemie: profile default \| claude-sonnet-4-6 \| login ends in about 6 days\n$/);
  person.remove();
});

test("the user's own status line stays: given, theirs, the folder's, and of a folder above", async () => {
  const own = { statusLine: { type: "command", command: "echo mine" } };
  const person = loggedIn.copy();
  showingAgent(person);
  const agent = async (...args: string[]) =>
    (await person.run(["--task", "x", ...args], { program: codemieClaude })).out.trim();
  expect(await agent("--settings", JSON.stringify(own))).toBe(JSON.stringify(own.statusLine));
  expect(await agent("--settings", '{"statusLine":null}')).toBe("null");
  for (const [folder, file] of [
    [person.home, "settings.json"],
    [person.cwd, "settings.json"],
    [person.cwd, "settings.local.json"],
    [person.root, "settings.local.json"],
  ] as const) {
    mkdirSync(join(folder, ".claude"), { recursive: true });
    writeFileSync(join(folder, ".claude", file), JSON.stringify(own));
    expect([folder, file, await agent()]).toEqual([folder, file, "null"]);
    writeFileSync(join(folder, ".claude", file), "{}");
  }
  expect(await agent()).toContain("codemie: profile default");
  person.remove();
});

ciTest("the real Claude Code shows it at a terminal", async () => {
  const person = loggedIn.copy();
  const trusted = { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true };
  const state = { hasCompletedOnboarding: true, theme: "dark", projects: { [person.cwd]: trusted } };
  writeFileSync(join(person.home, ".claude.json"), JSON.stringify(state));
  const pty = new Pty(person, [], withClaude(person), codemieClaude, 160);
  await pty.shows(/profile.{1,12}default.{1,12}\|.{1,12}claude-sonnet-4-6.*6.{1,12}days/s);
  pty.type("/exit");
  await pty.shows(/Exit[^\n]*the CLI/);
  pty.type("\r");
  expect(await pty.ended()).toBe(0);
  person.remove();
});

// The last one: it ends the login that all of them share.
test("a login that the host refuses is shown as ended; the file is the person's alone", async () => {
  const person = loggedIn.copy();
  showingAgent(
    person,
    `const { existsSync, statSync, writeFileSync } = require("node:fs");
    const file = /'([^']*)'$/.exec(statusLine.command)[1];
    console.log((statSync(file).mode & 0o777).toString(8), line().trim());
    writeFileSync(process.env.HOME + "/ready", "");
    while (!existsSync(process.env.HOME + "/go")) await Bun.sleep(20);
    const { ANTHROPIC_BASE_URL, ANTHROPIC_AUTH_TOKEN } = process.env;
    const answer = await fetch(ANTHROPIC_BASE_URL + "/v1/messages", {
      method: "POST", headers: { "x-api-key": ANTHROPIC_AUTH_TOKEN }, body: JSON.stringify({ model: "m", messages: [], max_tokens: 1 }),
    });
    await answer.text();
    while (!line().includes("has ended")) await Bun.sleep(20);
    console.log(answer.status, line().trim());`,
  );
  const running = person.start(["--task", "x"], { program: codemieClaude });
  while (!existsSync(join(person.home, "ready"))) await Bun.sleep(20);
  sandbox.front.revokeAll();
  writeFileSync(join(person.home, "go"), "");
  const { out } = await running.finished();
  expect(out).toMatch(/^600 .* about 6 days\n401 codemie: profile default \| claude-sonnet-4-6 \| login has ended\n$/);
  person.remove();
});
