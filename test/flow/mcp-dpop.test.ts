import { expect, test } from "bun:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { ProofKey } from "../../src/oauth/proof-key.ts";
import { logInAs } from "../support/browser.ts";
import { Person } from "../support/codemie.ts";
import { RawBridge } from "../support/mcp/bridge.ts";
import { startBehindOidc } from "../support/mcp/oidc.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { sendJson } from "../support/sandbox/http.ts";
import { sharedBrowser } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Tokens that are bound to a key (DPoP, RFC 9449): when the bridge asks for them, and what each request then proves. */

const browser = await sharedBrowser();
const algorithms = { dpop_signing_alg_values_supported: ["RS256", "ES256"] };
const jkt = (proof: unknown) => JSON.stringify(decodeProtectedHeader(String(proof)).jwk);

ciTest(
  "oidc-provider with DPoP and nonces: login, calls, renewal, and what a thief can do with the tokens",
  async () => {
    let seconds = 3600;
    const server = await startBehindOidc(() => seconds, true);
    const person = new Person();
    const bridge = new RawBridge(person, [server.url, "--persist"]);
    seconds = 6; // long enough for a slow machine to use a token that it just got
    const initialized = bridge.initialize();
    const context = await browser.newContext();
    const address = await bridge.until(() => /https?:\/\/\S+\/auth\?\S+/.exec(bridge.err)?.[0]);
    expect(new URL(address).searchParams.get("dpop_jkt")).toMatch(/^[\w-]{43}$/);
    await logInAs(context, address, "ada");
    expect((await initialized).result).toBeDefined();
    expect((await bridge.call("who")).result).toEqual({ scope: "tools", who: "ada" });
    await Bun.sleep(6_500);
    expect((await bridge.call("who")).result.who).toBe("ada");
    expect(server.answers.length).toBeGreaterThan(1);
    expect(server.answers.map(({ token_type }) => token_type)).toEqual(server.answers.map(() => "DPoP"));
    expect(server.proofs.length).toBeGreaterThan(3);
    expect(await bridge.end()).toBe(0);

    // The vault keeps the key with the tokens: the next run needs no browser.
    const next = new RawBridge(person, [server.url, "--persist", "--no-browser"]);
    expect((await next.initialize()).result).toBeDefined();
    expect(await next.end()).toBe(0);

    const refresh_token = server.answers.at(-1)?.refresh_token ?? "";
    const other = ProofKey.generate();
    const endpoint = new URL(`${server.issuer}/token`);
    const steal = async () => {
      const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token, client_id: clientId });
      const headers = { dpop: other.proof("POST", endpoint, undefined) };
      const answer = await fetch(endpoint, { method: "POST", body, headers });
      other.heard(endpoint, undefined, answer.headers.get("dpop-nonce"));
      return ((await answer.json()) as { error: string }).error;
    };
    const clientId = new URL(address).searchParams.get("client_id") ?? "";
    expect(await steal()).toBe("use_dpop_nonce");
    expect(await steal()).toBe("invalid_grant");
    await context.close();
    await server.close();
    person.remove();
  },
);

for (const [name, settings] of cases(
  [
    ["its metadata", { resource: { dpop_bound_access_tokens_required: true } }],
    ["a challenge", { challenge: 'scope="a", DPoP algs="ES256", ' }],
  ] as const,
  1,
)) {
  test(`a server that asks for bound tokens in ${name} gets them, and a proof with each request`, async () => {
    const server = await startProtected({ ...settings, server: algorithms });
    const bridge = new AuthorizedBridge(server.url);
    expect((await bridge.initialize()).result).toBeDefined();
    expect((await bridge.call("x")).result).toBeDefined();
    const sent = server.record.filter(({ headers }) => headers.authorization);
    expect(sent.length).toBeGreaterThan(2);
    const proofs = sent.map(({ headers }) => String(headers.dpop));
    expect(sent.every(({ headers }) => String(headers.authorization).startsWith("DPoP "))).toBe(true);
    expect(new Set(proofs.map((proof) => decodeJwt(proof).jti)).size).toBe(proofs.length);
    expect(proofs.every((proof) => decodeJwt(proof).htu === server.url)).toBe(true);
    const asked = server.calls("/token")[0]?.headers.dpop;
    expect(new Set([...proofs, asked].map(jkt)).size).toBe(1);
    expect(decodeJwt(String(asked)).ath).toBeUndefined();
    await bridge.finish();
    await server.close();
  });
}

for (const [name, settings] of cases(
  [
    ["the server does not ask for them", { server: algorithms }],
    [
      "the authorization server has none, and the server takes others too",
      { challenge: 'scope="a", DPoP algs="ES256", ' },
    ],
  ] as const,
  1,
)) {
  test(`tokens are not bound when ${name}`, async () => {
    const server = await startProtected(settings);
    const bridge = new AuthorizedBridge(server.url);
    expect((await bridge.initialize()).result).toBeDefined();
    const all = [...server.record, ...server.serverRecord];
    expect(all.some(({ headers }) => headers.dpop)).toBe(false);
    expect(bridge.authorizing()[0]?.searchParams.has("dpop_jkt")).toBe(false);
    await bridge.finish();
    await server.close();
  });
}

for (const values of cases([undefined, ["PS256"]], 1)) {
  test(`a server that takes bound tokens only, and an authorization server with ${values ?? "none"}: no browser`, async () => {
    const server = await startProtected({
      resource: { dpop_bound_access_tokens_required: true },
      server: { dpop_signing_alg_values_supported: values },
    });
    const bridge = new AuthorizedBridge(server.url);
    expect((await bridge.initialize()).error.message).toContain("RFC 9449");
    expect(bridge.opened()).toEqual([]);
    await bridge.finish();
    await server.close();
  });
}

test("nonces: one request more for the first, none for a nonce that is no nonce, and an end when each is refused", async () => {
  let given = "n-1";
  const server = await startProtected({
    resource: { dpop_bound_access_tokens_required: true },
    server: algorithms,
    answer: (seen, response) => {
      if (seen.path !== "/token") return;
      if (decodeJwt(String(seen.headers.dpop)).nonce === "n-1") return;
      sendJson(response, 400, { error: "use_dpop_nonce" }, { "dpop-nonce": given });
    },
  });
  const bridge = new AuthorizedBridge(server.url);
  expect((await bridge.initialize()).result).toBeDefined();
  expect(server.calls("/token").length).toBe(2);
  await bridge.finish();

  given = "x".repeat(2_000);
  const odd = new AuthorizedBridge(server.url);
  expect((await odd.initialize()).error.message).toContain("use_dpop_nonce");
  expect(server.calls("/token").length).toBe(3);
  await odd.finish();

  given = "n-1";
  let nonce = 0;
  server.settings.guard = (_message, _scope, response) => {
    const headers = { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": `new-${nonce++}` };
    response.writeHead(401, headers).end();
    return true;
  };
  const never = new AuthorizedBridge(server.url);
  expect((await never.initialize()).error.message).toContain("does not accept the access token");
  expect(nonce).toBe(2);
  await never.finish();
  await server.close();
});
