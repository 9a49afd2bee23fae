import { afterEach, beforeEach, expect, test } from "bun:test";
import { codemieClaude, Person, withClaude } from "../support/codemie.ts";
import { textBelow } from "../support/files.ts";
import { startGateway } from "../support/gateway.ts";
import { logIn } from "../support/login.ts";
import type { Form } from "../support/model-provider.ts";
import { Probe } from "../support/probe.ts";
import { ownProvider, sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Keys of model providers: tried, sealed, put on by the gateway, held by no agent. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

const setUp = (form: Form, url: string, key: string, more: string[] = []) =>
  person.run(["setup", "--provider", form, "--url", url, "--key-stdin", "--yes", ...more], { stdin: key });

for (const [form, typed] of cases([
  ["openai", ""],
  ["openai", "/v1"],
  ["openai", "/v1/chat/completions"],
  ["anthropic", ""],
  ["anthropic", "/v1/messages"],
  ["azure", ""],
  ["azure", "/openai/v1/"],
  ["litellm", "/"],
] as const)) {
  test(`${form}, given as '${typed}': its API is found, the key tried and sealed, its models listed`, async () => {
    const provider = await ownProvider(form);
    const { code, err, out } = await setUp(form, provider.origin + typed, provider.key);
    expect({ code, err: err.includes(`✓ the key works at ${provider.api}: `) }).toEqual({ code: 0, err: true });
    expect(out).toStartWith("✓ profile default is set up, and the active one\n");
    expect(person.config().profiles.default).toEqual({
      name: "default",
      provider: form,
      authMethod: "api-key",
      baseUrl: provider.api,
    });
    const models = JSON.parse((await person.run(["models", "--json"])).out);
    expect(models.length).toBeGreaterThan(0);
    expect(models[0]).toMatchObject({ provider: form, default: false, cost: null });
    const status = JSON.parse((await person.run(["profile", "status", "--json"])).out);
    expect(status).toMatchObject({ method: "api-key", url: provider.origin, authenticated: true, user: null });
    expect(textBelow(person.root)).not.toContain(provider.key);
  });
}

test("set-up recommends what can work with the provider", async () => {
  const openai = await ownProvider("openai");
  const { out } = await setUp("openai", openai.origin, openai.key);
  expect(out).not.toContain("codemie-claude");
  expect(out).toContain("  try it: codemie-opencode --task");
  const litellm = await ownProvider("litellm");
  expect((await setUp("litellm", litellm.origin, litellm.key)).out).toContain("codemie-claude");
});

test("the path before the version is kept, as behind a company's own proxy", async () => {
  const provider = await ownProvider("litellm", "/llm");
  expect((await setUp("litellm", `${provider.origin}/llm`, provider.key)).code).toBe(0);
  await using gateway = await startGateway(person);
  const answer = await gateway.ask("/v1/messages?beta=true");
  expect(answer.status).toBe(200);
  expect(provider.record.at(-1)?.target).toBe("/llm/v1/messages?beta=true");
});

ciTest(
  "the real Claude Code answers through the gateway, which alone holds the key; nothing of CodeMie's is told",
  async () => {
    const provider = await ownProvider("anthropic");
    await setUp("anthropic", provider.origin, provider.key);
    const { code, out, err } = await person.run(["--task", "hello"], {
      program: codemieClaude,
      env: withClaude(person),
    });
    expect({ code, err, out: out.trim() }).toEqual({ code: 0, err: "", out: "from the provider" });
    const sent = provider.record.filter(({ path }) => path === "/v1/messages");
    expect(sent.length).toBeGreaterThan(0);
    for (const { headers } of sent) {
      expect(headers["x-api-key"]).toBe(provider.key);
      expect(Object.keys(headers).filter((name) => /^x-codemie|^authorization$|^cookie$/.test(name))).toEqual([]);
    }
  },
);

test("the agent's environment and arguments hold the gateway's key, not the provider's", async () => {
  const provider = await ownProvider("anthropic");
  await setUp("anthropic", provider.origin, provider.key);
  await using gateway = await startGateway(person, [], { CODEMIE_API_KEY: provider.key });
  const { env, args } = gateway.agent;
  expect(JSON.stringify([env, args])).not.toContain(provider.key);
});

test("an error of the provider's own reaches the agent as it is, a refused key too", async () => {
  const provider = await ownProvider("openai");
  await setUp("openai", provider.origin, provider.key);
  const probe = new Probe(person, ["--api-key", "sk-wrong-key", "--model", "gpt-5.2"]);
  // the model list is refused before the agent starts, and says so
  const { code, err } = await probe.running.finished();
  expect(code).toBe(4);
  expect(err).toContain(`${provider.origin} did not accept the API key: Incorrect API key provided`);
  expect(err).not.toContain("sk-wrong-key");

  const good = await startGateway(person);
  expect((await good.post()).status).toBe(200);
  const missing = await good.ask("/v1/embeddings");
  expect([missing.status, ((await missing.json()) as { error: { type: string } }).error.type]).toEqual([
    404,
    "invalid_request_error",
  ]);
  const { err: said } = await good.stop();
  expect(said).toContain("warning: Claude Code needs the anthropic API, which OpenAI itself does not have");
});

test("a refused key, a page, a wrong address: said, and nothing is stored", async () => {
  const provider = await ownProvider("openai");
  const refused = await setUp("openai", provider.origin, "sk-wrong");
  expect(refused).toMatchObject({ code: 4, out: "" });
  expect(refused.err).toContain("error: ");
  expect(refused.err).not.toContain("sk-wrong");
  const page = await setUp("openai", `${provider.origin}/app/v2`, provider.key);
  expect([page.code, page.err.includes("does not answer like a model API")]).toEqual([1, true]);
  const nobody = await setUp("openai", "http://127.0.0.1:9/v1", provider.key);
  expect(nobody.code).toBe(5);
  const plain = await setUp("openai", "http://api.example.com/v1", provider.key);
  expect([plain.code, plain.err.includes("plain http: is allowed on this machine only")]).toEqual([2, true]);
  for (const bad of ["", "two words", "käse", "line\nbreak"]) {
    expect((await setUp("openai", provider.origin, bad)).code).toBe(2);
  }
  expect((await person.run(["profile", "--json"])).out).toBe("[]\n");
  expect(provider.record.every(({ headers }) => !JSON.stringify(headers).includes("two words"))).toBe(true);
});

test("the key goes to its own origin only, and a CodeMie login never to a provider", async () => {
  const provider = await ownProvider("openai");
  const other = await ownProvider("openai");
  await logIn(person, sandbox);
  await setUp("openai", provider.origin, provider.key, ["--profile", "keys"]);
  person.editConfig(({ profiles }) => {
    profiles.keys.baseUrl = other.api;
    profiles.default = { name: "default", provider: "litellm", baseUrl: `${sandbox.origin}/v1` };
  });
  expect(await person.run(["models", "--profile", "keys"])).toMatchObject({ code: 4, out: "" });
  expect(other.record).toEqual([]);
  sandbox.record.length = 0;
  expect(await person.run(["models", "--profile", "default"])).toMatchObject({ code: 4, out: "" });
  expect(sandbox.record).toEqual([]);
});

test("flag over environment over the stored key; without any: exit 4 and the command", async () => {
  const provider = await ownProvider("anthropic");
  await setUp("anthropic", provider.origin, provider.key);
  const used = async (args: string[], env: Record<string, string> = {}) => {
    const { err, code } = await person.run(["--task", "x", ...args], {
      program: codemieClaude,
      env: { ...withClaude(person), ...env },
    });
    return { code, err, key: provider.record.at(-1)?.headers["x-api-key"] };
  };
  expect(await used([], { CODEMIE_API_KEY: "sk-from-env" })).toMatchObject({ code: 4, key: "sk-from-env" });
  const flag = await used(["--api-key=sk-from-flag"], { CODEMIE_API_KEY: "sk-from-env" });
  expect(flag).toMatchObject({ code: 4, key: "sk-from-flag" });
  expect(flag.err).toStartWith("warning: other users of this machine can see a key on the command line");
  expect((await person.run(["profile", "logout"])).out).toBe(
    "✓ profile default is logged out (the key itself stays valid until its provider revokes it)\n",
  );
  const none = await person.run(["models"]);
  expect([none.code, none.err]).toEqual([
    4,
    `error: no API key for ${provider.origin}\nhint: run codemie setup --method api-key --profile default, or set CODEMIE_API_KEY\n`,
  ]);
  expect(
    JSON.parse((await person.run(["models", "--json"], { env: { CODEMIE_API_KEY: provider.key } })).out),
  ).toBeArray();
});

test("codemie token prints the key as its provider takes it", async () => {
  const provider = await ownProvider("azure");
  await setUp("azure", provider.origin, provider.key);
  expect((await person.run(["token"])).out).toBe(`${provider.key}\n`);
  expect((await person.run(["token", "--format", "header"])).out).toBe(`api-key: ${provider.key}\n`);
  expect(JSON.parse((await person.run(["token", "--json"])).out)).toEqual({
    token: provider.key,
    type: "api-key",
    expiresAt: null,
  });
});

test("what makes no sense for a key is refused with the way that does", async () => {
  const provider = await ownProvider("openai");
  await setUp("openai", provider.origin, provider.key);
  for (const args of [
    ["profile", "login"],
    ["profile", "refresh"],
  ]) {
    const { code, err } = await person.run(args);
    expect([code, err.includes("hint: to store another key, run codemie setup --method api-key")]).toEqual([2, true]);
  }
  await logIn(person, sandbox, "ada", ["--profile", "host"]);
  const wrong = await person.run(["--task", "x", "--api-key", "sk-x", "--profile", "host"], {
    program: codemieClaude,
    env: withClaude(person),
  });
  expect([wrong.code, wrong.err.includes(`is for ${sandbox.origin} and takes no API key`)]).toEqual([2, true]);
  // in the environment it is simply not this profile's
  expect((await person.run(["models", "--profile", "host"], { env: { CODEMIE_API_KEY: "sk-x" } })).code).toBe(0);
  expect(JSON.stringify(sandbox.record.map(({ rawHeaders }) => rawHeaders))).not.toContain("sk-x");
});

test("setting up again with another key replaces it; without a key the stored one goes on", async () => {
  const provider = await ownProvider("openai");
  await setUp("openai", provider.origin, provider.key);
  const again = await person.run([
    "setup",
    "--provider",
    "openai",
    "--url",
    provider.origin,
    "--model",
    "gpt-5.2",
    "--yes",
  ]);
  expect(again.code).toBe(0);
  expect(JSON.parse((await person.run(["profile", "--json"])).out)).toMatchObject([
    { name: "default", active: true, url: provider.origin, method: "api-key", model: "gpt-5.2" },
  ]);
  expect((await person.run(["token"])).out).toBe(`${provider.key}\n`);
});
