import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { textBelow } from "../support/files.ts";
import { type ModelProvider, startModelProvider } from "../support/model-provider.ts";

/** Threat: a secret that the existing CLI left in its file in clear comes back, stays behind, or takes a newer one's place. */

let person: Person;
let provider: ModelProvider;
const old = "sk-old-key-in-clear-0123456789";
beforeEach(async () => {
  person = new Person();
  provider = await startModelProvider("litellm");
  mkdirSync(person.codemieHome, { recursive: true });
  writeFileSync(
    person.configFile,
    JSON.stringify({
      version: 2,
      activeProfile: "lite",
      profiles: {
        lite: { provider: "litellm", baseUrl: provider.api, apiKey: old, awsSecretAccessKey: "aws-in-clear" },
      },
    }),
    { mode: 0o644 },
  );
});
afterEach(async () => {
  person.remove();
  await provider.close();
});

const everything = () => textBelow(person.codemieHome);
const token = async () => (await person.run(["token"])).out.trim();

test("a new key that setup stores is the one that is used", async () => {
  const args = [
    "setup",
    "--profile",
    "lite",
    "--provider",
    "litellm",
    "--url",
    provider.origin,
    "--key-stdin",
    "--yes",
  ];
  expect((await person.run(args, { stdin: provider.key })).code).toBe(0);
  expect(await token()).toBe(provider.key);
  expect(everything()).not.toContain(old);
});

test("rename takes everything along, at once", async () => {
  expect(await person.run(["profile", "rename", "lite", "keys"])).toMatchObject({ code: 0 });
  expect(await token()).toBe(old);
  expect(everything()).not.toContain(old);
});

test("what is deleted does not come back with a profile of the same name", async () => {
  expect((await person.run(["profile", "delete", "lite", "--yes"])).code).toBe(0);
  person.writeConfig({ version: 2, profiles: { lite: { provider: "litellm", baseUrl: provider.api } } });
  expect((await person.run(["token", "--profile", "lite"])).code).toBe(4);
  expect(
    readdirSync(join(person.codemieHome, "vault")).filter((name) => /^[0-9a-f]{32}\.json$/.test(name)).length,
  ).toBe(1);
});

test("until it is moved, status says where it is; logout ends it", async () => {
  expect((await person.run(["profile", "status", "--offline"])).out).toContain(
    "an API key from the configuration file, in clear text",
  );
  expect((await person.run(["profile", "logout"])).out).toStartWith("✓ profile lite is logged out");
  expect((await person.run(["token"])).code).toBe(4);
  expect(everything()).not.toContain(old);
});

test("a reset leaves no secret in the copy it keeps, nor a login it was told to remove, whatever the file is like", async () => {
  const { out } = await person.run(["config", "reset", "--credentials", "--yes", "--json"]);
  const { backup, removed } = JSON.parse(out);
  expect(removed).toEqual(["lite"]);
  expect(statSync(backup).mode & 0o777).toBe(0o600);
  expect(everything()).not.toContain(old);

  const args = ["setup", "--provider", "litellm", "--url", provider.origin, "--key-stdin", "--yes"];
  await person.run(args, { stdin: provider.key });
  person.writeConfig("{");
  const broken = JSON.parse((await person.run(["config", "reset", "--credentials", "--yes", "--json"])).out);
  expect(broken.removed).toEqual(["default"]);
});

test("a key that could not be sent is kept and not used, and nothing breaks", async () => {
  const file = person.configFile;
  writeFileSync(file, readFileSync(file, "utf8").replace(old, "sk-with-\u200b-inside"));
  expect((await person.run(["config", "set", "model", "m"])).code).toBe(0);
  const { code, err } = await person.run(["models"]);
  expect([code, err.includes("defect")]).toEqual([4, false]);
});

test("show prints no secret, however deep or by whatever name", async () => {
  person.writeConfig({
    version: 2,
    profiles: {
      p: {
        codeMieUrl: "https://x.example",
        hooks: [{ env: { MY_TOKEN: "secret-1", note: "seen" } }],
        plugins: { a: { clientSecret: "secret-2", list: ["https://u:secret-3@h.example/x"] } },
        jwtConfig: { tokenEnvVar: "CI_TOKEN", token: "secret-4" },
      },
    },
  });
  const { out } = await person.run(["profile", "show", "p"]);
  expect(out).toContain("seen");
  expect(out).toContain("CI_TOKEN");
  expect(out + (await person.run(["profile", "show", "p", "--json"])).out).not.toMatch(/secret-\d/);
});
