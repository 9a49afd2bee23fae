import { expect, test } from "bun:test";
import { dirname } from "node:path";
import { claudeFolder, codemieMcpProxy, Person } from "../support/codemie.ts";
import { RawBridge } from "../support/mcp/bridge.ts";
import { startScripted } from "../support/mcp/scripted.ts";
import { otherProcesses, shownOf } from "../support/processes.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: the key of a server stands in the list of processes, where every user of the machine can read it. */

const secret = "key-in-a-variable";

/** Command lines of all processes that hold the secret. */
function shown(): string[] {
  return otherProcesses()
    .map((pid) => shownOf(pid, "cmdline").replaceAll("\n", " "))
    .filter((line) => line.includes(secret));
}

ciTest(
  "--header-env through the real Claude Code: the server gets the key, and no command line holds it",
  async () => {
    const seen: string[] = [];
    const lists: string[] = [];
    const server = await startScripted(({ headers }) => {
      seen.push(String(headers["x-api-key"]));
      lists.push(...shown());
    });
    const person = new Person();
    const env = { PATH: `${claudeFolder}:${dirname(codemieMcpProxy)}:${person.env.PATH}`, MCP_KEY: secret };
    const added = await person.run(["mcp", "add", "x", server.url, "--", "--header-env", "X-Api-Key: MCP_KEY"], {
      env,
    });
    expect([added.err, added.code]).toEqual(["", 0]);
    // It starts each registered server to see how it is.
    const { out } = await person.run(["mcp", "list"], { env, program: `${claudeFolder}/claude` });
    expect(out).toContain("Connected");
    expect(seen.length).toBeGreaterThan(0);
    expect(new Set(seen)).toEqual(new Set([secret]));
    expect(lists).toEqual([]);
    await server.close();
    person.remove();
  },
  60_000,
);

test("--header-env may have a scheme before the variable, and says which variable is missing", async () => {
  const server = await startScripted();
  const person = new Person();
  const flags = ["--header-env", "Authorization: Bearer MCP_TOKEN"];
  const bridge = new RawBridge(person, [server.url, ...flags], { env: { MCP_TOKEN: secret } });
  await bridge.initialize();
  expect(server.record[0]?.headers.authorization).toBe(`Bearer ${secret}`);
  await bridge.end();
  const missing = await person.run(["mcp-proxy", server.url, ...flags]);
  expect([missing.code, missing.err]).toEqual([2, expect.stringContaining("MCP_TOKEN, which is not set")]);
  const bad = await person.run(["mcp-proxy", server.url, "--header-env", "X-Key: not a name!"]);
  expect([bad.code, bad.err]).toEqual([2, expect.stringContaining("not of the form 'Name: VARIABLE'")]);
  await server.close();
  person.remove();
});

for (const [what, args, said] of cases([
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Claude Code would fill it in
  ["a variable the agent would fill in", ["x", "--", "--header", "X-Api-Key: ${MCP_KEY}"], "--header-env"],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the same
  ["such a variable with a default", ["x", "--", "--header", "X-Api-Key: ${MCP_KEY:-none}"], "--header-env"],
  ["a header's value", ["x", "--", "--header", `Authorization: Bearer ${secret}`], "--header-env"],
  ["it in one word", ["x", "--", `--header=X-Api-Key: ${secret}`], "--header-env"],
  ["it behind another flag", ["x", "--", "--persist", "--header", `Cookie: ${secret}`], "--header-env"],
  [
    "a parameter that is a secret",
    ["x", "--", "--authorize-param", `id_token_hint=${secret}`],
    "id_token_hint is a secret",
  ],
  ["an unknown flag", ["x", "--", "--bogus"], "no flag --bogus"],
  ["a flag without its value", ["x", "--", "--header"], "--header needs a value"],
  ["a second address", ["x", "--", "https://other.example.com/mcp"], "takes one address and flags"],
  ["a flag that starts no bridge", ["x", "--", "--explain"], "cannot be registered"],
  ["a name that is a flag to others", ["-x"], ""],
] as const)) {
  test(`codemie mcp add refuses ${what}, and registers nothing`, async () => {
    const person = new Person();
    const [name, ...rest] = args;
    const { code, err, out } = await person.run([
      "mcp",
      "add",
      name,
      "https://mcp.example.com/mcp",
      "--print",
      ...rest,
    ]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(said);
    expect(err).not.toContain(secret);
    person.remove();
  });
}

test("codemie mcp add does not look for the variables the bridge will need", async () => {
  const person = new Person();
  const flags = ["--client-id", "mine", "--client-secret-env", "NOT_SET", "--header-env", "X-Key: NOT_SET"];
  const { code, out } = await person.run(["mcp", "add", "x", "https://mcp.example.com/mcp", "--print", "--", ...flags]);
  expect(code).toBe(0);
  expect(JSON.parse(out).mcpServers.x.args.slice(-6)).toEqual(flags);
  person.remove();
});
