import { afterAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { type Protected, startProtected } from "../support/mcp/protected.ts";
import { authorizeInBrowser, connect, startRelay } from "../support/relay.ts";

/** An MCP client reaches a server, and its authorization server, through the gateway. */

const relay = await startRelay();
const hosts: Protected[] = [];
afterAll(async () => {
  for (const host of hosts) await host.close();
  await relay[Symbol.asyncDispose]();
});

async function protectedHost(...settings: Parameters<typeof startProtected>): Promise<Protected> {
  const host = await startProtected(...settings);
  hosts.push(host);
  return host;
}

/** The resource that the authorization server was told of, at each of its endpoints. */
const resources = (host: Protected) => [
  ...host.calls("/authorize").map(({ query }) => query.get("resource")),
  ...host.calls("/token").map(({ body }) => new URLSearchParams(body).get("resource")),
];

test("proxy start --json gives the address of the relay, whose key is its own", () => {
  const { url, key } = relay.started;
  expect(relay.started.relay).toBe(`${url}/~${relay.key}/mcp_auth?original=`);
  expect(Buffer.from(relay.key, "base64url")).toHaveLength(32);
  expect(relay.key).not.toBe(key);
});

test("the SDK's client authorizes and works; every address that it is told leads through the gateway", async () => {
  const host = await protectedHost();
  const { client, memory } = await connect(relay.entry(host.url));
  expect(client.getServerVersion()).toBeDefined();
  await client.close();
  expect(memory.cameBack?.led[0]).toStartWith(`${relay.started.url}/~${relay.key}/mcp_relay/`);
  expect(memory.cameBack?.led[1]).toStartWith(`${host.issuer}/authorize?`);
  expect(memory.cameBack?.state).toBe("the client's state");
  expect(resources(host)).toEqual([host.url, host.url]);
  expect(JSON.parse(host.calls("/register")[0]?.body ?? "").client_name).toBe("CodeMie CLI");
  const [authorized] = await relay.audited("mcp-authorized");
  expect(authorized).toMatchObject({
    host: host.origin,
    outcome: "ok",
    detail: { grant: "authorization_code", through: "the relay", mcp: "before 2026-07-28" },
  });
});

test("the audit trail says which revision of MCP a client speaks, where it names one", async () => {
  const host = await protectedHost();
  const entry = relay.entry(host.url);
  const headers = { "mcp-protocol-version": "2026-07-28" };
  const before = (await relay.audited("mcp-authorized", 0)).length;
  await fetch(entry, { method: "POST", body: "{}", headers });
  await strictly(entry);
  expect((await relay.audited("mcp-authorized", before + 1)).at(-1)?.detail.mcp).toBe("2026-07-28");
  const earlier = (await relay.audited("relay-refused", 0)).length;
  const refused: unknown[] = [];
  for (const [name, value] of [
    ["mcp-protocol-version", "2026-07-28"],
    ["mcp-protocol-version", "a secret"],
    ["x-other", "1"],
  ] as const) {
    await fetch(relay.entry("http://10.0.0.1/mcp"), { method: "POST", body: "{}", headers: { [name]: value } });
    refused.push((await relay.audited("relay-refused", earlier + refused.length + 1)).at(-1)?.detail.mcp);
  }
  expect(refused).toEqual(["2026-07-28", undefined, undefined]);
});

type Metadata = Record<string, string>;

/** A client that compares whatever a specification lets it compare, as few do. */
async function strictly(
  entry: string,
  redirect = "http://localhost:9/callback",
): Promise<{ token: string; endpoint: string }> {
  const challenged = await fetch(entry, { method: "POST", body: "{}" });
  const [, named = ""] = /resource_metadata="([^"]+)"/.exec(challenged.headers.get("www-authenticate") ?? "") ?? [];
  const resource = (await (await fetch(named)).json()) as Metadata & { authorization_servers: string[] };
  // RFC 9728 section 3.3
  expect(resource.resource).toBe(entry);
  const [issuer = ""] = resource.authorization_servers;
  const { origin, pathname } = new URL(issuer);
  const server = (await (
    await fetch(`${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, "")}`)
  ).json()) as Metadata;
  // RFC 8414 section 3.3
  expect(server.issuer).toBe(issuer);
  const client = { client_name: "strict", redirect_uris: [redirect] };
  const headers = { "content-type": "application/json" };
  const registered = await fetch(server.registration_endpoint ?? "", {
    method: "POST",
    headers,
    body: JSON.stringify(client),
  });
  const { client_id, redirect_uris } = (await registered.json()) as { client_id: string; redirect_uris: string[] };
  expect(redirect_uris).toEqual([redirect]);
  const verifier = "v".repeat(50);
  const asked = new URL(server.authorization_endpoint ?? "");
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const wanted = { response_type: "code", client_id, redirect_uri: redirect, state: "s t&a=te", resource: entry };
  for (const [name, value] of Object.entries({ ...wanted, code_challenge: challenge, code_challenge_method: "S256" }))
    asked.searchParams.set(name, value);
  const { code, iss, state } = await authorizeInBrowser(asked.href);
  expect(state).toBe("s t&a=te");
  // RFC 9207 section 2.4
  expect(iss).toBe(server.issuer ?? "");
  const form = {
    grant_type: "authorization_code",
    code,
    client_id,
    redirect_uri: redirect,
    code_verifier: verifier,
    resource: entry,
  };
  const given = await fetch(server.token_endpoint ?? "", { method: "POST", body: new URLSearchParams(form) });
  expect(given.status).toBe(200);
  return {
    token: ((await given.json()) as { access_token: string }).access_token,
    endpoint: server.token_endpoint ?? "",
  };
}

test("a client that compares resource, issuer and iss is content, and so is the server", async () => {
  const host = await protectedHost();
  const { token } = await strictly(relay.entry(host.url));
  expect(host.live.has(token)).toBe(true);
  expect(resources(host)).toEqual([host.url, host.url]);
  // The server saw one redirect, at both ends of the authorization.
  const redirects = [host.calls("/authorize")[0]?.query, new URLSearchParams(host.calls("/token")[0]?.body)];
  expect(redirects.map((one) => one?.get("redirect_uri"))).toEqual(Array(2).fill(`${relay.started.url}/mcp_callback`));
});

test("localhost works as 127.0.0.1 does, and the answers keep the name", async () => {
  const host = await protectedHost();
  await strictly(relay.entry(host.url).replace("127.0.0.1:", "localhost:"));
});

test("a refresh, an exchange and a revocation name the server's own resource", async () => {
  const host = await protectedHost();
  const entry = relay.entry(host.url);
  const { endpoint } = await strictly(entry);
  for (const grant of ["refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"]) {
    await fetch(endpoint, {
      method: "POST",
      body: new URLSearchParams({ grant_type: grant, resource: entry, audience: entry, x: "1" }),
    });
  }
  const bodies = host
    .calls("/token")
    .slice(1)
    .map(({ body }) => new URLSearchParams(body));
  expect(bodies.map((body) => [body.get("resource"), body.get("audience"), body.get("x")])).toEqual(
    Array(2).fill([host.url, host.url, "1"]),
  );
  const other = relay.entry("https://other.example.com/mcp");
  const refused = await fetch(endpoint, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "refresh_token", resource: other }),
  });
  expect(refused.status).toBe(403);
});

test("a resource that is not the server's own stays as it is, so that the client refuses it", async () => {
  const host = await protectedHost({ resource: { resource: "https://victim.example.com/mcp" } });
  expect(connect(relay.entry(host.url))).rejects.toThrow("does not match expected");
});

test("without any metadata the server is its own authorization server, as MCP 2025-03-26 has it", async () => {
  const host = await protectedHost({ resource: undefined as never });
  const entry = relay.entry(host.url);
  const { origin, pathname, search } = new URL(entry);
  const resource = (await (
    await fetch(`${origin}/.well-known/oauth-protected-resource${pathname}${search}`)
  ).json()) as Metadata;
  expect(resource.resource).toBe(entry);
  const [issuer = ""] = resource.authorization_servers as unknown as string[];
  const server = (await (
    await fetch(`${origin}/.well-known/oauth-authorization-server${new URL(issuer).pathname}`)
  ).json()) as Metadata;
  expect(server.issuer).toBe(issuer);
  const { status, headers } = await fetch(server.authorization_endpoint ?? "", { redirect: "manual" });
  expect([status, headers.get("location")]).toEqual([302, `${host.origin}/authorize`]);
});

test("the documents are found under every well-known form of both kinds of addresses", async () => {
  const host = await protectedHost({
    answer: (seen, response) => {
      if (
        !seen.path.endsWith("/.well-known/openid-configuration") &&
        !seen.path.startsWith("/.well-known/openid-configuration")
      )
        return;
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ issuer: host.issuer, jwks_uri: `${host.issuer}/keys` }));
    },
  });
  const entry = new URL(relay.entry(host.url));
  const document = async (path: string) => (await fetch(entry.origin + path)).json() as Promise<Metadata>;
  const { authorization_servers: [issuer = ""] = [] } = (await document(
    `/.well-known/oauth-protected-resource${entry.pathname}${entry.search}`,
  )) as unknown as { authorization_servers: string[] };
  const { pathname } = new URL(issuer);
  for (const path of [`/.well-known/openid-configuration${pathname}`, `${pathname}/.well-known/openid-configuration`]) {
    const { issuer: named, jwks_uri: keys } = await document(path);
    expect([named, keys?.startsWith(`${relay.started.url}/~${relay.key}/mcp_relay/`)]).toEqual([issuer, true]);
  }
});

test("a client that the relay did not register keeps its own redirect, and nobody else gets a code through the callback", async () => {
  const host = await protectedHost();
  const entry = new URL(relay.entry(host.url));
  const get = async (path: string) => (await (await fetch(entry.origin + path)).json()) as Metadata;
  const resource = await get(`/.well-known/oauth-protected-resource${entry.pathname}${entry.search}`);
  const [issuer = ""] = resource.authorization_servers as unknown as string[];
  const server = await get(`/.well-known/oauth-authorization-server${new URL(issuer).pathname}`);
  const asked = new URL(server.authorization_endpoint ?? "");
  for (const [name, value] of Object.entries({
    client_id: "known",
    redirect_uri: "http://localhost:9/callback",
    state: "s",
  }))
    asked.searchParams.set(name, value);
  const { led } = await authorizeInBrowser(asked.href);
  expect(led.at(-1)).toStartWith("http://localhost:9/callback?");
  expect(host.calls("/authorize").at(-1)?.query.get("redirect_uri")).toBe("http://localhost:9/callback");
  for (const state of ["", "s", "a.b", `${Buffer.from("[]").toString("base64url")}.${"x".repeat(43)}`]) {
    const forged = await fetch(`${relay.started.url}/mcp_callback?code=c&state=${state}`, { redirect: "manual" });
    expect([forged.status, forged.headers.get("location")]).toEqual([403, null]);
  }
});
