import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { claudeFolder, codemieClaude, type Person, withClaude } from "../support/codemie.ts";
import { Pty } from "../support/pty.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** Threat: Claude Code talks to others than the gateway: usage reports, updates, marketplaces, sessions in the background. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
const elsewhere: string[] = [];
const proxy = createServer((request, response) => {
  elsewhere.push(`${request.method} ${request.url}`);
  response.writeHead(502).end();
}).on("connect", (request, socket) => {
  elsewhere.push(`CONNECT ${request.url}`);
  socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
});
await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
afterAll(() => void proxy.close());
const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
const proxied = { HTTPS_PROXY: proxyUrl, HTTP_PROXY: proxyUrl };

let person: Person;
beforeEach(() => {
  elsewhere.length = 0;
  person = loggedIn.copy();
  const trusted = { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true };
  const settings = { hasCompletedOnboarding: true, theme: "dark", projects: { [person.cwd]: trusted } };
  writeFileSync(join(person.home, ".claude.json"), JSON.stringify(settings));
});
afterEach(() => person.remove());

/** A repository that wants all of it back. */
function undoingRepository(): void {
  const names = [
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_TELEMETRY",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_AUTOUPDATER",
    "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL",
    "CLAUDE_CODE_DISABLE_AGENT_VIEW",
    "CLAUDE_CODE_DISABLE_BG_EXIT_HANDOFF",
  ];
  mkdirSync(join(person.cwd, ".claude"));
  const env = Object.fromEntries(names.map((name) => [name, ""]));
  writeFileSync(join(person.cwd, ".claude/settings.json"), JSON.stringify({ env }));
}

/** At a terminal: an answer, then the list of models. */
async function interactive(): Promise<void> {
  const pty = new Pty(person, ["claude", "say hello"], { ...withClaude(person), ...proxied });
  await pty.shows(/sandbox[^\n]*heard:/);
  pty.type("/model");
  await pty.shows(/Switch[\s\S]*model/);
  pty.type("\r");
  await pty.shows(/Select[\s\S]*more/);
  for (let row = 0; row < 4; row++) pty.type("\x1b[B");
  await pty.shows(/ZETANINE/);
  pty.type("\x1b");
  pty.kill("SIGTERM");
  await pty.ended();
}

function listZeta(): void {
  const models = ["claude-sonnet-4-6", "claude-zeta-9"].map((name, n) => ({
    base_name: name,
    deployment_name: name,
    label: n === 0 ? "Sonnet" : "ZETANINE",
    enabled: true,
    default: n === 0,
  }));
  sandbox.settings.list = { status: 200, body: JSON.stringify(models) };
}

ciTest("Claude Code on its own does talk to others, or these tests prove nothing", async () => {
  const env = { ANTHROPIC_BASE_URL: sandbox.origin, ANTHROPIC_AUTH_TOKEN: "local", CLAUDE_CODE_MAX_RETRIES: "0" };
  await person.run(["-p", "hello"], { program: join(claudeFolder, "claude"), env: { ...env, ...proxied } });
  expect(elsewhere.join()).toContain("CONNECT api.anthropic.com:443");
});

test("a task and a session at a terminal talk to the gateway alone, and /model lists the account's models", async () => {
  listZeta();
  const { code } = await person.run(["--task", "x"], {
    program: codemieClaude,
    env: { ...withClaude(person), ...proxied },
  });
  expect(code).toBe(0);
  await interactive();
  expect(elsewhere).toEqual([]);
});

ciTest("a repository's settings do not undo that", async () => {
  listZeta();
  undoingRepository();
  const env = { ...withClaude(person), ...proxied };
  expect((await person.run(["--task", "x", "--trust-folder"], { program: codemieClaude, env })).code).toBe(0);
  await interactive();
  expect(elsewhere).toEqual([]);
});

ciTest("the user's own settings decide on each switch", async () => {
  const settings = { env: { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "" } };
  const env = { ...withClaude(person), ...proxied };
  const args = ["--task", "x", "--settings", JSON.stringify(settings)];
  expect((await person.run(args, { program: codemieClaude, env })).code).toBe(0);
  expect(elsewhere).toEqual(["CONNECT api.anthropic.com:443"]); // the directory of MCP servers, and no report
  elsewhere.length = 0;
  const own = { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "" };
  await person.run(["--task", "x"], { program: codemieClaude, env: { ...env, ...own } });
  expect(elsewhere).toEqual(["CONNECT api.anthropic.com:443"]);
});

ciTest("a session in another program or on another machine, which our gateway does not serve, is refused", async () => {
  for (const flags of [
    ["--worktree", "w", "--tmux"],
    ["--worktree", "w", "--tmux=classic"],
    ["--teammate-mode", "tmux"],
    ["--teammate-mode=tmux"],
    ["--teammate-mode", "iterm2"],
    ["--teammate-mode=auto"],
    ["--desktop"],
    ["--cloud", "do it"],
    ["--remote-control"],
    ["--rc=name"],
    ["--teleport"],
    ["--pool", "p"],
    ["--", "--tmux"],
    ["--worktree", "w", "--", "--", "--tmux"],
    ["--worktree", "w", "--task", "--tmux"],
    ["--resume=--tmux"],
    ["--resume=--bg"],
  ]) {
    const env = { ...withClaude(person), CLAUDE_CODE_DISABLE_AGENT_VIEW: "" };
    const { code, err } = await person.run(flags, { program: codemieClaude, env });
    expect({ flags, code, err }).toEqual({ flags, code: 2, err: expect.stringContaining("without the gateway") });
  }
});

ciTest(
  "a session in the background, which would run without the gateway, is refused; a repository does not undo that",
  async () => {
    for (const undone of [false, true]) {
      if (undone) undoingRepository();
      for (const flag of ["--bg", "--background"]) {
        const pty = new Pty(person, ["claude", flag, "hello"], { ...withClaude(person), ...proxied });
        await pty.shows(new RegExp(`${flag} starts a session that would run without the gateway`));
        expect(await pty.ended()).toBe(2);
      }
      const pty = new Pty(person, ["claude", "say hello"], { ...withClaude(person), ...proxied });
      await pty.shows(/sandbox[^\n]*heard:/);
      pty.type("/backgr");
      await pty.shows(/\/tasks/);
      expect(pty.screen).not.toContain("/background");
      pty.kill("SIGTERM");
      await pty.ended();
      const folder = join(person.home, ".claude");
      expect(readdirSync(folder).filter((name) => /daemon|jobs/.test(name))).toEqual([]);
    }
    expect(elsewhere).toEqual([]);
  },
);
