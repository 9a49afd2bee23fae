/**
 * Logs in at a real Glewlwyd with the compiled program, renews, logs out, and has it protect an MCP server. It needs Debian's
 * packages `glewlwyd` and `sqlite3`.
 */
import { expect } from "bun:test";
import { join } from "node:path";
import { ageLogin, storedLoginOf } from "../support/age.ts";
import { Person } from "../support/codemie.ts";
import { RawBridge } from "../support/mcp/bridge.ts";
import { isInstalled, startGlewlwyd } from "./glewlwyd.ts";

if (!isInstalled()) {
  console.error("error: Glewlwyd is not installed\nhint: apt-get install --no-install-recommends glewlwyd sqlite3");
  process.exit(1);
}

const provider = await startGlewlwyd();
const [loginPort, mcpPort] = [47_811, 47_812];
const redirect = `http://localhost:${loginPort}/callback`;
const mcpRedirect = `http://localhost:${mcpPort}/callback`;
const scope = ["openid", "profile", "email", "offline_access"];
const grants = ["code", "refresh_token", "device_authorization"];
const secret = "a secret/with+signs=";
await provider.register({
  client_id: "public",
  confidential: false,
  redirect_uri: [redirect],
  authorization_type: grants,
  scope,
});
await provider.register({
  ...{ client_id: "confidential", confidential: true, client_secret: secret },
  ...{ redirect_uri: [redirect], authorization_type: grants, scope },
  token_endpoint_auth_method: ["client_secret_basic", "client_secret_post"],
});

/** A CodeMie host that asks the provider whose token it is given. */
const host = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    if (new URL(request.url).pathname !== "/code-assistant-api/v1/user") return new Response("", { status: 404 });
    const authorization = request.headers.get("authorization") ?? "";
    const answer = await fetch(`${provider.issuer}/userinfo`, { headers: { authorization } });
    if (!answer.ok) return Response.json({ detail: "no" }, { status: 401 });
    const { sub, name, email } = (await answer.json()) as Record<string, string>;
    return Response.json({ user_id: sub, name, email });
  },
});
/** An MCP server that takes the provider's tokens. */
const mcp = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const { pathname, origin } = new URL(request.url);
    if (pathname.startsWith("/.well-known/oauth-protected-resource")) {
      return Response.json({ resource: `${origin}/mcp`, authorization_servers: [provider.issuer] });
    }
    const authorization = request.headers.get("authorization") ?? "";
    const isGood = (await fetch(`${provider.issuer}/userinfo`, { headers: { authorization } })).ok;
    if (pathname !== "/mcp") return new Response("", { status: 404 });
    if (!isGood) return new Response("", { status: 401, headers: { "www-authenticate": "Bearer" } });
    if (request.method !== "POST") return new Response("", { status: 405 });
    const { id, method } = (await request.json()) as { id?: number; method: string };
    if (id === undefined) return new Response("", { status: 202 });
    const hello = { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "protected", version: "1" } };
    return Response.json({ jsonrpc: "2.0", id, result: method === "initialize" ? hello : { heard: method } });
  },
});
const mcpUrl = `http://127.0.0.1:${mcp.port}/mcp`;
await provider.register({
  ...{
    client_id: "mcp",
    confidential: false,
    redirect_uri: [mcpRedirect],
    authorization_type: ["code", "refresh_token"],
  },
  ...{ scope: ["openid", "mcp"], resource: [mcpUrl] },
});

const at = ["--url", `http://127.0.0.1:${host.port}`, "--issuer", provider.issuer];
const callback = ["--callback-host", "localhost", "--callback-port", String(loginPort)];
let failed = 0;

async function scenario(name: string, work: (person: Person) => Promise<void>): Promise<void> {
  const person = new Person();
  try {
    await work(person);
    console.log(`✓ ${name}`);
  } catch (error) {
    failed++;
    console.log(`✗ ${name}\n${error instanceof Error ? error.message : error}`);
  } finally {
    person.remove();
  }
}

async function logIn(person: Person, client: string, flags: string[] = [], env: Record<string, string> = {}) {
  const login = person.start(["profile", "login", ...at, "--client-id", client, ...callback, ...flags], { env });
  const [address] = await login.says(/http:\S+\/auth\?\S+/);
  await provider.visit(address);
  const { code, out, err } = await login.finished();
  expect({ code, out, err }).toEqual({
    code: 0,
    out: expect.stringContaining("as Ada <ada@example.com>"),
    err: expect.any(String),
  });
}

async function refreshTokenOf(person: Person): Promise<string | undefined> {
  const login = await storedLoginOf(person);
  return login?.method === "oidc" ? login.refreshToken : undefined;
}

async function renewed(person: Person, env: Record<string, string> = {}): Promise<string | undefined> {
  await ageLogin(person);
  const { code, err } = await person.run(["token"], { env });
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return await refreshTokenOf(person);
}

await scenario("login by browser, renewal with rotation, logout", async (person) => {
  await logIn(person, "public");
  const first = await refreshTokenOf(person);
  const second = await renewed(person);
  expect(second).not.toBe(first);
  expect(await renewed(person)).not.toBe(second);
  const { out } = await person.run(["profile", "logout"]);
  // Glewlwyd takes revocations from clients with a secret only.
  expect(out).toContain("did not confirm that it ended them");
});
await scenario("login by device code, and renewal", async (person) => {
  const login = person.start(["profile", "login", ...at, "--client-id", "public", "--device"]);
  const [, code = ""] = await login.says(/enter the code (\S+?):/);
  await provider.enter(code);
  expect((await login.finished()).code).toBe(0);
  await renewed(person);
});
await scenario(
  "a confidential client, whose secret changes when it is encoded: login, renewal, logout",
  async (person) => {
    const env = { TEAM_SECRET: secret };
    await logIn(person, "confidential", ["--client-secret-env", "TEAM_SECRET"], env);
    await renewed(person, env);
    const { out } = await person.run(["profile", "logout"], { env });
    expect(out).toContain("the provider ended the login");
  },
);
await scenario("an MCP server behind it: access by browser", async (person) => {
  const flags = ["--client-id", "mcp", "--scope", "openid mcp", "--callback-port", String(mcpPort)];
  const opened = join(person.root, "opened");
  const env = { CODEMIE_BROWSER: join(import.meta.dir, "browser.mjs"), BROWSER_LOG: opened };
  const bridge = new RawBridge(person, [mcpUrl, ...flags], { env });
  const answer = bridge.initialize();
  while (!(await Bun.file(opened).exists())) await Promise.race([Bun.sleep(50), bridge.child.exited]);
  const start = (await Bun.file(opened).text()).trim();
  const led = await fetch(start, { redirect: "manual" });
  await provider.visit(led.headers.get("location") ?? "");
  expect((await answer).result.serverInfo.name).toBe("protected");
  expect((await bridge.call("tools/list")).result).toEqual({ heard: "tools/list" });
  await bridge.end();
});
await provider.renewing("keeps");
await scenario("renewal without rotation", async (person) => {
  await logIn(person, "public");
  const first = await refreshTokenOf(person);
  expect(await renewed(person)).toBe(first);
});

await host.stop(true);
await mcp.stop(true);
await provider.stop();
process.exit(failed > 0 ? 1 : 0);
