import { expect, onTestFinished, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { freePort } from "../support/mcp/everything.ts";
import { AuthorizedBridge, type Settings, startProtected } from "../support/mcp/protected.ts";
import { listen, readRequest, send, sendJson } from "../support/sandbox/http.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Servers at fault, and gates before them: their users log in all the same, or hear what helps. */

async function start(changes: Partial<Settings> = {}) {
  const server = await startProtected(changes);
  onTestFinished(() => server.close());
  return server;
}

function bridgeTo(url: string, flags: string[] = [], env: Record<string, string> = {}, person = new Person()) {
  const bridge = new AuthorizedBridge(url, flags, env, person);
  onTestFinished(async () => {
    await bridge.end();
    person.remove();
  });
  return bridge;
}

/** An authorization server that knows only the clients of its present life. */
function forgetful(refreshes: boolean) {
  const known = new Set<string>();
  let made = 0;
  const answer: Settings["answer"] = (seen, response) => {
    if (seen.path === "/register") {
      const id = `client-${++made}`;
      known.add(id);
      sendJson(response, 201, { ...JSON.parse(seen.body), client_id: id });
    }
    // RFC 6749 section 4.1.2.1: it does not send the browser back for a client it does not know.
    if (seen.path === "/authorize" && !known.has(seen.query.get("client_id") ?? ""))
      send(response, 400, "unknown client");
    if (seen.path === "/token" && seen.body.includes("refresh_token")) {
      if (refreshes && known.size === 0) sendJson(response, 400, { error: "unauthorized_client" });
    }
  };
  return { answer, forget: () => known.clear() };
}

for (const flags of cases([[], ["--persist"]])) {
  test(`a registration the server has forgotten is replaced once the refresh is refused (${flags})`, async () => {
    const it = forgetful(true);
    const server = await start({ answer: it.answer });
    const bridge = bridgeTo(server.url, flags);
    expect((await bridge.initialize()).result).toBeDefined();
    it.forget();
    server.live.clear();
    expect((await bridge.call("x")).result).toBeDefined();
    expect(server.calls("/authorize").map(({ query }) => query.get("client_id"))).toEqual(["client-1", "client-2"]);
  });
}

ciTest(
  "--persist, and no refresh tokens: after a login that came to nothing the vault forgets the registration too",
  async () => {
    const it = forgetful(false);
    const server = await start({
      answer: (seen, response) => {
        if (seen.path === "/token") {
          server.live.set("access", "");
          sendJson(response, 200, { access_token: "access", token_type: "Bearer" });
        } else it.answer?.(seen, response);
      },
    });
    const person = new Person();
    const open = async (flags: string[] = []) => {
      const bridge = new AuthorizedBridge(server.url, ["--persist", ...flags], {}, person);
      const answer = await bridge.initialize();
      await bridge.end();
      return answer;
    };
    expect((await open()).result).toBeDefined();
    it.forget();
    server.live.clear();
    const { error } = await open(["--auth-timeout", "1"]);
    expect(error.message).toContain("look at the page in the browser");
    expect(error.message).toContain("codemie mcp logout");
    expect((await open()).error.message).toContain("another window");
    for (const file of new Bun.Glob("run/*.rest").scanSync(person.codemieHome)) {
      await Bun.write(`${person.codemieHome}/${file}`, "0\n"); // the minute is over
    }
    expect((await open()).result).toBeDefined();
    const shown = server.calls("/authorize").map(({ query }) => query.get("client_id"));
    expect(shown).toEqual(["client-1", "client-1", "client-2"]);
    person.remove();
  },
  30_000,
);

test("after codemie mcp logout the next login is not refused for a minute", async () => {
  const server = await start({ callback: { error: "access_denied", code: undefined } });
  const bridge = bridgeTo(server.url, ["--persist"]);
  expect((await bridge.initialize()).error.message).toContain("access_denied");
  server.settings.callback = {};
  expect((await bridge.call("x")).error.message).toContain("access_denied");
  expect((await bridge.person.run(["mcp", "logout", server.url])).code).toBe(0);
  expect((await bridge.call("x")).result).toBeDefined();
});

const offline = { scopes_supported: ["openid", "offline_access"] };

for (const [what, flags, expected] of cases([
  ["--scope is sent as given", ["--scope", "mine"], ["mine", null]],
  ["the server's scopes get offline access, with consent", [], ["theirs offline_access", "consent"]],
  ["--prompt decides", ["--prompt", "select_account"], ["theirs offline_access", "select_account"]],
  ["an empty --prompt drops it", ["--prompt", ""], ["theirs offline_access", null]],
  ["offline_access in --scope asks for consent", ["--scope", "offline_access"], ["offline_access", "consent"]],
] as const)) {
  test(`scopes and prompt: ${what}`, async () => {
    const server = await start({ challenge: 'scope="theirs", ', server: offline });
    expect((await bridgeTo(server.url, [...flags]).initialize()).result).toBeDefined();
    const query = server.calls("/authorize")[0]?.query;
    expect([query?.get("scope") ?? null, query?.get("prompt") ?? null]).toEqual([...expected]);
  });
}

test("a provider whose prompts know no consent is not asked for it", async () => {
  const server = await start({ challenge: 'scope="a", ', server: { ...offline, prompt_values_supported: ["login"] } });
  expect((await bridgeTo(server.url).initialize()).result).toBeDefined();
  expect(server.calls("/authorize")[0]?.query.get("prompt")).toBeNull();
});

test("Entra ID gives offline access without it", async () => {
  const { needsConsent } = await import("../../src/oauth/authorization.ts");
  const at = (issuer: string) => needsConsent({ issuer, token_endpoint: issuer });
  expect(at("https://login.microsoftonline.com/tenant/v2.0")).toBe(false);
  expect(at("https://tenant.ciamlogin.com/tenant/v2.0")).toBe(false);
  expect(at("https://login.microsoftonline.com.example.com/")).toBe(true);
});

test("--header goes along on requests of the login to the server's own origin, and to no other; never Authorization", async () => {
  const gate = await listen();
  const elsewhere = await start({ callback: { iss: undefined } });
  const seen: { path: string; headers: Record<string, unknown> }[] = [];
  gate.handle(async (request, response) => {
    const one = await readRequest(request);
    seen.push({ path: one.path, headers: one.headers });
    if (one.headers["cf-access"] !== "let-me-in") return send(response, 403, "the gate");
    if (one.path.startsWith("/.well-known/oauth-protected-resource")) {
      return sendJson(response, 200, { resource: `${gate.origin}/mcp`, authorization_servers: [gate.origin] });
    }
    if (one.path.startsWith("/.well-known/")) {
      const { origin } = gate;
      const outside = {
        authorization_endpoint: `${elsewhere.issuer}/authorize`,
        token_endpoint: `${elsewhere.issuer}/token`,
      };
      return sendJson(response, 200, { issuer: origin, ...outside, registration_endpoint: `${origin}/register` });
    }
    if (one.path === "/register") return sendJson(response, 201, { client_id: "ours" });
    response.writeHead(401).end();
  });
  onTestFinished(() => gate.close());
  const bridge = bridgeTo(`${gate.origin}/mcp`, ["--header", "CF-Access: let-me-in"]);
  await bridge.initialize();
  expect(seen.some(({ path }) => path === "/register")).toBe(true);
  expect(elsewhere.calls("/token").length).toBeGreaterThan(0);
  for (const { headers } of elsewhere.serverRecord) expect(headers["cf-access"]).toBeUndefined();

  const { withHeadersFor } = await import("../../src/oauth/http.ts");
  const given = new Headers({ "X-Gate": "g", Authorization: "Bearer t", Accept: "text/html", Cookie: "a=1" });
  const sent: Headers[] = [];
  const fetch = withHeadersFor("https://x.example.com", given, async (_, options) => {
    sent.push(new Headers(options?.headers));
    return new Response();
  });
  await fetch("https://x.example.com/token", { headers: { accept: "application/json", cookie: "b=2" } });
  await fetch("https://x.example.com:8443/token", { headers: { accept: "application/json" } });
  expect(Object.fromEntries(sent[0] ?? [])).toEqual({ "x-gate": "g", accept: "application/json", cookie: "a=1; b=2" });
  expect(Object.fromEntries(sent[1] ?? [])).toEqual({ accept: "application/json" });
});

for (const named of cases(
  ["http://192.0.2.1/metadata", "/metadata", "https://127.0.0.1:9/none", "not an address"],
  1,
)) {
  test(`resource metadata that cannot be used (${named}): the server's own address is tried`, async () => {
    const server = await start({ challenge: `resource_metadata="${named}", x="` });
    expect((await bridgeTo(server.url).initialize()).result).toBeDefined();
  });
}

test("and where that has none either, the error names the address that cannot be used", async () => {
  const server = await start({ challenge: 'resource_metadata="http://192.0.2.1/x", x="', resource: undefined });
  expect((await bridgeTo(server.url).initialize()).error.message).toContain("http://192.0.2.1/x");
});

for (const [methods, secret, expected] of cases(
  [
    [["client_secret_basic", "client_secret_post"], "a/b+c=", "post"],
    [["client_secret_basic", "client_secret_post"], "plain-secret", "basic"],
    [["client_secret_basic"], "a/b+c=", "basic"],
  ] as const,
  1,
)) {
  test(`the secret ${secret} at a server that takes ${methods.join(", ")} is sent by ${expected}`, async () => {
    const form = { token_endpoint_auth_methods_supported: methods };
    const answer: Settings["answer"] = (seen, response) => {
      if (seen.path !== "/register") return;
      const made = { client_id: "ours", client_secret: secret, token_endpoint_auth_method: "client_secret_basic" };
      sendJson(response, 201, { ...JSON.parse(seen.body), ...made });
    };
    const server = await start({ server: form, answer });
    const given = ["--client-id", "mine", "--client-secret-env", "S", "--issuer", server.issuer];
    for (const flags of [[], given]) {
      const bridge = bridgeTo(server.url, flags, { S: secret });
      expect((await bridge.initialize()).result).toBeDefined();
      const last = server.calls("/token").at(-1);
      expect([flags, last?.headers.authorization ? "basic" : "post"]).toEqual([flags, expected]);
      if (expected === "post") expect(new URLSearchParams(last?.body).get("client_secret")).toBe(secret);
    }
  });
}

ciTest("nonce: sent with openid, and an ID token must hold it", async () => {
  const sent: (string | null)[] = [];
  let claims: (nonce: string | null) => unknown = (nonce) => ({ nonce });
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const answer: Settings["answer"] = (seen, response) => {
    if (seen.path === "/authorize") sent.push(seen.query.get("nonce"));
    if (seen.path !== "/token") return;
    const token = `${part({ alg: "none" })}.${part(claims(sent.at(-1) ?? null))}.x`;
    server.live.set("access", "openid");
    sendJson(response, 200, { access_token: "access", token_type: "Bearer", expires_in: 3600, id_token: token });
  };
  const server = await start({ answer });
  expect((await bridgeTo(server.url, ["--scope", "openid x"]).initialize()).result).toBeDefined();
  expect(sent[0]).toMatch(/^[\w-]{43}$/);
  for (const wrong of [{ nonce: "another" }, {}, { nonce: 7 }]) {
    claims = () => wrong;
    const { error } = await bridgeTo(server.url, ["--scope", "openid x"]).initialize();
    expect(error.message).toContain("the nonce of its ID token belongs to another login");
  }
  expect((await bridgeTo(server.url, ["--scope", "x"]).initialize()).result).toBeDefined();
  expect(sent.at(-1)).toBeNull();
});

test("--authorize-param adds a parameter to the authorization request", async () => {
  const server = await start();
  const port = String(await freePort());
  const flags = ["--authorize-param", "audience=https://api.example.com/?a=b", "--authorize-param", "domain_hint=corp"];
  expect((await bridgeTo(server.url, [...flags, "--callback-port", port]).initialize()).result).toBeDefined();
  const query = server.calls("/authorize")[0]?.query;
  expect([query?.get("audience"), query?.get("domain_hint")]).toEqual(["https://api.example.com/?a=b", "corp"]);
  expect(query?.get("code_challenge_method")).toBe("S256");
});

test("--header-file: its headers are sent, and those of the command line replace them", async () => {
  const server = await start();
  server.live.set("from-the-file", "");
  const person = new Person();
  await Bun.write(
    `${person.cwd}/headers`,
    "\ufeff# a comment\r\n\r\nAuthorization: Bearer from-the-file\r\nX-A: file\r\n",
  );
  const bridge = bridgeTo(server.url, ["--header-file", "headers", "--header", "X-A: typed"], {}, person);
  expect((await bridge.initialize()).result).toBeDefined();
  expect(server.record[0]?.headers["x-a"]).toBe("typed");
});
