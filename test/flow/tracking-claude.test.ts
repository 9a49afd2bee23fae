import { expect } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { codemieClaude, type Person, withClaude } from "../support/codemie.ts";
import { Pty } from "../support/pty.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";
import { metricsOf, modelUses, noted, types } from "../support/tracked-agent.ts";

/** What the real Claude Code's hooks tell of subagents, of a compaction and of a session at a terminal. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
// This person has run no agent yet.
rmSync(join(loggedIn.codemieHome, "sessions"), { recursive: true });

const sessionsOf = async (person: Person) => JSON.parse((await person.run(["sessions", "list", "--json"])).out);

/** Claude Code's own questions of a first start are answered. */
function answered(person: Person): Person {
  const trusted = { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true };
  const settings = { hasCompletedOnboarding: true, theme: "dark", projects: { [person.cwd]: trusted } };
  writeFileSync(join(person.home, ".claude.json"), JSON.stringify(settings));
  return person;
}

ciTest("a subagent's tools are counted, and a prompt that the program makes is no person's", async () => {
  const person = loggedIn.copy();
  modelUses(sandbox, "look around", [
    { name: "Agent", input: { description: "sub", prompt: "go", subagent_type: "general-purpose" } },
  ]);
  const args = ["--task", "look around", "--allowedTools", "Agent"];
  await person.run(args, { program: codemieClaude, env: withClaude(person) });
  expect(await sessionsOf(person)).toMatchObject([
    { prompts: 1, tools: { Agent: { succeeded: 1, failed: 0 } }, events: { SubagentStart: 1, SubagentStop: 1 } },
  ]);
  person.remove();
});

ciTest(
  "at a terminal: two prompts, a tool between them and a compaction are one session, and each counts once",
  async () => {
    const person = answered(loggedIn.copy());
    modelUses(sandbox, "look around", [{ name: "Bash", input: { command: "echo found", description: "look" } }]);
    const pty = new Pty(person, ["look around", "--allowedTools", "Bash"], withClaude(person), codemieClaude);
    await noted(person, "Stop", 1);
    sandbox.settings.answer = undefined;
    await types(pty, "further", /further/);
    await noted(person, "Stop", 2);
    await types(pty, "/compact", /summarizing/);
    // Claude Code starts the session anew with the summary.
    await noted(person, "SessionStart", 2);
    await types(pty, "/exit", /Exit[^\n]*the CLI/);
    expect(await pty.ended()).toBe(0);
    const [session, ...more] = await sessionsOf(person);
    expect(more).toEqual([]);
    expect(session).toMatchObject({
      status: "completed",
      reason: "prompt_input_exit",
      prompts: 2,
      tools: { Bash: { succeeded: 1, failed: 0 } },
      events: { UserPromptSubmit: 2, PreCompact: 1, SessionEnd: 1 },
      waiting: 0,
    });
    const metrics = metricsOf(sandbox);
    expect(metrics.map(({ attributes }) => attributes.status ?? attributes.total_user_prompts)).toEqual([
      "started",
      2,
      "completed",
    ]);
    expect(new Set(metrics.map(({ attributes }) => attributes.session_id))).toEqual(new Set([session.id]));
    person.remove();
  },
);

ciTest("a headless compaction of a session that goes on: what was counted before does not count again", async () => {
  const person = loggedIn.copy();
  modelUses(sandbox, "look around", [{ name: "Bash", input: { command: "echo found", description: "look" } }]);
  const run = (...args: string[]) => person.run(args, { program: codemieClaude, env: withClaude(person) });
  expect((await run("--task", "look around", "--allowedTools", "Bash")).code).toBe(0);
  sandbox.settings.answer = undefined;
  const [{ id }] = await sessionsOf(person);
  expect((await run("--task", "/compact", "--resume", id)).code).toBe(0);
  const [session, ...more] = await sessionsOf(person);
  expect(more).toEqual([]);
  expect(session).toMatchObject({ id, prompts: 1, toolCalls: 1, events: { PreCompact: 1 }, waiting: 0 });
  person.remove();
});
