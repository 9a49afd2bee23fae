import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { AuthorizedBridge, type Protected, startProtected } from "../support/mcp/protected.ts";
import { type Seen, sendJson } from "../support/sandbox/http.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: an MCP server names another authorization server in mid-run, and that one gets what the first one gave. */

const secretName = ["private", "registration"].join("-");

/** Two authorization servers of one MCP server; the first gives a client with a secret of its own. */
async function twoIssuers() {
  const first = await startProtected({
    server: { token_endpoint_auth_methods_supported: ["client_secret_post"] },
    answer: (seen, response) => {
      if (seen.path !== "/register") return;
      sendJson(response, 201, { ...JSON.parse(seen.body), client_id: "client-of-first", client_secret: secretName });
    },
  });
  const second = await startProtected();
  for (const server of [first, second]) {
    const { answer } = server.settings;
    server.settings.server = { ...server.settings.server, device_authorization_endpoint: `${server.issuer}/device` };
    server.settings.answer = async (seen, response) => {
      await answer?.(seen, response);
      if (seen.path !== "/device") return;
      const address = { verification_uri: `${server.issuer}/enter`, expires_in: 60, interval: 0.01 };
      sendJson(response, 200, { device_code: "device", user_code: "USER-CODE", ...address });
    };
  }
  return { first, second, close: () => Promise.all([first.close(), second.close()]) };
}

/** All that an authorization server was sent. */
const sentTo = (requests: readonly Seen[]) =>
  requests.map(({ path, query, headers, body }) => JSON.stringify([path, [...query], headers, body])).join("\n");

/** The secrets that one server handed out, or was sent, and that the other has seen. */
const crossed = ({ secrets }: Protected, other: Protected) => {
  const seen = sentTo(other.serverRecord);
  return [...secrets, "client-of-first", secretName].filter((secret) => seen.includes(secret));
};

for (const flags of cases([[], ["--device-code"]], 1)) {
  test(`another authorization server in mid-run${flags}: its own registration and tokens, and the first one's revoked`, async () => {
    const { first, second, close } = await twoIssuers();
    const bridge = new AuthorizedBridge(first.url, flags);
    expect((await bridge.initialize()).result).toBeDefined();
    expect((await bridge.call("before")).result).toBeDefined();
    first.settings.trusts = second;
    expect((await bridge.call("after")).result).toBeDefined();
    expect((await bridge.call("again")).result).toBeDefined();
    expect([second.calls("/register").length, second.calls("/token").length]).toEqual([1, 1]);
    expect(first.calls("/token").length).toBe(1); // no renewal at the one that is named no more
    const isByDevice = flags.length > 0;
    expect(bridge.opened().length).toBe(isByDevice ? 0 : 2);
    const redirects = bridge.authorizing().map(({ searchParams }) => searchParams.get("redirect_uri"));
    expect(new Set(redirects).size).toBe(isByDevice ? 0 : 2);
    await bridge.finish();
    expect(crossed(first, second)).toEqual([]);
    const fromSecond = second.secrets.filter((secret) => sentTo(first.serverRecord).includes(secret));
    expect(fromSecond).toEqual([]);
    expect([first.live.size, second.live.size]).toEqual([0, 0]);
    await close();
  });
}

ciTest("--persist: each issuer's login is kept, and is there when the server names that issuer again", async () => {
  const { first, second, close } = await twoIssuers();
  const person = new Person();
  const bridge = new AuthorizedBridge(first.url, ["--persist"], {}, person);
  expect((await bridge.initialize()).result).toBeDefined();
  first.settings.trusts = second;
  expect((await bridge.call("after")).result).toBeDefined();
  first.settings.trusts = undefined;
  expect((await bridge.call("back")).result).toBeDefined();
  expect(bridge.opened().length).toBe(2);
  await bridge.end();

  const next = new AuthorizedBridge(first.url, ["--persist"], {}, person);
  expect((await next.initialize()).result).toBeDefined();
  first.settings.trusts = second;
  expect((await next.call("after")).result).toBeDefined();
  expect(next.opened().length).toBe(2);
  await next.end();
  expect(first.calls("/register").length).toBe(1);
  expect(second.calls("/register").length).toBe(1);
  expect(crossed(first, second)).toEqual([]);

  const { out } = await person.run(["mcp", "logout", first.url, "--json"]);
  const issuers = JSON.parse(out).map(({ issuer }: { issuer: string }) => issuer);
  expect(issuers.toSorted()).toEqual([first.issuer, second.issuer].toSorted());
  expect([first.live.size, second.live.size]).toEqual([0, 0]);
  expect(crossed(first, second)).toEqual([]);
  person.remove();
  await close();
});

for (const flags of cases([["--client-id", "mine"], ["--issuer"]], 1)) {
  test(`${flags.join(" ")} belongs to the first authorization server: the other gets no client, token or browser`, async () => {
    const { first, second, close } = await twoIssuers();
    const named = flags.includes("--issuer") ? ["--issuer", first.issuer] : flags;
    const bridge = new AuthorizedBridge(first.url, named);
    expect((await bridge.initialize()).result).toBeDefined();
    const opened = bridge.opened().length;
    first.settings.trusts = second;
    const message = String((await bridge.call("after")).error?.message);
    expect(message).toContain(`names the authorization server ${second.issuer}, not ${first.issuer}`);
    const asked = second.serverRecord.map(({ path }) => path);
    expect(asked.filter((path) => !path.startsWith("/.well-known/"))).toEqual([]);
    expect(bridge.opened().length).toBe(opened);
    await bridge.finish();
    expect(crossed(first, second)).toEqual([]);
    await close();
  });
}

test("metadata that is gone or in trouble at a later 401 is no reason to leave the authorization server", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url);
  expect((await bridge.initialize()).result).toBeDefined();
  const { resource } = server.settings;
  server.settings.resource = undefined as never;
  server.live.clear();
  expect((await bridge.call("gone")).result).toBeDefined();
  server.settings.resource = { ...resource, authorization_servers: ["http://127.0.0.1:1"] };
  server.live.clear();
  expect((await bridge.call("nobody there")).result).toBeDefined();
  expect(bridge.opened().length).toBe(1);
  expect(server.calls("/token").length).toBe(3);
  await bridge.finish();
  await server.close();
});

test("an authorization server that is named by turns opens no more tabs than another", async () => {
  const { first, second, close } = await twoIssuers();
  const bridge = new AuthorizedBridge(first.url);
  expect((await bridge.initialize()).result).toBeDefined();
  const messages: unknown[] = [];
  for (let turn = 0; turn < 6; turn++) {
    first.settings.trusts = turn % 2 === 0 ? second : undefined;
    messages.push((await bridge.call(`turn ${turn}`)).error?.message);
  }
  expect(messages.filter(Boolean).length).toBeGreaterThan(0);
  expect(bridge.opened().length).toBe(5);
  await bridge.finish();
  expect(crossed(first, second)).toEqual([]);
  await close();
});
