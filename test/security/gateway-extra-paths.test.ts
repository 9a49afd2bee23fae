import { expect, test } from "bun:test";
import { join } from "node:path";
import type { Person } from "../support/codemie.ts";
import { startGateway } from "../support/gateway.ts";
import { sharedGateway, sharedLogin } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: a path that a profile opens for its agents opens more than was meant, the host's login above all. */

const opened = [
  "* /v1/responses/*",
  "POST /v1/images/generations",
  "* /*/*/*",
  "GET /v1/auth/login/*",
  "HEAD /v1/files",
];
const withPaths = (person: Person, gatewayPaths: string[]) =>
  person.editConfig((config) => {
    config.profiles.default.gatewayPaths = gatewayPaths;
  });
const { sandbox, gateway } = await sharedGateway((person) => withPaths(person, opened));
const loggedIn = await sharedLogin(sandbox);

const ask = (method: string, path: string, body?: string) =>
  gateway.ask(path, { method, ...(body === undefined ? {} : { body }) });

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

for (const path of cases([
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
])) {
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
    const other = loggedIn.copy();
    withPaths(other, [path]);
    const { code, out } = await other.run(["models", "--json"]);
    expect({ path, code, error: JSON.parse(out).error?.code }).toEqual({ path, code: 1, error: "config_damaged" });
    other.remove();
  }
});

test("a repository cannot open paths", async () => {
  const other = loggedIn.copy();
  await Bun.write(
    join(other.cwd, ".codemie/codemie-cli.config.json"),
    JSON.stringify({ version: 2, profiles: { x: { gatewayPaths: ["GET /v1/user"] } } }),
  );
  await using run = await startGateway(other);
  expect((await run.ask("/v1/user", { method: "GET" })).status).toBe(404);
});
