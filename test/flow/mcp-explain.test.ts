import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { Person } from "../support/codemie.ts";
import { listening } from "../support/corporate.ts";
import { freePort } from "../support/mcp/everything.ts";
import { type Settings, scriptedBrowser, startProtected } from "../support/mcp/protected.ts";
import { startScripted } from "../support/mcp/scripted.ts";
import { Pty } from "../support/pty.ts";

/** `--explain` says which step fails, against which specification, and what to do. */

async function explained(changes: Partial<Settings>, flags: string[] = []) {
  const server = await startProtected(changes);
  const person = new Person();
  const env = { CODEMIE_BROWSER: scriptedBrowser };
  const { out, err, code } = await person.run(["mcp-proxy", "--explain", server.url, ...flags], { env });
  person.remove();
  await server.close();
  return { out, err, code, server };
}

test("at a terminal, a person is told what is waited for: by --explain, and by a bridge that was started by hand", async () => {
  const person = new Person();
  const silent = createServer((socket) => socket.on("error", () => undefined));
  const url = `http://127.0.0.1:${await listening(silent)}/mcp`;
  const explain = new Pty(person, ["mcp-proxy", "--explain", url]);
  await explain.shows(new RegExp(`asking ${new URL(url).origin}…`));
  explain.type("\u0003");
  expect(await explain.ended()).toBe(130);
  const bridge = new Pty(person, ["mcp-proxy", url]);
  await bridge.shows(/waiting for an MCP client/);
  bridge.type("\u0003");
  expect(await bridge.ended()).toBe(130);
  const { err } = await person.run(["mcp-proxy", url], { stdin: "" });
  expect(err).toBe("");
  silent.close();
  person.remove();
});

test("a way that leads to the server: every step, and nothing left behind", async () => {
  const { out, code, server } = await explained({});
  for (const step of [
    /✓ server {2}POST \S+ → 401, Bearer resource_metadata=\S+ {2}\(RFC 6750 section 3\)/,
    /✓ protected resource metadata {2}200 \S+ {2}\(RFC 9728 section 3\)/,
    /✓ resource /,
    /✓ authorization server metadata {2}200/,
    /✓ issuer /,
    /✓ PKCE {2}S256 {2}\(RFC 7636/,
    /✓ registration {2}201/,
    /✓ browser /,
    /✓ callback /,
    /✓ token {2}authorization_code: 200/,
    /✓ initialize {2}scripted 1\.0\.0, protocol 2025-11-25/,
    /✓ \S+\/mcp can be used/,
  ]) {
    expect(out).toMatch(step);
  }
  expect(code).toBe(0);
  expect(server.live.size).toBe(0); // the token was revoked
  for (const secret of server.secrets) expect(out).not.toContain(secret);
});

for (const [what, changes, step, hint] of [
  [
    "another resource",
    { resource: { resource: "https://x.example.com/" } },
    /✗ resource .*RFC 9728 section 3\.3/,
    "--resource",
  ],
  [
    "another issuer",
    { server: { issuer: "https://x.example.com" } },
    /✗ issuer .*RFC 8414 section 3\.3/,
    "administrator",
  ],
  ["no metadata", { server: undefined }, /✗ authorization server metadata {2}404 .*RFC 8414/, "administrator"],
  [
    "no S256",
    { server: { code_challenge_methods_supported: ["plain"] } },
    /✗ PKCE {2}plain .*RFC 7636/,
    "administrator",
  ],
  ["no registration", { server: { registration_endpoint: undefined } }, /✗ registration .*RFC 7591/, "--client-id"],
  ["declined", { callback: { error: "access_denied", code: undefined } }, /✗ callback {2}access_denied/, "declined"],
  ["a token refused for ever", { takesNone: true }, /✗ initialize .*does not accept the access token/, "administrator"],
] as [string, Partial<Settings>, RegExp, string][]) {
  test(`${what}: the step, the specification, the way out, exit 4`, async () => {
    const { out, err, code } = await explained(changes);
    expect(out).toMatch(step);
    expect(err).toContain("error: ");
    expect(err).toMatch(new RegExp(`hint: .*${hint}`));
    expect(code).toBe(4);
  });
}

test("--json is one document", async () => {
  const { out, code } = await explained({ server: { issuer: "https://x.example.com" } }, ["--json"]);
  const document = JSON.parse(out);
  expect(document.ok).toBe(false);
  expect(document.steps.map(({ name }: { name: string }) => name)).toContain("issuer");
  expect(document.error).toMatchObject({ code: "auth_refused", hint: expect.any(String) });
  expect(code).toBe(4);
});

test("a server without a login, one that is down, and one that is none", async () => {
  const person = new Person();
  const open = await startScripted();
  expect((await person.run(["mcp-proxy", "--explain", open.url])).code).toBe(0);
  const down = await person.run(["mcp-proxy", "--explain", `http://127.0.0.1:${await freePort()}/mcp`]);
  expect([down.code, down.err]).toEqual([5, expect.stringContaining("connection refused")]);
  const page = await startScripted((_seen, _message, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<html>");
  });
  const none = await person.run(["mcp-proxy", "--explain", page.url]);
  expect([none.code, none.err]).toEqual([1, expect.stringContaining("does not answer like an MCP server")]);
  await open.close();
  await page.close();
  person.remove();
});
