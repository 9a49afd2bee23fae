import { afterEach, beforeEach, expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { startGateway } from "../support/gateway.ts";
import { logIn } from "../support/login.ts";
import { Pty } from "../support/pty.ts";
import { ownProvider, sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** A list of models that cannot be had keeps nothing from running when a model is named. */

const sandbox = await sharedSandbox();
let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

const html = "<html><title>Not Found</title></html>";
const lists: [string, { status: number; body: string; type?: string }][] = [
  ["404", { status: 404, body: '{"detail":"Not Found"}' }],
  ["404 as a page", { status: 404, body: html, type: "text/html" }],
  ["405", { status: 405, body: '{"detail":"Method Not Allowed"}' }],
  ["501", { status: 501, body: "" }],
  ["503", { status: 503, body: "busy", type: "text/plain" }],
  ["another form", { status: 200, body: '{"hello":"world"}' }],
  ["only odd entries", { status: 200, body: '[{"name":1},7]' }],
  ["no JSON", { status: 200, body: "ok", type: "text/plain" }],
];
/** Lists that are lists: whatever good entries they have are used. */
const odd: [string, string, string[]][] = [
  ["a bare list", '[{"id":"gpt-5.2"}]', ["gpt-5.2"]],
  ["null", '{"object":"list","data":null}', []],
  ["an empty one", '{"data":[]}', []],
  ["one odd entry among good ones", '{"data":[{"id":"gpt-5.2"},{"id":7},null,"x"]}', ["gpt-5.2"]],
];

const setUp = async (origin: string, key: string, ...more: string[]) =>
  await person.run(["setup", "--provider", "openai", "--url", origin, "--key-stdin", "--yes", ...more], { stdin: key });

for (const [what, list] of cases(lists, 1)) {
  test(`a provider whose list is ${what}: set-up goes on with a named model, and the profile runs`, async () => {
    const provider = await ownProvider("openai");
    provider.list = list;
    const unnamed = await setUp(provider.origin, provider.key);
    expect({ code: unnamed.code, names: unnamed.err.includes("--model") }).toEqual({
      code: 1,
      names: list.status !== 503, // which passes
    });
    const { code, err } = await setUp(provider.origin, provider.key, "--model", "my-model");
    expect({ code, says: err.includes("the key could not be tried") }).toEqual({ code: 0, says: true });
    expect(person.config().profiles.default).toMatchObject({ model: "my-model", baseUrl: provider.api });

    const gateway = await startGateway(person);
    expect((await gateway.ask("/v1/chat/completions")).status).toBe(200);
    const listed = await gateway.ask("/v1/models", { method: "GET" });
    expect(await listed.json()).toMatchObject({ data: [{ id: "my-model" }] });

    const status = await person.run(["profile", "status"]);
    expect({ code: status.code, says: status.out.includes("not checked now") }).toEqual({ code: 0, says: true });
    const { checks } = JSON.parse((await person.run(["doctor", "--json"])).out);
    for (const [id, expected] of [
      ["models", "warning"],
      ["gateway", "ok"],
    ]) {
      expect(checks.find((one: { id: string }) => one.id === id).status).toBe(expected);
    }
    expect((await person.run(["models"])).code).toBe(1); // the one command that is for the list
    expect((await gateway.stop()).err).toContain("warning: cannot get the list of models: ");
  });

  test(`a CodeMie host whose list is ${what}: a named model runs`, async () => {
    await logIn(person, sandbox);
    sandbox.settings.list = list;
    const gateway = await startGateway(person, ["--model", "claude-sonnet-4-6"]);
    expect((await gateway.post()).status).toBe(200);
    const listed = await gateway.ask("/v1/models", { method: "GET" });
    expect(await listed.json()).toMatchObject({ data: [{ id: "claude-sonnet-4-6" }] });
    expect((await gateway.stop()).err).toContain("warning: cannot get the list of models: ");
  });
}

for (const [what, body, ids] of cases(odd, 1)) {
  test(`a provider whose list is ${what}: its good entries are used`, async () => {
    const provider = await ownProvider("openai");
    provider.list = { status: 200, body };
    expect((await setUp(provider.origin, provider.key)).code).toBe(0);
    const { out } = await person.run(["models", "--json"]);
    expect(JSON.parse(out).map(({ id }: { id: string }) => id)).toEqual(ids);
  });
}

test("a list that is forbidden to a good login stops no named model; a refused credential does", async () => {
  await logIn(person, sandbox);
  sandbox.settings.list = { status: 403, body: '{"detail":"no list for you"}' };
  const gateway = await startGateway(person, ["--model", "claude-sonnet-4-6"]);
  expect((await gateway.post()).status).toBe(200);
  sandbox.settings.userFailure = { status: 403, body: '{"detail":"no"}', type: "application/json" };
  const run = ["claude", "--task", "x", "--model", "claude-sonnet-4-6"];
  person.install("claude", "#!/bin/sh\nexit 7\n");
  expect(await person.run(run)).toMatchObject({ code: 4, err: expect.stringContaining("does not allow this account") });
  await gateway.stop();
});

test("a refused key and a host that is down are told, whatever model is named", async () => {
  const provider = await ownProvider("openai");
  const named = ["--model", "my-model"];
  expect(await setUp(provider.origin, "sk-wrong", ...named)).toMatchObject({ code: 4 });
  expect(await setUp("http://127.0.0.1:9/v1", provider.key, ...named)).toMatchObject({ code: 5 });
  provider.list = { status: 200, body: html, type: "text/html" };
  expect(await setUp(provider.origin, provider.key, ...named)).toMatchObject({
    code: 1,
    err: expect.stringContaining("it sent a web page"),
  });
  expect((await person.run(["profile", "--json"])).out).toBe("[]\n");
});

for (const status of cases([502, 503, 504])) {
  test(`a CodeMie host that is down, with ${status}: exit 5, its status is named, and no agent starts`, async () => {
    await logIn(person, sandbox);
    const down = { status, body: "<html>no upstream</html>", type: "text/html" };
    Object.assign(sandbox.settings, { list: down, userFailure: down });
    person.install("claude", "#!/bin/sh\necho started\n");
    for (const flags of [[], ["--model", "claude-sonnet-4-6"], ["--silent"]]) {
      const { code, out, err } = await person.run(["claude", "--task", "x", ...flags]);
      expect({ code, out }).toEqual({ code: 5, out: "" });
      expect(err).toContain(`error: ${sandbox.origin} is not available now: it answered ${status}\n`);
      expect(err).toContain("hint: try again in a moment");
    }
  });
}

test("the wizard asks whether to go on, and then for the model by its name", async () => {
  const provider = await ownProvider("litellm");
  provider.list = { status: 404, body: "{}" };
  const pty = new Pty(person, ["setup", "--provider", "litellm", "--url", provider.origin]);
  await pty.shows(/API key of LiteLLM/);
  pty.type(`${provider.key}\r`);
  await pty.shows(/answered 404[\s\S]*Go on without a list of models/);
  pty.type("y");
  await pty.shows(/Model to use, by its name/);
  pty.type("my-model\r");
  await pty.shows(/Name of the profile/);
  pty.type("\r");
  await pty.shows(/is set up/);
  expect(await pty.ended()).toBe(0);
  expect(person.config().profiles.default).toMatchObject({ model: "my-model", baseUrl: provider.api });
});
