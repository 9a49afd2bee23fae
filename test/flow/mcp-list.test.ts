import { afterEach, beforeEach, expect, onTestFinished, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person, withClaude } from "../support/codemie.ts";
import { Pty } from "../support/pty.ts";
import { ciTest } from "../support/tiers.ts";

/** `codemie mcp list`: what Claude Code has of our bridge, and whether the servers answer. */

let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.remove());

test("nothing registered, or settings that are none: it says so, and exits 0", async () => {
  for (const text of [undefined, "{", '{"mcpServers":{"a":{"command":1},"b":{"command":"npx","args":["x"]}}}']) {
    if (text !== undefined) writeFileSync(join(person.home, ".claude.json"), text);
    const { code, out } = await person.run(["mcp", "list"]);
    expect([code, out]).toEqual([0, expect.stringContaining("codemie mcp add registers one")]);
    expect((await person.run(["mcp", "list", "--json"])).out).toBe("[]\n");
  }
});

test("logout takes the name of a server too; a name that is not there leads to the list", async () => {
  const entry = (url: string) => ({ command: "codemie-mcp-proxy", args: [url] });
  const mcpServers = {
    tracker: entry("https://mcp.example.com/mcp"),
    keyed: entry("https://mcp.example.com/mcp?api_key=SECRETSECRET123"),
  };
  writeFileSync(join(person.home, ".claude.json"), JSON.stringify({ mcpServers }));
  writeFileSync(
    join(person.cwd, ".mcp.json"),
    JSON.stringify({ mcpServers: { own: entry("https://own.example.com") } }),
  );
  const found = await person.run(["mcp", "logout", "tracker"]);
  expect([found.code, found.out]).toEqual([0, "no login at https://mcp.example.com/mcp is stored\n"]);
  const keyed = await person.run(["mcp", "logout", "keyed"]);
  expect([keyed.code, keyed.out]).toEqual([0, "no login at https://mcp.example.com/mcp?… is stored\n"]);
  for (const [name, hint] of [
    ["trackr", "did you mean tracker"],
    ["own", "give the server's address; codemie mcp list shows names and addresses"],
  ] as const) {
    const { code, err } = await person.run(["mcp", "logout", name]);
    expect({ code, err }).toEqual({
      code: 2,
      err: `error: Claude Code has no server ${name} through codemie\nhint: ${hint}\n`,
    });
  }
});

test("a person who added a server reads what to do next; a script does not", async () => {
  person.install("claude", "#!/bin/sh\nexit 0\n");
  const add = ["mcp", "add", "tracker", "https://mcp.example.com/mcp"];
  const pty = new Pty(person, add);
  expect(await pty.ended()).toBe(0);
  expect(Bun.stripANSI(pty.screen)).toContain("next: codemie-claude, and there /mcp");
  expect((await person.run(add)).err).toBe("");
});

ciTest(
  "what the real Claude Code registered: answers, demands a login, does not answer; a repository's is not asked",
  async () => {
    const asked: string[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => {
        asked.push(`${request.method} ${new URL(request.url).pathname} ${request.headers.get("authorization")}`);
        return new Response("", { status: request.url.includes("/guarded") ? 401 : 405 });
      },
    });
    const at = `http://127.0.0.1:${server.port}`;
    const env = { ...withClaude(person), SECRET: "hidden" };
    for (const [name, url, ...flags] of [
      ["open", `${at}/mcp?key=k-in-address`, "--scope", "user"],
      ["guarded", `${at}/guarded`, "--", "--header-env", "Authorization: SECRET"],
      ["gone", "http://127.0.0.1:1/mcp"],
    ] as const) {
      expect((await person.run(["mcp", "add", name, url, ...flags], { env })).code).toBe(0);
    }
    const own = { command: "/opt/codemie", args: ["mcp-proxy", `${at}/repository`] };
    writeFileSync(join(person.cwd, ".mcp.json"), JSON.stringify({ mcpServers: { own } }));
    const { code, out } = await person.run(["mcp", "list", "--json"], { env });
    expect(code).toBe(5);
    const found = JSON.parse(out).map(({ name, scope, folder, url, answers, detail }: Record<string, unknown>) => [
      ...[name, scope, folder, url, answers, detail],
    ]);
    expect(found).toEqual([
      ["open", "user", null, `${at}/mcp?…`, true, "answers"],
      ["guarded", "local", person.cwd, `${at}/guarded`, true, "answers, and demands a login"],
      ["gone", "local", person.cwd, "http://127.0.0.1:1/mcp", false, expect.stringContaining("connection refused")],
      ["own", "project", person.cwd, `${at}/repository`, null, expect.stringContaining("not asked")],
    ]);
    expect(asked.sort()).toEqual(["GET /guarded null", "GET /mcp null"]);
    const text = await person.run(["mcp", "list"], { env });
    expect(text.out).toContain(`✓ open  ${at}/mcp?…\n  answers; for every folder\n`);
    expect(text.out + out).not.toContain("k-in-address");
    await server.stop(true);
  },
);

test("what answers like no MCP server does not count as an answer", async () => {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ url }) => {
      const status = Number(new URL(url).pathname.slice(1));
      return new Response("<html>", { status, headers: status === 200 ? { "content-type": "text/html" } : {} });
    },
  });
  onTestFinished(() => server.stop(true));
  const at = `http://127.0.0.1:${server.port}`;
  const entry = (status: number) => [`s${status}`, { command: "codemie-mcp-proxy", args: [`${at}/${status}`] }];
  const mcpServers = Object.fromEntries([200, 401, 403, 404, 405, 503].map(entry));
  writeFileSync(join(person.home, ".claude.json"), JSON.stringify({ mcpServers }));
  const { code, out } = await person.run(["mcp", "list", "--json"]);
  expect(code).toBe(5);
  expect(JSON.parse(out).map((one: Record<string, unknown>) => [one.name, one.answers, one.detail])).toEqual([
    ["s200", false, "answers with a page, as no MCP server does"],
    ["s401", true, "answers, and demands a login"],
    ["s403", false, "answers with an error (403)"],
    ["s404", false, "answers with an error (404)"],
    ["s405", true, "answers"],
    ["s503", false, "answers with an error (503)"],
  ]);
});

test("a relay whose gateway has ended is not asked: anybody may listen at its port, and the address holds a key", async () => {
  const asked: string[] = [];
  const other = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => {
      asked.push(url);
      return new Response("");
    },
  });
  onTestFinished(() => other.stop(true));
  const url = `http://127.0.0.1:${other.port}/~KEYKEYKEYKEY/mcp_auth?original=https%3A%2F%2Fmcp.example.com%2Fmcp`;
  writeFileSync(join(person.home, ".claude.json"), JSON.stringify({ mcpServers: { tracker: { type: "http", url } } }));
  const { code, out } = await person.run(["mcp", "list", "--json"]);
  expect(code).toBe(5);
  expect(JSON.parse(out)).toMatchObject([
    {
      name: "tracker",
      via: "relay",
      answers: false,
      detail: `your gateway does not run there: codemie proxy start --port ${other.port} starts it`,
    },
  ]);
  expect(asked).toEqual([]);
});
