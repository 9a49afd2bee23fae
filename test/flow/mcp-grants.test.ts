import { expect, test } from "bun:test";
import { exportJWK, exportPKCS8, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { loginRecord } from "../../src/auth/credential.ts";
import { vaultFiles } from "../../src/vault/key.ts";
import { Vault } from "../../src/vault/vault.ts";
import { storedLoginOf } from "../support/age.ts";
import { Person } from "../support/codemie.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { listen, readRequest, sendJson } from "../support/sandbox/http.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Grants without a browser, and each way a client proves who it is. */

const machine = ["--grant", "client-credentials", "--client-id", "my client"];

for (const [method, secret] of cases([
  ["client_secret_basic", "s:e c%r&t"],
  ["client_secret_post", "s:e c%r&t"],
] as const)) {
  test(`client credentials with ${method}: no browser, a new token when the old one ends`, async () => {
    const server = await startProtected({
      server: { token_endpoint_auth_methods_supported: [method], authorization_endpoint: undefined },
      challenge: 'scope="jobs", ',
    });
    const bridge = new AuthorizedBridge(server.url, [...machine, "--client-secret-env", "S"], { S: secret });
    expect((await bridge.initialize()).result).toBeDefined();
    server.live.clear();
    expect((await bridge.call("x")).result).toEqual({ scope: "jobs" });
    expect(bridge.opened()).toEqual([]);
    const request = server.calls("/token")[0];
    const form = new URLSearchParams(request?.body);
    expect(form.get("grant_type")).toBe("client_credentials");
    expect(form.get("resource")).toBe(server.url);
    if (method === "client_secret_post") expect(form.get("client_secret")).toBe(secret);
    else {
      const basic = Buffer.from(String(request?.headers.authorization).slice(6), "base64").toString();
      expect(basic).toBe("my+client:s%3Ae+c%25r%26t"); // RFC 6749 section 2.3.1: each part form-encoded
    }
    await bridge.finish();
    await server.close();
  });
}

for (const alg of cases(["ES256", "RS256", "EdDSA"])) {
  for (const form of ["pem", "jwk"] as const) {
    test(`client credentials with private_key_jwt, ${alg} as ${form}`, async () => {
      const server = await startProtected({ server: { token_endpoint_auth_methods_supported: ["private_key_jwt"] } });
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
      const text = form === "pem" ? await exportPKCS8(privateKey) : JSON.stringify(await exportJWK(privateKey));
      const person = new Person();
      await Bun.write(`${person.cwd}/key`, text);
      const flags = [...machine, ...(form === "pem" ? ["--client-key", "key"] : ["--client-key-env", "KEY"])];
      const bridge = new AuthorizedBridge(server.url, flags, { KEY: text }, person);
      expect((await bridge.initialize()).result).toBeDefined();
      const assertion = new URLSearchParams(server.calls("/token")[0]?.body).get("client_assertion") ?? "";
      const options = { issuer: "my client", subject: "my client", audience: server.issuer };
      const { payload } = await jwtVerify(assertion, publicKey, options);
      expect(payload.jti).toBeString();
      expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(300);
      await bridge.finish();
      await server.close();
    });
  }
}

test("a machine whose client is refused hears so each time, and no browser opens", async () => {
  const server = await startProtected({
    answer: (seen, response) => {
      if (seen.path === "/token") response.writeHead(401).end('{"error":"invalid_client"}');
    },
  });
  const bridge = new AuthorizedBridge(server.url, [...machine, "--client-secret-env", "S"], { S: "wrong" });
  for (let i = 0; i < 2; i++) expect((await bridge.call("x")).error.message).toContain("check --client-id");
  expect(bridge.opened()).toEqual([]);
  await bridge.finish();
  await server.close();
});

test("a client's secret goes to the authorization server it was first used with, and to no other", async () => {
  const [server, evil] = [await startProtected(), await startProtected()];
  const bridge = new AuthorizedBridge(server.url, [...machine, "--client-secret-env", "S"], { S: "secret" });
  expect((await bridge.initialize()).result).toBeDefined();
  server.live.clear();
  server.settings.resource = { authorization_servers: [evil.issuer] };
  server.settings.challenge = `resource_metadata="${server.origin}/.well-known/oauth-protected-resource/mcp?2", x="`;
  expect((await bridge.call("x")).error?.message).toContain(`names the authorization server ${evil.issuer}`);
  expect(evil.calls("/token")).toEqual([]);
  await bridge.finish();
  await Promise.all([server.close(), evil.close()]);
});

test("the enterprise grant: an ID token is exchanged at the company's provider, and that for access; no browser", async () => {
  const provider = await listen();
  const forms: URLSearchParams[] = [];
  provider.handle(async (request, response) => {
    forms.push(new URLSearchParams((await readRequest(request)).body));
    const issued = "urn:ietf:params:oauth:token-type:id-jag";
    sendJson(response, 200, { access_token: "the-assertion", issued_token_type: issued, token_type: "N_A" });
  });
  const server = await startProtected({ challenge: 'scope="read", ' });
  const flags = ["--grant", "enterprise", "--client-id", "mine", "--client-secret-env", "S"];
  const idp = ["--idp-token-endpoint", `${provider.origin}/token`, "--idp-client-id", "us", "--id-token-env", "ID"];
  const bridge = new AuthorizedBridge(server.url, [...flags, ...idp], { S: "s", ID: "the-id-token" });
  expect((await bridge.initialize()).result).toBeDefined();
  expect(Object.fromEntries(forms[0] ?? [])).toEqual({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    requested_token_type: "urn:ietf:params:oauth:token-type:id-jag",
    subject_token: "the-id-token",
    subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
    audience: server.issuer,
    resource: server.url,
    scope: "read",
    client_id: "us",
  });
  const form = new URLSearchParams(server.calls("/token")[0]?.body);
  expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
  expect(form.get("assertion")).toBe("the-assertion");
  expect(bridge.opened()).toEqual([]);
  expect(bridge.log()).not.toContain("the-id-token");
  await bridge.finish();
  await server.close();
  await provider.close();
});

/** A company's provider that vouches for everybody, and every request to it. */
async function vouching() {
  const provider = await listen();
  const asked: { form: URLSearchParams; authorization: string | undefined }[] = [];
  provider.handle(async (request, response) => {
    const { body, headers } = await readRequest(request);
    asked.push({ form: new URLSearchParams(body), authorization: headers.authorization as string | undefined });
    const issued = "urn:ietf:params:oauth:token-type:id-jag";
    sendJson(response, 200, { access_token: "the-assertion", issued_token_type: issued, token_type: "N_A" });
  });
  const flags = ["--idp-token-endpoint", `${provider.origin}/token`, "--idp-client-id", "us", "--id-token-env", "ID"];
  return { provider, asked, flags };
}
const enterprise = ["--grant", "enterprise", "--client-id", "mine", "--client-secret-env", "S"];

test("the enterprise grant proves our client at the company's provider too, and names the extension among its abilities", async () => {
  const { provider, asked, flags } = await vouching();
  const server = await startProtected();
  const variables = { S: "s", ID: "the-id-token", IDP: "secret of us" };
  const bridge = new AuthorizedBridge(
    server.url,
    [...enterprise, ...flags, "--idp-client-secret-env", "IDP"],
    variables,
  );
  expect((await bridge.initialize()).result).toBeDefined();
  const [exchange] = asked;
  const basic = Buffer.from(String(exchange?.authorization).slice(6), "base64").toString();
  expect(basic).toBe("us:secret+of+us");
  expect(exchange?.form.has("client_id")).toBe(false);
  const sent = server.record.filter(({ body }) => body.includes('"initialize"')).map(({ body }) => JSON.parse(body));
  expect(sent.map(({ params }) => params.capabilities.extensions)).toEqual(
    sent.map(() => ({ "io.modelcontextprotocol/enterprise-managed-authorization": {} })),
  );
  expect(bridge.err + bridge.log()).not.toContain("secret of us");
  await bridge.finish();
  await server.close();
  await provider.close();
});

for (const [what, profiles, isTaken] of cases(
  [
    ["without it", ["urn:example:another"], false],
    ["with it", ["urn:example:another", "urn:ietf:params:oauth:grant-profile:id-jag"], true],
  ] as const,
  1,
)) {
  test(`the enterprise grant at an authorization server that lists its grant profiles ${what}`, async () => {
    const { provider, asked, flags } = await vouching();
    const server = await startProtected({ server: { authorization_grant_profiles_supported: profiles } });
    const bridge = new AuthorizedBridge(server.url, [...enterprise, ...flags], { S: "s", ID: "the-id-token" });
    const { result, error } = await bridge.initialize();
    if (isTaken) expect(result).toBeDefined();
    else expect(error.message).toContain("does not take a company's word for a person");
    expect(asked.length).toBe(isTaken ? 1 : 0);
    await bridge.finish();
    await server.close();
    await provider.close();
  });
}

ciTest(
  "the enterprise grant with a client ID metadata document, where the authorization server takes those",
  async () => {
    const { provider, flags } = await vouching();
    const document = "https://codemie.example.com/client.json";
    const own = ["--grant", "enterprise", "--client-metadata-url", document, ...flags];
    for (const isTaken of [true, false]) {
      const server = await startProtected({ server: { client_id_metadata_document_supported: isTaken } });
      const bridge = new AuthorizedBridge(server.url, own, { ID: "the-id-token" });
      const { result, error } = await bridge.initialize();
      if (isTaken) expect(result).toBeDefined();
      else expect(error.message).toContain("needs a client that the authorization server knows");
      const ids = server.calls("/token").map(({ body }) => new URLSearchParams(body).get("client_id"));
      expect(ids).toEqual(isTaken ? [document] : []);
      await bridge.finish();
      await server.close();
    }
    await provider.close();
  },
);

test("the enterprise grant hands on no ID token that has ended", async () => {
  const server = await startProtected();
  const flags = ["--grant", "enterprise", "--client-id", "mine", "--client-secret-env", "S"];
  const idp = ["--idp-token-endpoint", `${server.issuer}/exchange`, "--idp-client-id", "us", "--id-token-env", "ID"];
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const ID = `${part({ alg: "RS256" })}.${part({ exp: Math.floor(Date.now() / 1000) - 61 })}.x`;
  const bridge = new AuthorizedBridge(server.url, [...flags, ...idp], { S: "s", ID });
  expect((await bridge.initialize()).error.message).toContain("the ID token expired at 20");
  expect(server.calls("/exchange")).toEqual([]);
  await bridge.finish();
  await server.close();
});

/** A person with a login at a provider, and what that was asked. */
async function atProvider(sendsIdTokens: boolean, login: { idToken?: string; clientSecret?: string } = {}) {
  const issuer = await listen();
  const forms: URLSearchParams[] = [];
  const endpoints = ["authorization_endpoint", "token_endpoint", "jwks_uri"];
  issuer.handle(async (request, response) => {
    const seen = await readRequest(request);
    if (seen.path === "/.well-known/openid-configuration") {
      const metadata = Object.fromEntries(endpoints.map((name) => [name, `${issuer.origin}/${name}`]));
      const methods = { token_endpoint_auth_methods_supported: ["client_secret_post"] };
      return sendJson(response, 200, { issuer: issuer.origin, ...metadata, ...methods });
    }
    const form = new URLSearchParams(seen.body);
    forms.push(form);
    const n = forms.length;
    if (form.get("grant_type") === "refresh_token") {
      const tokens = { access_token: `access-${n}`, refresh_token: `refresh-${n}`, token_type: "Bearer" };
      const more = sendsIdTokens ? { id_token: `id-${n}` } : {};
      return sendJson(response, 200, { ...tokens, ...more, expires_in: 300 });
    }
    const issued = "urn:ietf:params:oauth:token-type:id-jag";
    sendJson(response, 200, { access_token: `assertion-${n}`, issued_token_type: issued });
  });
  const person = new Person();
  const vault = new Vault(vaultFiles(person.codemieHome, {}), Date.now);
  await vault.prepare();
  const origin = "https://codemie.example.com";
  await vault.locked(loginRecord("work"), () =>
    vault.write(loginRecord("work"), {
      method: "oidc",
      origin,
      identity: { id: "1", name: "Ada", email: "ada@example.com" },
      loggedInAt: Date.now(),
      ...{ issuer: issuer.origin, clientId: "codemie", scope: "openid", accessToken: "a", refreshToken: "refresh-0" },
      ...login,
    }),
  );
  const config = { version: 2, activeProfile: "work", profiles: { work: { codeMieUrl: origin } } };
  person.writeConfig(config);
  return { issuer, forms, person };
}

/** An ID token that ends so many seconds from now. */
const idTokenFor = (seconds: number) => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return [{ alg: "none" }, { exp: Math.floor(Date.now() / 1000) + seconds }, {}].map(part).join(".");
};

ciTest(
  "the enterprise grant where a renewal brings no ID token: that of the login while it is valid, else words",
  async () => {
    const server = await startProtected();
    const flags = ["--grant", "enterprise", "--client-id", "mine", "--client-secret-env", "S"];
    const valid = idTokenFor(600);
    for (const [idToken, says] of [
      [valid, undefined],
      [idTokenFor(-600), "sends no ID token with a renewal, and that of the login has ended"],
      [undefined, "sends no ID token with a renewal"],
    ] as const) {
      const { issuer, forms, person } = await atProvider(false, idToken === undefined ? {} : { idToken });
      const bridge = new AuthorizedBridge(server.url, flags, { S: "s" }, person);
      const { result, error } = await bridge.initialize();
      if (says === undefined) expect([result !== undefined, forms.at(-1)?.get("subject_token")]).toEqual([true, valid]);
      else expect(error.message).toContain(says);
      await bridge.finish();
      await issuer.close();
    }
    await server.close();
  },
);

test("the enterprise grant with an OIDC profile: a fresh ID token each time, and the renewed login is stored", async () => {
  const { issuer, forms, person } = await atProvider(true, { clientSecret: "sealed" });
  const server = await startProtected();
  const flags = ["--grant", "enterprise", "--client-id", "mine", "--client-secret-env", "S"];
  const bridge = new AuthorizedBridge(server.url, flags, { S: "s" }, person);
  expect((await bridge.initialize()).result).toBeDefined();
  server.forgetTokens();
  expect((await bridge.call("x")).result).toBeDefined();
  expect(forms.map((form) => form.get("refresh_token") ?? form.get("subject_token"))).toEqual([
    "refresh-0",
    "id-1",
    "refresh-1",
    "id-3",
  ]);
  expect(forms.map((form) => form.get("client_secret"))).toEqual(Array(4).fill("sealed"));
  const assertions = server.calls("/token").map(({ body }) => new URLSearchParams(body).get("assertion"));
  expect(assertions.filter(Boolean)).toEqual(["assertion-2", "assertion-4"]);
  expect((await storedLoginOf(person, "work"))?.method === "oidc").toBe(true);
  expect(JSON.stringify(await storedLoginOf(person, "work"))).toContain('"refreshToken":"refresh-3"');
  await bridge.finish();
  await server.close();
  await issuer.close();
});

/** The flags of a job with an identity token in a variable. */
const job = ["--grant", "jwt-bearer", "--client-id", "job", "--id-token", "env:ID_TOKEN"];

async function identityToken(audience: string): Promise<string> {
  const { privateKey } = await generateKeyPair("ES256");
  const token = new SignJWT({ iss: "https://ci.example.com", sub: "job" }).setProtectedHeader({ alg: "ES256" });
  return await token.setAudience(audience).setIssuedAt().setExpirationTime("5m").sign(privateKey);
}

test("jwt-bearer: a job's identity token is the assertion (RFC 7523), and again when the token ends", async () => {
  const server = await startProtected({ challenge: 'scope="jobs", ' });
  const token = await identityToken(server.issuer);
  const bridge = new AuthorizedBridge(server.url, job, { ID_TOKEN: token });
  expect((await bridge.initialize()).result).toBeDefined();
  server.forgetTokens();
  expect((await bridge.call("x")).result).toEqual({ scope: "jobs" });
  expect(bridge.opened()).toEqual([]);
  const forms = server.calls("/token").map(({ body }) => new URLSearchParams(body));
  const sent = forms.filter((form) => form.get("grant_type")?.endsWith(":jwt-bearer"));
  expect(sent.length).toBe(2);
  for (const form of sent) {
    expect(form.get("assertion")).toBe(token);
    expect(form.get("client_id")).toBe("job");
    expect(form.get("resource")).toBe(server.url);
  }
  expect(bridge.err + bridge.log()).not.toContain(token);
  await bridge.finish();
  await server.close();
});

for (const [name, audience, expected] of [
  ["for somebody else", "https://other.example.com", "https://other.example.com"],
  ["to another host than the server's", "https://other.example.com", "--issuer"],
] as const) {
  test(`jwt-bearer: no identity token goes out ${name}`, async () => {
    const elsewhere = name !== "for somebody else";
    const server = await startProtected(elsewhere ? { server: { token_endpoint: "http://localhost:1/token" } } : {});
    const flags = elsewhere ? [...job, "--audience", audience] : job;
    const bridge = new AuthorizedBridge(server.url, flags, { ID_TOKEN: await identityToken(audience) });
    expect((await bridge.initialize()).error.message + bridge.err).toContain(expected);
    expect(server.calls("/token")).toEqual([]);
    await bridge.finish();
    await server.close();
  });
}

test("the enterprise grant without a login at an OpenID provider says what to do", async () => {
  const server = await startProtected();
  const flags = ["--grant", "enterprise", "--client-id", "mine", "--client-secret-env", "S"];
  const bridge = new AuthorizedBridge(server.url, flags, { S: "s" });
  expect((await bridge.initialize()).error.message).toContain("run codemie setup");
  await bridge.finish();
  await server.close();
});

for (const [flags, expected] of [
  [["--grant", "client-credentials"], "needs a client"],
  [["--grant", "client-credentials", "--client-id", "x"], "needs a client"],
  [["--grant", "jwt-bearer", "--client-id", "x"], "belong together"],
  [["--id-token", "github"], "belong together"],
  [["--audience", "x"], "belong together"],
  [["--grant", "jwt-bearer", "--id-token", "github"], "needs a client"],
  [["--grant", "jwt-bearer", "--id-token", "eyJx", "--client-id", "x"], "not of the form"],
  [["--grant", "magic"], "there is no grant magic"],
  [["--client-secret-env", "NOT_SET", "--client-id", "x"], "NOT_SET, which is not set"],
  [["--idp-client-id", "x"], "belong together"],
  [["--client-metadata-url", "http://x.example.com/a"], "--client-metadata-url must be"],
  [["--resource", "https://x/", "--no-resource"], "contradict"],
  [["--callback-port", "70000"], "is not a port"],
  [["--callback-host", "0.0.0.0"], "there is no callback-host 0.0.0.0"],
] as [string[], string][]) {
  test(`${flags.join(" ")} is wrong use: exit 2`, async () => {
    const person = new Person();
    const { code, err } = await person.run(["mcp-proxy", "https://mcp.example.com/mcp", ...flags]);
    expect([code, err]).toEqual([2, expect.stringContaining(expected)]);
    person.remove();
  });
}
