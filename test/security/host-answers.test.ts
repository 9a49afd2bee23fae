import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { constants, deflateRawSync } from "node:zlib";
import { Api } from "../../src/api/client.ts";
import { modelsOfProvider } from "../../src/api/provider.ts";
import { models } from "../../src/api/schemas.ts";
import { hostAt, parseProvider } from "../../src/core/host.ts";
import { closest, nearest } from "../../src/core/text.ts";
import { codemie, Person } from "../support/codemie.ts";
import { measured } from "../support/measured.ts";
import { cases, ciTest } from "../support/tiers.ts";
import { adasToken } from "../support/token.ts";

/** Threat: a host's or provider's answer fills the machine's memory, takes its time, or stops the agent. */

const megabyte = 1024 * 1024;
/** The most memory a command may hold at any time, MB. */
const most = 300;

let routes: Record<string, (response: ServerResponse) => void> = {};
const server = createServer((request: IncomingMessage, response) => {
  const path = request.url?.split("?")[0] ?? "";
  const route = routes[path] ?? routes["*"];
  if (route) route(response);
  else json(defaults[path])(response);
});
server.listen(0, "127.0.0.1");
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
afterAll(() => server.close());

const api = "/code-assistant-api/v1";
const json = (value: unknown) => (response: ServerResponse) => {
  response.writeHead(value === undefined ? 404 : 200, { "content-type": "application/json" });
  response.end(JSON.stringify(value ?? { detail: "not found" }));
};
const defaults: Record<string, unknown> = {
  [`${api}/user`]: { user_id: "ada", name: "Ada" },
  [`${api}/llm_models`]: [{ base_name: "claude-sonnet-4-6" }],
  "/.well-known/openid-configuration": {
    issuer: origin,
    authorization_endpoint: `${origin}/auth`,
    token_endpoint: `${origin}/token`,
    jwks_uri: `${origin}/jwks`,
  },
};

let person: Person;
beforeEach(() => {
  routes = {};
  person = new Person();
});
afterEach(() => person.remove());

/** Sends blanks for as long as somebody reads them, 2 GB at most. */
function endless(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/json" });
  const block = Buffer.alloc(megabyte, " ");
  let left = 2048;
  const pour = () => {
    while (left-- > 0 && !response.destroyed) if (!response.write(block)) return void response.once("drain", pour);
    response.end();
  };
  pour();
}

/** Two MB that unpack to 2 GB of blanks (RFC 1952); the trailer is never needed. */
function bomb(response: ServerResponse): void {
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
  const block = deflateRawSync(Buffer.alloc(megabyte, " "), { finishFlush: constants.Z_SYNC_FLUSH });
  response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
  response.end(Buffer.concat([header, ...Array<Buffer>(2048).fill(block)]));
}

/** Runs a command; tells what it said, and the most memory it held, MB. */
async function run(args: string[], env: Record<string, string> = {}) {
  const token = { CODEMIE_JWT_TOKEN: adasToken, CODEMIE_URL: origin };
  const { command, peakMb } = measured([codemie, ...args], person.root);
  const child = Bun.spawn(command, {
    cwd: person.cwd,
    env: { ...person.env, ...token, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code: child.exitCode, said: out + err, out, memory: peakMb() };
}

const login = ["profile", "login", "--issuer", origin, "--client-id", "cli", "--timeout", "60"];
for (const [path, args, env] of cases(
  [
    [`${api}/user`, ["profile", "status"], {}],
    [`${api}/llm_models`, ["models"], {}],
    ["/.well-known/openid-configuration", login, {}],
  ] as const,
  1,
)) {
  for (const [what, answer] of [
    ["an answer without end", endless],
    ["a small answer that unpacks to 2 GB", bomb],
  ] as const) {
    test(`${path}: ${what} is an error, and little memory is used`, async () => {
      routes = { [path]: answer };
      const { code, said, memory } = await run([...args], env);
      expect({ code, bounded: /more than \d+ bytes/.test(said) }).toEqual({ code: 1, bounded: true });
      expect(memory).toBeLessThan(most);
    });
  }
}

test("keys without end: doctor says that the token could not be verified", async () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = `${part({ alg: "RS256" })}.${part({ sub: "ada", iss: origin })}.c2ln`;
  for (const answer of [endless, bomb]) {
    routes = { "/jwks": answer };
    const { said, memory } = await run(["doctor", "--verbose"], { CODEMIE_JWT_TOKEN: token });
    expect(said).toMatch(/signature.*(could not be verified|more than)/);
    expect(memory).toBeLessThan(most);
  }
});

test("a host that never answers: a signal ends the set-up", async () => {
  const asked = Promise.withResolvers<void>();
  routes = { "*": () => asked.resolve() };
  const setup = person.start(["setup", "--url", origin, "--yes"]);
  await asked.promise;
  setup.kill("SIGTERM");
  expect((await setup.finished()).code).toBe(143);
  server.closeAllConnections();
});

/** An answer nearly as long as we read, full of one value. */
const full = (value: string) => Buffer.from(`[${`${value},`.repeat(7_900_000 / (value.length + 1))}${value}]`);
const raw = (body: Buffer) => (response: ServerResponse) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(body);
};

for (const value of cases(["0", "{}", "[]"], 1)) {
  test(`millions of ${value} instead of models: an error, with no record of each fault`, async () => {
    routes = { [`${api}/llm_models`]: raw(full(value)) };
    const { code, said, memory } = await run(["models"]);
    expect([code, said]).toEqual([1, expect.stringContaining("unexpected data from /v1/llm_models")]);
    expect(memory).toBeLessThan(600);
  });
}

/** An API whose answers to each path are these. */
const apiWith = (answers: Record<string, unknown>) =>
  new Api({
    host: hostAt(origin),
    authorize: () => undefined,
    version: "1.0.0",
    fetch: async (url) => Response.json(answers[new URL(url).pathname.replace(api, "")] ?? {}),
  });
const far = "x".repeat(1_000_000);

test("bad entries among good ones are left out, of every list", async () => {
  const bad = [0, null, {}, [], "", far, { name: far, id: far, base_name: far }];
  const settings = { alias: "Team", project_name: "p", credential_type: "LiteLLM" };
  const host = apiWith({
    "/user": { user_id: "ada", projects: [...bad, { name: "a" }], applications: [...bad, "b"], is_admin: true },
    "/admin/applications": { applications: [...bad, "p10", { name: "p9" }, "line\nbreak"] },
    "/llm_models": [...bad, { base_name: "m", label: far, provider: null, cost: { input: "x" } }],
    "/settings/user": { data: [...bad, { id: "1", ...settings }, { id: "2", ...settings, alias: far }] },
  });
  expect(await host.projects()).toEqual(["a", "b", "p9", "p10"]);
  expect(await host.models()).toEqual([{ id: "m", label: "m", provider: null, default: false, cost: null }]);
  expect(await host.integrations("p")).toEqual([{ id: "1", alias: "Team" }]);
});

test("a page of integrations with a bad entry is not the last one", async () => {
  const settings = { alias: "Team", project_name: "p", credential_type: "LiteLLM" };
  const pages = [[...Array.from({ length: 49 }, (_, i) => ({ id: `x${i}` })), 0], [{ id: "1", ...settings }]];
  const host = new Api({
    host: hostAt(origin),
    authorize: () => undefined,
    version: "1.0.0",
    fetch: async (url) => Response.json({ data: pages[Number(new URL(url).searchParams.get("page"))] ?? null }),
  });
  expect(await host.integrations("p")).toEqual([{ id: "1", alias: "Team" }]);
});

test("a model provider's list: bare, or none, or with bad entries", async () => {
  const models = async (answer: unknown) => {
    const provider = parseProvider("https://models.example.com/v1");
    const fetch = async () => Response.json(answer);
    const found = await modelsOfProvider({ host: provider, provider: "p", authorize: () => undefined, fetch });
    return found.map(({ id }) => id);
  };
  expect(await models([{ id: "a" }, 0])).toEqual(["a"]);
  expect(await models({ data: null })).toEqual([]);
  expect(await models({ data: [{ id: "a", display_name: 5 }, { name: "b" }, { id: far }] })).toEqual(["a"]);
  for (const answer of [{ data: [0] }, {}, ["a"], "a"]) {
    expect(models(answer)).rejects.toMatchObject({ code: "wrong_base_url" });
  }
});

test("a project whose name has millions of characters is left out, and stops no command after the set-up", async () => {
  // Each of these bytes becomes three in the text.
  const name = Buffer.alloc(6_000_000, 0xff);
  const body = Buffer.concat([Buffer.from('{"user_id":"ada","applications":["'), name, Buffer.from('"]}')]);
  routes = { [`${api}/user`]: raw(body) };
  const flags = ["--method", "jwt", "--url", origin, "--token-env", "CI_TOKEN", "--yes"];
  const { code, said } = await run(["setup", ...flags], { CI_TOKEN: adasToken });
  expect([code, said]).toEqual([0, expect.stringContaining("you are in no project")]);
  expect((await run(["config", "list"])).code).toBe(0);
});

const good = "claude-haiku-4-5";
const bad = ["claude-a\0b", `claude-${"x".repeat(200_000)}`, "claude\u001b[2J", "claude\u200b-x", "claude\n-x", ""];

test("model ids that no variable or argument can hold are left out, and the agent starts with another", async () => {
  const names = [...bad, good];
  routes = { [`${api}/llm_models`]: json(names.map((base_name, i) => ({ base_name, default: i === 0 }))) };
  person.install(
    "claude",
    '#!/bin/sh\nprintf "model %s; tier %s\\n" "$ANTHROPIC_MODEL" "$ANTHROPIC_DEFAULT_OPUS_MODEL"\n',
  );
  const { code, out } = await run(["claude", "--task", "x"], { PATH: person.env.PATH ?? "" });
  expect([code, out]).toEqual([0, `model ${good}; tier ${good}\n`]);
  const listed = JSON.parse((await run(["models", "--json"])).out).map(({ id }: { id: string }) => id);
  expect(listed).toEqual([good]);
});

test("of a hundred thousand models the agent gets the newest of the first ones, and no time goes by", () => {
  const many = Array.from({ length: 100_000 }, (_, i) => ({ base_name: `opus-haiku-sonnet-${(i * 7919) % 100_000}` }));
  const ids = models.parse(many).map(({ base_name }) => base_name);
  expect(ids).toEqual(many.slice(0, 2_000).map(({ base_name }) => base_name));
});

test("a typing mistake is looked for among many and giant names in no time", async () => {
  const giant = Array.from({ length: 20 }, (_, i) => "y".repeat(250) + i);
  routes = { [`${api}/llm_models`]: json([...giant, good].map((base_name) => ({ base_name }))) };
  person.install("claude", "#!/bin/sh\nexit 0\n");
  const { code, said } = await run(["claude", "--model", "z".repeat(100_000)], { PATH: person.env.PATH ?? "" });
  expect([code, said]).toEqual([0, expect.stringContaining("is not one of this account's models")]);
});

ciTest("what is compared is bounded, in length and in number", () => {
  const giant = Array.from({ length: 5_000 }, () => "y".repeat(100_000));
  const start = performance.now();
  closest("z".repeat(100_000), giant, 3);
  nearest("z".repeat(100_000), giant);
  nearest("claude-sonnet", Array(1_000_000).fill("claude-sonnets"));
  // Unbounded, this takes hours.
  expect(performance.now() - start).toBeLessThan(60_000);
});
