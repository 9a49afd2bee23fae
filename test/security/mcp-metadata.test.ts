import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { AuthorizedBridge, type Settings, startProtected } from "../support/mcp/protected.ts";
import { cases } from "../support/tiers.ts";

/** Threat: metadata that leads elsewhere, lies about whose it is, or is meant to drown the reader. */

async function refusal(changes: Partial<Settings>, flags: string[] = []) {
  const server = await startProtected(changes);
  const bridge = new AuthorizedBridge(server.url, flags);
  const { error } = await bridge.initialize();
  const { opened, registered } = { opened: bridge.opened(), registered: server.calls("/register").length };
  await bridge.finish();
  await server.close();
  expect(opened).toEqual([]);
  return { message: String(error?.message), registered };
}

test("metadata of 10 MB is not read to its end", async () => {
  const { message } = await refusal({ serverBody: `{"issuer":"${"x".repeat(10_000_000)}"}` });
  expect(message).toContain("sent more than 1000000 bytes");
});

for (const [what, pad] of cases([
  ["characters", "a"],
  ["characters that an address spells with nine", "\u20ac"],
] as const)) {
  test(`an authorization server whose name has 900 KB of ${what} is refused, and no request goes there`, async () => {
    const server = await startProtected();
    const issuer = `${server.issuer}/${pad.repeat(900_000 / Buffer.byteLength(pad))}`;
    Object.assign(server.settings, { resource: { authorization_servers: [issuer] }, server: { issuer } });
    const bridge = new AuthorizedBridge(server.url, []);
    const { error } = await bridge.initialize();
    expect(error?.message).toContain("the authorization server that the server names cannot be used");
    expect(String(error?.message).length).toBeLessThan(1_000);
    expect(server.serverRecord).toEqual([]);
    await bridge.finish();
    await server.close();
  });
}

test("ten thousand authorization servers: the first is asked, or the document is too long", async () => {
  const many = Array.from({ length: 10_000 }, (_, i) => `http://127.0.0.1:9/${i}`);
  const { message } = await refusal({ resource: { authorization_servers: many } });
  expect(message).toContain("cannot reach http://127.0.0.1:9");
});

test("metadata of another resource is refused before anything is opened (RFC 9728 section 3.3)", async () => {
  const { message, registered } = await refusal({ resource: { resource: "https://evil.example.com/mcp" } });
  expect(message).toContain("is for another resource, https://evil.example.com/mcp");
  expect(registered).toBe(0);
});

test("metadata that names another issuer is refused (RFC 8414 section 3.3)", async () => {
  const { message, registered } = await refusal({ server: { issuer: "https://login.example.com" } });
  expect(message).toContain("says it is https://login.example.com");
  expect(registered).toBe(0);
});

test("with --issuer no other authorization server is asked for anything", async () => {
  const { message, registered } = await refusal({}, ["--issuer", "https://login.example.com"]);
  expect(message).toContain("not https://login.example.com");
  expect(registered).toBe(0);
});

test("with --issuer another authorization server gets no request at all", async () => {
  for (const resource of [{}, undefined]) {
    const server = await startProtected({ resource });
    const bridge = new AuthorizedBridge(server.url, ["--issuer", "https://login.example.com"]);
    expect((await bridge.initialize()).error.message).toContain("not https://login.example.com");
    expect(server.serverRecord).toEqual([]);
    expect(server.record.filter(({ path }) => path.includes("authorization-server"))).toEqual([]);
    await bridge.finish();
    await server.close();
  }
});

test("a client's secret goes to another host than the server's only where --issuer names it", async () => {
  const server = await startProtected();
  const issuer = server.issuer.replace("127.0.0.1", "localhost");
  server.settings.resource = { authorization_servers: [issuer] };
  server.settings.server = {
    issuer,
    token_endpoint: `${issuer}/token`,
    token_endpoint_auth_methods_supported: ["client_secret_post"],
  };
  const flags = ["--grant", "client-credentials", "--client-id", "mine", "--client-secret-env", "MINE"];
  const steered = new AuthorizedBridge(server.url, flags, { MINE: "secret-of-the-client" });
  expect((await steered.initialize()).error.message).toContain(`give --issuer ${issuer}`);
  expect(server.calls("/token")).toEqual([]);
  await steered.finish();

  const named = new AuthorizedBridge(server.url, [...flags, "--issuer", issuer], { MINE: "secret-of-the-client" });
  expect((await named.initialize()).result).toBeDefined();
  expect(server.calls("/token")[0]?.body).toContain("secret-of-the-client");
  await named.finish();
  await server.close();
});

/** Endpoints where a client proves itself, and where the scripted authorization server has them. */
const proofEndpoints = {
  token_endpoint: "/token",
  revocation_endpoint: "/revoke",
  pushed_authorization_request_endpoint: "/par",
  device_authorization_endpoint: "/device",
};

for (const [endpoint, path] of cases(Object.entries(proofEndpoints))) {
  test(`nor to a ${endpoint} on another host, though the issuer is the server's own`, async () => {
    const server = await startProtected();
    const elsewhere = server.issuer.replace("127.0.0.1", "localhost");
    server.settings.server = {
      [endpoint]: `${elsewhere}${path}`,
      token_endpoint_auth_methods_supported: ["client_secret_post"],
    };
    const flags = ["--grant", "client-credentials", "--client-id", "mine", "--client-secret-env", "MINE"];
    const steered = new AuthorizedBridge(server.url, flags, { MINE: "secret-of-the-client" });
    expect((await steered.initialize()).error.message).toContain("sends the client's secret there only with --issuer");
    await steered.finish();
    for (const one of Object.values(proofEndpoints)) expect(server.calls(one)).toEqual([]);

    const named = new AuthorizedBridge(server.url, [...flags, "--issuer", server.issuer], {
      MINE: "secret-of-the-client",
    });
    expect((await named.initialize()).result).toBeDefined();
    await named.finish();
    await server.close();
  });
}

for (const [what, proof, flag] of cases([
  ["secret", "a-secret-of-the-client", "--client-secret-env"],
  ["signed assertion", generateKeyPairSync("ec", { namedCurve: "P-256" }), "--client-key-env"],
] as const)) {
  test(`nor does a ${what} with a pushed authorization request, in a login through the browser`, async () => {
    const server = await startProtected();
    const elsewhere = server.issuer.replace("127.0.0.1", "localhost");
    server.settings.server = {
      require_pushed_authorization_requests: true,
      pushed_authorization_request_endpoint: `${elsewhere}/par`,
    };
    const value = typeof proof === "string" ? proof : proof.privateKey.export({ type: "pkcs8", format: "pem" });
    const bridge = new AuthorizedBridge(server.url, ["--client-id", "mine", flag, "PROOF"], { PROOF: String(value) });
    const { error } = await bridge.initialize();
    expect(error?.message).toContain(`sends the client's ${what} there only with --issuer`);
    expect([server.calls("/par"), bridge.opened()]).toEqual([[], []]);
    await bridge.finish();
    await server.close();
  });
}

for (const endpoint of cases([...Object.keys(proofEndpoints), "registration_endpoint"], 2)) {
  test(`a ${endpoint} in clear, on another machine, is refused`, async () => {
    const { message } = await refusal({ server: { [endpoint]: "http://192.0.2.1/x" } });
    expect(message).toContain(`the ${endpoint.replaceAll("_", " ")} that the server names cannot be used`);
  });
}

const wellKnown = "/.well-known/oauth-authorization-server";

for (const [what, status, place] of cases(
  [
    ["with a slash at its end", 301, `${wellKnown}/`],
    ["elsewhere, by 302", 302, "/moved?to=here"],
    ["elsewhere, by 308", 308, "moved"],
  ] as const,
  1,
)) {
  test(`metadata behind a redirect within its origin is read: ${what}`, async () => {
    const server = await startProtected();
    const target = new URL(place, `${server.issuer}${wellKnown}`);
    server.settings.answer = (seen, response) => {
      if (seen.path === wellKnown) response.writeHead(status, { location: place }).end();
      if (seen.path !== target.pathname) return;
      const endpoints = {
        authorization_endpoint: "/authorize",
        token_endpoint: "/token",
        registration_endpoint: "/register",
      };
      const named = Object.entries(endpoints).map(([name, path]) => [name, server.issuer + path]);
      response.writeHead(200).end(JSON.stringify({ issuer: server.issuer, ...Object.fromEntries(named) }));
    };
    const bridge = new AuthorizedBridge(server.url);
    expect((await bridge.initialize()).result).toBeDefined();
    await bridge.finish();
    await server.close();
  });
}

for (const [what, location] of cases(
  [
    ["in circles", (origin: string) => `${origin}${wellKnown}`],
    ["to another origin", (origin: string) => `${origin.replace("127.0.0.1", "localhost")}/elsewhere`],
    ["to an address with a password", (origin: string) => `${origin.replace("//", "//user:word@")}/elsewhere`],
  ] as const,
  2,
)) {
  test(`metadata behind a redirect ${what} is none`, async () => {
    const server = await startProtected();
    server.settings.answer = (seen, response) => {
      if (seen.path.startsWith("/.well-known/")) response.writeHead(302, { location: location(server.issuer) }).end();
    };
    const bridge = new AuthorizedBridge(server.url);
    expect((await bridge.initialize()).error.message).toContain("has no metadata at its well-known addresses");
    expect(server.calls("/elsewhere").filter(({ headers }) => String(headers.host).startsWith("localhost"))).toEqual(
      [],
    );
    expect(server.serverRecord.length).toBeLessThan(20);
    await bridge.finish();
    await server.close();
  });
}

for (const status of cases([500, 502, 503], 1)) {
  test(`${status} at one well-known address: the next is asked; at all of them, it is named`, async () => {
    const server = await startProtected();
    let everywhere = true;
    server.settings.answer = (seen, response) => {
      if (!seen.path.startsWith("/.well-known/")) return;
      if (everywhere || seen.path === wellKnown) return void response.writeHead(status).end();
      const endpoints = {
        authorization_endpoint: "/authorize",
        token_endpoint: "/token",
        registration_endpoint: "/register",
      };
      const named = Object.entries(endpoints).map(([name, path]) => [name, server.issuer + path]);
      response.writeHead(200).end(JSON.stringify({ issuer: server.issuer, ...Object.fromEntries(named) }));
    };
    const bridge = new AuthorizedBridge(server.url);
    expect((await bridge.initialize()).error.message).toContain(`${server.issuer} answered ${status}`);
    everywhere = false;
    expect((await bridge.initialize()).result).toBeDefined();
    await bridge.finish();
    await server.close();
  });
}

test("an authorization server that has no metadata is refused, not guessed at", async () => {
  const { message } = await refusal({ server: undefined });
  expect(message).toContain("has no metadata at its well-known addresses (RFC 8414 section 3)");
});

test("a server that says it cannot do S256 is refused (RFC 7636)", async () => {
  const { message, registered } = await refusal({ server: { code_challenge_methods_supported: ["plain"] } });
  expect(message).toContain("does not support PKCE with S256");
  expect(registered).toBe(0);
});

test("a server that does not say gets S256 all the same", async () => {
  const server = await startProtected({ server: { code_challenge_methods_supported: undefined } });
  const bridge = new AuthorizedBridge(server.url);
  expect((await bridge.initialize()).result).toBeDefined();
  expect(server.calls("/authorize")[0]?.query.get("code_challenge_method")).toBe("S256");
  await bridge.finish();
  await server.close();
});

test("a server on the network cannot send us to what listens on this machine", async () => {
  const { OAuthHttp } = await import("../../src/oauth/http.ts");
  const { addressesNamedBy } = await import("../../src/oauth/addresses.ts");
  const never = () => Promise.reject(new Error("nothing is sent"));
  const rule = addressesNamedBy(new URL("https://mcp.example.com/mcp"), false);
  const http = new OAuthHttp({ fetch: never, rule });
  for (const address of [
    "http://127.0.0.1:8080/",
    "http://localhost/",
    "http://[::1]/",
    "http://169.254.169.254/",
    "ftp://x/",
    "https://127.0.0.1:8443/",
    "https://0x7f.1/",
    "https://localhost/",
    "https://localhost./",
    "https://localhost../",
    "https://ip6-localhost/",
    "https://localhost.localdomain/",
    "https://localhost6/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::127.0.0.1]/",
    "https://x.localhost/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[fe80::1]/",
    "https://169.254.169.254/",
    "https://0.0.0.0/",
    "https://login.example.com@evil.example.com/",
    "//x",
  ]) {
    expect(() => http.allowed(address, "it")).toThrow("cannot be used");
  }
  // A company's own network is no secret place.
  for (const address of [
    "https://login.example.com",
    "https://10.1.2.3",
    "https://[fd00::1]",
    "https://127.example.com",
  ]) {
    expect(http.allowed(address, "it").origin).toBe(address);
  }
});
