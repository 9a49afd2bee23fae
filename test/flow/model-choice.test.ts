import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Person } from "../support/codemie.ts";
import { startGateway } from "../support/gateway.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";

/** A model that is not in the list is worth a word before the agent starts; the host decides about it. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = loggedIn.copy();
});
afterEach(() => person.remove());

async function run(args: string[], env: Record<string, string> = {}) {
  const gateway = await startGateway(person, args, env);
  await gateway.post();
  const { err } = await gateway.stop();
  return {
    err,
    model: gateway.agent.env.ANTHROPIC_MODEL,
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
  person = loggedIn.copy();
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

test("a tier by Claude Code's own name: no warning, and the host is told the model it stands for", async () => {
  const { err, model, header } = await run(["--model", "sonnet"]);
  expect(err).not.toContain("warning");
  expect([model, header]).toEqual(["sonnet", "claude-sonnet-4-6"]);
});

test("a tier that the account has not is said", async () => {
  const { err, header } = await run(["--model", "opus"]);
  expect(err).toContain("warning: this account has no opus model, so claude-sonnet-4-6 is used (see codemie models)\n");
  expect(header).toBe("claude-sonnet-4-6");
});

test("config set: a name that could not be checked is said, unless nobody has logged in yet", async () => {
  const set = async (what: string) => (await person.run(["config", "set", what, "foo"])).err.replaceAll(/\s+/g, " ");
  sandbox.settings.list = { status: 502, body: "" };
  expect(await set("model")).toContain("warning: whether foo is one of this account's models could not be checked: ");
  sandbox.settings.list = undefined;
  sandbox.front.revokeAll();
  expect(await set("model")).toContain("warning: whether foo is one of this account's models could not be checked: ");
  expect(await set("project")).toContain("warning: whether foo is one of your projects could not be checked: ");
  await person.run(["logout"]);
  expect(await set("model")).toBe("");
});
