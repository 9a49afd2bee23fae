import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { Probe } from "../support/probe.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";

/** A model that is not in the list is worth a word before the agent starts; the host decides about it. */

let sandbox: Sandbox;
let person: Person;
beforeAll(async () => {
  sandbox = await startSandbox();
});
beforeEach(async () => {
  person = new Person();
  await logIn(person, sandbox);
});
afterEach(() => person.remove());
afterAll(() => sandbox.close());

const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });

async function run(args: string[], env: Record<string, string> = {}) {
  const probe = new Probe(person, args, env);
  const { url, key, env: agentEnv } = await probe.started();
  await fetch(`${url}/v1/messages`, { method: "POST", body, headers: { "x-api-key": key } });
  const { err } = await probe.stop();
  return {
    err,
    model: agentEnv.ANTHROPIC_MODEL,
    header: sandbox.calls("/v1/messages").at(-1)?.headers["x-codemie-cli-model"],
  };
}

test("an unknown name is warned of with the nearest ones, and used", async () => {
  const { err, model, header } = await run(["--model", "claude-sonet-4-6"]);
  expect(err).toContain(
    "warning: claude-sonet-4-6 is not one of this account's models; the nearest are claude-sonnet-4-6, ",
  );
  expect([model, header]).toEqual(["claude-sonet-4-6", "claude-sonet-4-6"]);
});

test("a known one is not, wherever it is named", async () => {
  expect((await run(["-m", "claude-haiku-4-5"])).err).not.toContain("warning");
  const other = new Person();
  person.remove();
  person = other;
  await logIn(person, sandbox);
  expect((await run([], { CODEMIE_MODEL: "gpt-5.2" })).err).not.toContain("warning");
});

test("no model given: none is warned of, and the header names the one that was chosen", async () => {
  const { err, header } = await run([]);
  expect(err).not.toContain("warning");
  expect(header).toBe("claude-sonnet-4-6");
});

test("--silent says nothing", async () => {
  expect((await run(["--model", "nonsense", "--silent"])).err).toBe("");
});
