import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { Probe } from "../support/probe.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";

/** Threat: a path that a profile opens for its agents opens more than was meant, the host's login above all. */

let sandbox: Sandbox;
let person: Person;
let probe: Probe;
let url = "";
let key = "";
beforeAll(async () => {
  sandbox = await startSandbox();
  person = new Person();
  await logIn(person, sandbox);
  await setPaths([
    "* /v1/responses/*",
    "POST /v1/images/generations",
    "* /*/*/*",
    "GET /v1/auth/login/*",
    "HEAD /v1/files",
  ]);
  probe = new Probe(person);
  ({ url, key } = await probe.started());
});
beforeEach(() => {
  sandbox.record.length = 0;
});
afterAll(async () => {
  await probe.stop();
  await sandbox.close();
});

async function setPaths(gatewayPaths: string[]): Promise<void> {
  const file = join(person.codemieHome, "codemie-cli.config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  config.profiles.default.gatewayPaths = gatewayPaths;
  await Bun.write(file, JSON.stringify(config));
}

const ask = (method: string, path: string, body?: string) =>
  fetch(url + path, {
    method,
    redirect: "manual",
    headers: { "x-api-key": key },
    ...(body === undefined ? {} : { body }),
  });

test("what the profile names goes upstream, with any method and body it allows", async () => {
  for (const [method, path, body] of [
    ["GET", "/v1/responses/resp_1"],
    ["DELETE", "/v1/responses/resp_1", '{"why":"done"}'],
    ["PATCH", "/v1/responses/resp_1?x=1&y=%20", "a"],
    ["PUT", "/v1/responses/resp_1", ""],
    ["POST", "/v1/images/generations", "{}"],
    ["HEAD", "/v1/files"],
  ] as const) {
    sandbox.record.length = 0;
    await ask(method, path, body);
    expect(sandbox.record.map((seen) => [seen.method, seen.target, seen.body])).toEqual([
      [method, `/code-assistant-api${path}`, body ?? ""],
    ]);
  }
});

for (const path of [
  "/v1/auth/login/1",
  "/v1/AUTH/login/1",
  "/v1/auth/login",
  "/v1/local-auth/login",
  "/v1/x/../auth/login/1",
  "/v1/responses/../auth/login/1",
  "/v1/responses/resp_1/deeper",
  "/v1/responses/",
  "/v1/responses/..%2fauth",
  "/v1/responses/a%2fb",
  "/v1/filesX",
  "/oauth2/auth",
]) {
  test(`${path} stays closed`, async () => {
    for (const method of ["GET", "POST"]) expect((await ask(method, path)).status).toBe(404);
    expect(sandbox.record).toEqual([]);
  });
}

test("a path that is none is an error of the configuration, at once", async () => {
  for (const path of [
    "/v1/x",
    "GET v1/x",
    "GET /v1/../auth",
    "GET /v1/x?y",
    "GET /v1/(.*)",
    "GET /**",
    "get /x",
    "GET //x",
  ]) {
    const other = new Person();
    await logIn(other, sandbox);
    const file = join(other.codemieHome, "codemie-cli.config.json");
    const config = JSON.parse(readFileSync(file, "utf8"));
    config.profiles.default.gatewayPaths = [path];
    await Bun.write(file, JSON.stringify(config));
    const { code, out } = await other.run(["models", "--json"]);
    expect({ path, code, error: JSON.parse(out).error?.code }).toEqual({ path, code: 1, error: "config_damaged" });
    other.remove();
  }
});

test("a repository cannot open paths", async () => {
  const other = new Person();
  await logIn(other, sandbox);
  await Bun.write(
    join(other.cwd, ".codemie/codemie-cli.config.json"),
    JSON.stringify({ version: 2, profiles: { x: { gatewayPaths: ["GET /v1/user"] } } }),
  );
  const run = new Probe(other);
  const started = await run.started();
  const answer = await fetch(`${started.url}/v1/user`, { headers: { "x-api-key": started.key } });
  expect(answer.status).toBe(404);
  await run.stop();
});
