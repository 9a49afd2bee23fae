import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { codemieClaude, type Person, withClaude } from "../support/codemie.ts";
import { startGateway } from "../support/gateway.ts";
import type { Seen } from "../support/sandbox/http.ts";
import { answerModelCall } from "../support/sandbox/model-api.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** Betas of Anthropic's API: on, until the host refuses one; then off for that host, in every run to come. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = loggedIn.copy();
});
afterEach(() => person.remove());

const refusable = "context-management-2025-06-27";
const asked = (seen: Seen) => String(seen.headers["anthropic-beta"] ?? "");
const askedLast = () => asked(sandbox.calls("/v1/messages").at(-1) as Seen);

/** The host refuses whoever asks for the beta, in these words. */
function refuse(message: string): void {
  sandbox.settings.answer = (seen: Seen, response: ServerResponse) => {
    if (!asked(seen).includes(refusable)) return answerModelCall("/v1/messages", seen, response);
    response.writeHead(400, { "content-type": "application/json" });
    response.end(JSON.stringify({ type: "error", error: { type: "invalid_request_error", message } }));
  };
}

const runTask = (env: Record<string, string> = {}, ...more: string[]) =>
  person.run(["--task", "hello", ...more], { program: codemieClaude, env: { ...withClaude(person), ...env } });

const remembered = () => readdirSync(join(person.codemieHome, "run")).filter((name) => name.startsWith("betas-"));

const betasInDoctor = async () => {
  const { out } = await person.run(["doctor", "--json"]);
  return JSON.parse(out).checks.find(({ id }: { id: string }) => id === "betas");
};

ciTest("the real Claude Code asks for its betas, and says nothing of them", async () => {
  const { code, err } = await runTask();
  expect([code, err]).toEqual([0, ""]);
  expect(askedLast()).toContain(refusable);
  expect(remembered()).toEqual([]);
  expect(await betasInDoctor()).toMatchObject({ status: "ok", message: "on, for Claude Code" });
});

ciTest("a host that refuses one: said, remembered, shown by doctor, and the next run does not ask", async () => {
  refuse(`${refusable}: invalid beta flag`);
  const first = await runTask();
  expect(first.code).toBe(1);
  expect(first.out).toContain(`${refusable}: invalid beta flag`);
  expect(first.err).toBe(
    `warning: ${sandbox.origin} refused ${refusable}: from now on Claude Code runs there without betas; if it stopped, start it again\n`,
  );
  expect(remembered()).toHaveLength(1);
  expect(readdirSync(person.cwd)).toEqual([]);
  const second = await runTask();
  expect([second.code, second.out.trim()]).toEqual([0, "The sandbox heard: hello"]);
  expect(second.err).toBe(
    `Claude Code runs without betas, since ${sandbox.origin} refused ${refusable} (codemie config set betas on to try again)\n`,
  );
  expect((await runTask({}, "--silent")).err).toBe("");
  const shown = await betasInDoctor();
  expect(shown.status).toBe("warning");
  expect(shown.message).toMatch(new RegExp(`^off, since the host refused ${refusable} on \\d{4}-\\d\\d-\\d\\d$`));
  expect(shown.hint).toContain("codemie config set betas on");
});

ciTest("Claude Code itself leaves out what Anthropic's words refuse: the run goes on", async () => {
  refuse(`Unexpected value(s) \`${refusable}\` for the \`anthropic-beta\` header. Please consult our documentation`);
  const { code, out, err } = await runTask();
  expect([code, out.trim()]).toEqual([0, "The sandbox heard: hello"]);
  expect(err).toContain(`refused ${refusable}`);
  expect(remembered()).toHaveLength(1);
});

ciTest("the setting decides over what was remembered, and the user's own variable over a run", async () => {
  refuse("invalid beta flag");
  await runTask();
  expect(remembered()).toHaveLength(1);
  expect((await person.run(["config", "set", "betas", "on"])).code).toBe(0);
  const on = await runTask();
  expect([askedLast().includes(refusable), on.err]).toEqual([true, ""]);
  expect(await betasInDoctor()).toMatchObject({ status: "ok", message: "on, for Claude Code" });
  for (const name of remembered()) rmSync(join(person.codemieHome, "run", name));
  expect((await person.run(["config", "set", "betas", "OFF"])).code).toBe(0);
  expect([(await runTask()).code, askedLast().includes(refusable)]).toEqual([0, false]);
  expect(await betasInDoctor()).toMatchObject({ status: "ok", message: "off, as the profile says" });
  await runTask({ CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS: "" });
  expect(askedLast()).toContain(refusable);
  const bad = await person.run(["config", "set", "betas", "maybe"]);
  expect([bad.code, bad.err]).toEqual([2, expect.stringContaining("on, off, or auto")]);
  expect((await person.run(["config", "unset", "betas"])).code).toBe(0);
  expect((await person.run(["config", "get", "betas"])).code).toBe(1);
});

ciTest("what was remembered and is damaged counts for nothing, and is written anew", async () => {
  refuse("unsupported: anthropic_beta");
  await runTask();
  const [name = ""] = remembered();
  const file = join(person.codemieHome, "run", name);
  for (const content of ["{", "[]", '{"betas":["\\u001b[31m"],"at":1}', JSON.stringify({ betas: "x" })]) {
    writeFileSync(file, content);
    expect((await runTask()).err).toStartWith("warning: ");
  }
  expect(existsSync(file)).toBe(true);
});

/** What a gateway remembers of an answer to somebody who asks for two betas; and that the answer arrives as it is. */
async function afterAnswer(bytes: Uint8Array | string, headers: Record<string, string> = {}, status = 400) {
  await using gateway = await startGateway(loggedIn.copy());
  sandbox.settings.answer = (_seen, response) => void response.writeHead(status, headers).end(bytes);
  const answer = await gateway.ask("/v1/messages", {
    headers: { "anthropic-beta": "one-2025-01-01, two-2025-01-01", "accept-encoding": "gzip" },
    method: "POST",
    body: "{}",
    decompress: false,
  } as RequestInit);
  const arrived = Buffer.from(await answer.arrayBuffer());
  expect([answer.status, arrived.equals(Buffer.from(bytes))]).toEqual([status, true]);
  const { err } = await gateway.stop();
  return /refused ([^:]*)/.exec(err.split("\n").at(-2) ?? "")?.[1];
}

ciTest(
  "an error's bytes pass as they are, compressed, long or empty; a refusal is known where its text can be read",
  async () => {
    const named = '{"error":{"message":"no two-2025-01-01 here"}}';
    expect(await afterAnswer(named)).toBe("two-2025-01-01");
    expect(await afterAnswer(gzipSync(named), { "content-encoding": "gzip" })).toBe("two-2025-01-01");
    expect(await afterAnswer("Invalid beta flag")).toBe("one-2025-01-01, two-2025-01-01");
    expect(await afterAnswer("")).toBeUndefined();
    expect(await afterAnswer("messages: too long")).toBeUndefined();
    expect(await afterAnswer(named, {}, 404)).toBeUndefined();
    expect(await afterAnswer(`${" ".repeat(70_000)}${named}`)).toBeUndefined();
    expect(
      await afterAnswer(gzipSync(`${" ".repeat(70_000)}${named}`), { "content-encoding": "gzip" }),
    ).toBeUndefined();
  },
);

test("a refusal that breaks off breaks off for the agent too, and prints nothing", async () => {
  await using gateway = await startGateway(loggedIn.copy());
  sandbox.settings.answer = (_seen, response) => {
    response.writeHead(400, { "content-length": "100000" });
    response.write("invalid beta flag", () => response.destroy());
  };
  const answer = await gateway.ask("/v1/messages", {
    method: "POST",
    body: "{}",
    headers: { "anthropic-beta": "one" },
  });
  expect(answer.text()).rejects.toThrow();
  await gateway.stopQuietly();
});
