import { afterAll, beforeEach, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { startRelay } from "../support/relay.ts";
import { type Handler, listen, readRequest, type Seen, send, sendJson } from "../support/sandbox/http.ts";

/**
 * Threat: a server behind the relay learns what is not for it (a key, a cookie, another server's token), or its answers fill the
 * memory or keep the gateway busy.
 */

const [relay, mcp, login] = [await startRelay(), await listen(), await listen()];
const seen: { mcp: Seen[]; login: Seen[] } = { mcp: [], login: [] };
let answers: { mcp: Handler | undefined; login: Handler | undefined };
beforeEach(() => {
  [seen.mcp, seen.login] = [[], []];
  answers = { mcp: undefined, login: undefined };
});
afterAll(async () => {
  for (const host of [mcp, login]) await host.close();
  await relay[Symbol.asyncDispose]();
});

mcp.handle(async (request, response) => {
  const one = await readRequest(request);
  seen.mcp.push(one);
  if (answers.mcp) return await answers.mcp(request, response);
  if (one.path.startsWith("/.well-known/oauth-protected-resource"))
    return sendJson(response, 200, { resource: `${mcp.origin}/mcp`, authorization_servers: [login.origin] });
  sendJson(response, 200, {});
});
login.handle(async (request, response) => {
  const one = await readRequest(request);
  seen.login.push(one);
  if (answers.login) return await answers.login(request, response);
  sendJson(response, 200, {
    issuer: login.origin,
    authorization_endpoint: `${login.origin}/authorize`,
    token_endpoint: `${login.origin}/token`,
    registration_endpoint: `${login.origin}/register`,
    response_types_supported: ["code"],
  });
});

const url = `${mcp.origin}/mcp`;
const entry = new URL(relay.entry(url));
const documentAt = (type: string, { origin, pathname, search }: URL) =>
  `${origin}/.well-known/${type}${pathname}${search}`;
const resourceAddress = documentAt("oauth-protected-resource", entry);

async function endpoints(): Promise<Record<string, string>> {
  const {
    authorization_servers: [issuer = ""],
  } = (await (await fetch(resourceAddress)).json()) as { authorization_servers: string[] };
  return (await (await fetch(documentAt("oauth-authorization-server", new URL(issuer)))).json()) as Record<
    string,
    string
  >;
}

const isHealthy = async () => (await fetch(`${relay.started.url}/health`)).status === 200;

test("an MCP server gets the client's own headers, and no cookie, key or header of ours", async () => {
  const given = {
    authorization: "Bearer the-server's",
    "mcp-session-id": "s",
    "mcp-protocol-version": "2025-11-25",
    "mcp-method": "tools/call",
    "x-its-own": "1",
    cookie: "_oauth2_proxy=x",
    "x-codemie-session-id": "x",
    "x-api-key": relay.started.key,
    "x-other": `key ${relay.key}`,
    referer: entry.href,
  };
  await fetch(entry, { method: "POST", body: "{}", headers: given });
  const [one] = seen.mcp;
  expect(one?.headers).toMatchObject({
    authorization: "Bearer the-server's",
    "mcp-session-id": "s",
    "mcp-protocol-version": "2025-11-25",
    "mcp-method": "tools/call",
    "x-its-own": "1",
    host: new URL(mcp.origin).host,
  });
  const names = Object.keys(one?.headers ?? {});
  expect(names.filter((name) => /cookie|codemie|api-key|referer|x-other/.test(name))).toEqual([]);
  expect(JSON.stringify(one)).not.toContain(relay.key);
  expect(JSON.stringify(one)).not.toContain(relay.started.key);
});

test("an authorization server gets nothing that the client gives the MCP server, and a document no credential", async () => {
  const given = { authorization: "Bearer the-server's", "x-its-own": "1", cookie: "a=b", "mcp-session-id": "s" };
  const { token_endpoint: token = "" } = await endpoints();
  await fetch(resourceAddress, { headers: given });
  const {
    authorization_servers: [issuer = ""],
  } = (await (await fetch(resourceAddress)).json()) as { authorization_servers: string[] };
  await fetch(documentAt("oauth-authorization-server", new URL(issuer)), { headers: given });
  await fetch(token, {
    method: "POST",
    headers: { ...given, authorization: "Basic Yzpz" },
    body: new URLSearchParams({ a: "b" }),
  });
  const headers = [...seen.mcp, ...seen.login].map((one) => Object.keys(one.headers));
  expect(headers.flat().filter((name) => /cookie|x-its-own|mcp-session-id/.test(name))).toEqual([]);
  const authorized = [...seen.mcp, ...seen.login].filter((one) => one.headers.authorization !== undefined);
  expect(authorized.map(({ path, headers: { authorization } }) => [path, authorization])).toEqual([
    ["/token", "Basic Yzpz"],
  ]);
});

test("cookies of a server reach neither the client nor another server", async () => {
  answers.mcp = (_request, response) =>
    sendJson(response, 200, {}, { "set-cookie": ["a=b", "c=d"], "alt-svc": 'h3=":443"' });
  const answer = await fetch(entry, { method: "POST", body: "{}" });
  expect(answer.headers.getSetCookie()).toEqual([]);
  expect(answer.headers.get("alt-svc")).toBeNull();
});

test("the relay's key goes to no authorization server, in a form, in JSON or within a signed assertion", async () => {
  const {
    token_endpoint: token = "",
    registration_endpoint: register = "",
    authorization_endpoint: authorize = "",
  } = await endpoints();
  const claims = Buffer.from(JSON.stringify({ aud: token })).toString("base64url");
  const json = { "content-type": "application/json" };
  seen.login = [];
  for (const ask of [
    () => fetch(token, { method: "POST", body: new URLSearchParams({ x: token }) }),
    () => fetch(token, { method: "POST", body: new URLSearchParams({ client_assertion: `e30.${claims}.c2ln` }) }),
    () => fetch(register, { method: "POST", headers: json, body: JSON.stringify({ client_uri: entry.href }) }),
    () => fetch(`${authorize}?x=${encodeURIComponent(token)}`, { redirect: "manual" }),
    () =>
      fetch(token, { method: "POST", headers: { authorization: `Bearer ${relay.started.key}` } }).then(() => ({
        status: 400,
      })),
  ]) {
    expect((await ask()).status).toBe(400);
  }
  expect(JSON.stringify(seen.login)).not.toContain(relay.key);
  expect(JSON.stringify(seen.login)).not.toContain(relay.started.key);
});

test("an address with a key in it is refused: the server would read it there", async () => {
  for (const key of [relay.key, relay.started.key]) {
    expect((await fetch(relay.entry(`${url}?key=${key}`), { method: "POST", body: "{}" })).status).toBe(400);
  }
  expect(seen.mcp).toEqual([]);
});

test("a redirect to another server takes no token and no request along", async () => {
  answers.mcp = (_request, response) => void response.writeHead(307, { location: `${login.origin}/elsewhere` }).end();
  expect((await fetch(entry, { method: "POST", body: "{}", redirect: "manual" })).status).toBe(502);
  const led = await fetch(entry, { redirect: "manual" });
  expect(led.status).toBe(307);
  await fetch(led.headers.get("location") ?? "", {
    headers: { authorization: "Bearer the-server's", "x-its-own": "1" },
  });
  const [one] = seen.login;
  expect([one?.path, one?.headers.authorization, one?.headers["x-its-own"]]).toEqual([
    "/elsewhere",
    undefined,
    undefined,
  ]);
});

test("a redirect within the server goes on through the relay, with the token", async () => {
  answers.mcp = (request, response) =>
    request.url === "/mcp"
      ? void response.writeHead(308, { location: "/mcp/" }).end()
      : sendJson(response, 200, { ok: true });
  const answer = await fetch(entry, { method: "POST", body: "{}", headers: { authorization: "Bearer x" } });
  expect(await answer.json()).toEqual({ ok: true });
  expect(seen.mcp.at(-1)).toMatchObject({ path: "/mcp/", body: "{}", headers: { authorization: "Bearer x" } });
});

test("challenges are rewritten in every form of their parameters", async () => {
  const at = `${mcp.origin}/.well-known/oauth-protected-resource/mcp`;
  const inner = 'realm="a \\"resource_metadata=x\\" b"';
  for (const header of [
    `Bearer resource_metadata="${at}"`,
    `Bearer resource_metadata=${at}`,
    `bearer ${inner}, Resource_Metadata = "${at}", scope="a"`,
    `Basic realm="x", Bearer error="invalid_token", resource_metadata="${at}"`,
    `DPoP algs="ES256", resource_metadata="${at.replace(":", "\\:")}", Bearer scope="a b"`,
    `Bearer resource_metadata*=UTF-8''${encodeURIComponent(at)}`,
    `Bearer resource_metadata="/.well-known/oauth-protected-resource/mcp"`,
  ]) {
    answers.mcp = (_request, response) => send(response, 401, "", { "www-authenticate": header });
    const answer = await fetch(entry, { method: "POST", body: '{"jsonrpc":"2.0","id":1,"method":"server/discover"}' });
    const shown = answer.headers.get("www-authenticate") ?? "";
    expect(shown).not.toContain(mcp.origin);
    const [, address = ""] = /resource_metadata ?= ?"([^"]+)"/i.exec(shown.replace(inner, "")) ?? [];
    expect(address).toStartWith(`${relay.started.url}/~${relay.key}/mcp_relay/`);
    answers.mcp = undefined;
    expect(((await (await fetch(address)).json()) as { resource: string }).resource).toBe(entry.href);
  }
});

test("no other part of a challenge holds an address that a client's pattern takes for a parameter", async () => {
  const at = "https://around.example/";
  for (const header of [
    `Bearer error_description="resource_metadata=${at} "`,
    `Bearer realm="x", scope="a, Resource_Metadata = \\"${at}\\" b"`,
    `Bearer xresource_metadata="${at}", resource_metadata="${mcp.origin}/r"`,
    `Bearer realm=as_uri=${at}`,
    `Bearer realm="authorization\\_uri=${at}"`,
  ]) {
    answers.mcp = (_request, response) => send(response, 401, "", { "www-authenticate": header });
    const shown = (await fetch(entry, { method: "POST", body: "{}" })).headers.get("www-authenticate") ?? "";
    expect([header, shown]).toEqual([header, expect.not.stringContaining("around.example")]);
    expect(shown).toStartWith("Bearer ");
  }
});

test("of twenty thousand addresses in a document a few are rewritten, the known ones among them", async () => {
  const resources = Array.from({ length: 5_000 }, (_, i) => `${mcp.origin}/${i}`);
  const others = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`x${i}_endpoint`, login.origin]));
  answers.login = (_request, response) =>
    sendJson(response, 200, {
      issuer: login.origin,
      ...others,
      token_endpoint: `${login.origin}/token`,
      protected_resources: resources,
    });
  const document = await endpoints();
  expect(document.token_endpoint).toContain("/mcp_relay/");
  expect(Object.keys(document).length).toBeLessThan(100);
  expect(document.protected_resources?.length).toBeLessThan(300);
  expect(JSON.stringify(document)).not.toContain(`"${login.origin}`);
});

test("an authorization server learns neither the MCP server's address nor the client's redirect from the state", async () => {
  answers.login = async (request, response) => {
    const asked = seen.login.at(-1);
    if (request.method !== "POST")
      return sendJson(response, 200, {
        issuer: login.origin,
        authorization_endpoint: `${login.origin}/authorize`,
        registration_endpoint: `${login.origin}/register`,
        authorization_response_iss_parameter_supported: true,
      });
    // It names one redirect more than it was asked for.
    const { redirect_uris: uris } = JSON.parse(asked?.body ?? "{}");
    sendJson(response, 201, { client_id: "c", redirect_uris: [...uris, "http://localhost:7/not-asked"] });
  };
  const { authorization_endpoint: authorize = "", registration_endpoint: register = "" } = await endpoints();
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ redirect_uris: ["http://localhost:8/callback"] });
  expect((await fetch(register, { method: "POST", headers, body })).status).toBe(201);
  const leaving = async (redirect: string) => {
    const form = new URLSearchParams({ client_id: "c", redirect_uri: redirect, state: "s" });
    const led = await fetch(`${authorize}?${form}`, { redirect: "manual" });
    return new URL(led.headers.get("location") ?? "").searchParams;
  };
  const known = await leaving("http://localhost:8/callback");
  expect(known.get("redirect_uri")).toEndWith("/mcp_callback");
  const state = known.get("state") ?? "";
  const read = state.split(".").map((part) => Buffer.from(part, "base64url").toString("latin1"));
  const root = Buffer.from(`p${encodeURIComponent(url)}`).toString("base64url");
  for (const part of [...read, state]) {
    expect(part).not.toContain("localhost:8");
    expect(part).not.toContain(root);
  }
  // Only what the client asked for is remembered.
  expect((await leaving("http://localhost:7/not-asked")).get("redirect_uri")).toBe("http://localhost:7/not-asked");
});

test("two headers with a challenge each", async () => {
  const at = `${mcp.origin}/.well-known/oauth-protected-resource/mcp`;
  answers.mcp = (_request, response) =>
    send(response, 401, "", { "www-authenticate": ['Basic realm="x"', `Bearer resource_metadata="${at}"`] });
  const shown = (await fetch(entry, { method: "POST", body: "{}" })).headers.get("www-authenticate") ?? "";
  expect(shown).toContain('Basic realm="x"');
  expect(shown).toContain("/mcp_relay/");
});

test("what cannot be true behind a relay is left out: signed metadata, aliases for certificates, DPoP", async () => {
  answers.login = (_request, response) =>
    sendJson(response, 200, {
      issuer: login.origin,
      token_endpoint: `${login.origin}/token`,
      signed_metadata: "e30.e30.e30",
      mtls_endpoint_aliases: { token_endpoint: `${login.origin}/mtls` },
      dpop_signing_alg_values_supported: ["ES256"],
      jwks_uri: "javascript:alert(1)",
      scopes_supported: ["a"],
    });
  const document = await endpoints();
  expect(Object.keys(document).toSorted()).toEqual(["issuer", "jwks_uri", "scopes_supported", "token_endpoint"]);
  expect(document.jwks_uri).toBe("urn:codemie:blocked:address");
});

const huge = "x".repeat(2 * 1024 * 1024);
const bombs: readonly (readonly [string, Handler, number])[] = [
  ["more than 1 MiB", (_request, response) => sendJson(response, 200, { x: huge }), 502],
  [
    "a bomb of gzip",
    (_request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
      response.end(gzipSync(JSON.stringify({ x: "0".repeat(64 * 1024 * 1024) })));
    },
    502,
  ],
  [
    "an endless answer",
    (_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const more = () => {
        while (response.write("[".repeat(65_536)));
      };
      response.on("drain", more);
      more();
    },
    502,
  ],
  [
    "JSON nested too deeply",
    (_request, response) => send(response, 200, `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
    502,
  ],
  // as a server that has no such document, with what stands for it
  ["no JSON", (_request, response) => send(response, 200, "<html>"), 200],
  ["a list", (_request, response) => sendJson(response, 200, [1]), 200],
  ["an unknown coding", (_request, response) => sendJson(response, 200, {}, { "content-encoding": "x" }), 502],
  ["a server's fault", (_request, response) => send(response, 500, "x"), 502],
];

for (const [name, handler, status] of bombs) {
  test(`${name} as a document: ${status}, and the gateway is well`, async () => {
    answers.mcp = handler;
    const answer = await fetch(resourceAddress);
    expect(answer.status).toBe(status);
    await answer.body?.cancel();
    expect(await isHealthy()).toBe(true);
  });
}

test("ten thousand authorization servers, and ten thousand flows: a few are told, and nothing is kept", async () => {
  const servers = Array.from({ length: 10_000 }, (_, i) => `https://as${i}.example.com`);
  answers.mcp = (_request, response) => sendJson(response, 200, { resource: url, authorization_servers: servers });
  const { authorization_servers: told } = (await (await fetch(resourceAddress)).json()) as {
    authorization_servers: string[];
  };
  expect(told).toHaveLength(16);
  expect(await isHealthy()).toBe(true);
});

test("a challenge that is too long is a 502", async () => {
  answers.mcp = (_request, response) =>
    send(response, 401, "", { "www-authenticate": `Bearer x="${"y".repeat(20_000)}"` });
  expect((await fetch(entry, { method: "POST", body: "{}" })).status).toBe(502);
});

test("a request to an authorization server of more than 1 MiB is a 413", async () => {
  const { token_endpoint: token = "" } = await endpoints();
  const before = seen.login.length;
  expect((await fetch(token, { method: "POST", body: new URLSearchParams({ x: huge }) })).status).toBe(413);
  expect(seen.login).toHaveLength(before);
});

test("streams pass as they come, both ways", async () => {
  const go = Promise.withResolvers<void>();
  answers.mcp = async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "mcp-session-id": "s" });
    response.write("data: 1\n\n");
    await go.promise;
    response.end("data: 2\n\n");
  };
  const answer = await fetch(entry, {
    method: "POST",
    body: '{"jsonrpc":"2.0"}',
    headers: { "content-type": "application/json" },
  });
  expect(answer.headers.get("mcp-session-id")).toBe("s");
  const reader = answer.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("data: 1\n\n");
  go.resolve();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("data: 2\n\n");
  expect(seen.mcp[0]?.body).toBe('{"jsonrpc":"2.0"}');
});

test("no token, code or key is in any file of the person but the configuration's and the vault's", async () => {
  await fetch(entry, { method: "POST", body: "{}", headers: { authorization: "Bearer very-secret-token" } });
  const { out } = await relay.person.run(["logs"]).catch(() => ({ out: "" }));
  const audit = (await relay.person.run(["audit", "export"])).out;
  for (const text of [out, audit]) {
    for (const secret of ["very-secret-token", relay.key, relay.started.key]) expect(text).not.toContain(secret);
  }
});
