import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { AuthorizedBridge, type Protected, startProtected } from "../support/mcp/protected.ts";
import { ciTest } from "../support/tiers.ts";

/** Threat: a login kept for one MCP server is sent to another, which names the same resource and issuer as its own. */

/** A server whose metadata names the resource and the issuer of another one. */
const posingAs = ({ url, issuer }: Protected) =>
  startProtected({ resource: { resource: url, authorization_servers: [issuer] } });

/** The tokens that a server was sent. */
const tokensAt = ({ record }: Protected) =>
  record.flatMap(({ headers }) => String(headers.authorization ?? "").replace(/^Bearer /, "") || []);

ciTest(
  "a login kept for one server is not used for another that names its resource, whatever --resource says",
  async () => {
    const good = await startProtected();
    const evil = await posingAs(good);
    const person = new Person();
    const first = new AuthorizedBridge(good.url, ["--persist"], {}, person);
    expect((await first.initialize()).result).toBeDefined();
    await first.end();
    const kept = good.secrets.filter((secret) => good.live.has(secret));
    expect(kept.length).toBe(1);

    const second = new AuthorizedBridge(evil.url, ["--persist", "--resource", good.url], {}, person);
    await second.initialize();
    await second.end();
    expect(tokensAt(evil)).not.toContain(kept[0] ?? "");
    expect(second.opened().length).toBe(2); // the person is asked
    const { out } = await person.run(["audit", "list", "--json"]);
    const hosts = JSON.parse(out).map(({ host }: { host: string }) => host);
    expect(hosts).toEqual([good.origin, evil.origin]);

    // Nor the other way round.
    const third = new AuthorizedBridge(good.url, ["--persist"], {}, person);
    expect((await third.initialize()).result).toBeDefined();
    await third.end();
    expect(tokensAt(good).at(-1)).toBe(kept[0] ?? "");

    const logout = await person.run(["mcp", "logout", evil.url, "--json"]);
    expect(JSON.parse(logout.out)).toMatchObject([{ issuer: good.issuer, resource: good.url }]);
    const fourth = new AuthorizedBridge(good.url, ["--persist"], {}, person);
    expect((await fourth.initialize()).result).toBeDefined();
    await fourth.end();
    expect(fourth.opened().length).toBe(2);
    person.remove();
    await good.close();
    await evil.close();
  },
);

test("the person's refusal at one server says nothing about another that names its resource", async () => {
  const good = await startProtected({ callback: { error: "access_denied" } });
  const evil = await posingAs(good);
  const person = new Person();
  const flags = ["--persist", "--resource", good.url];
  const first = new AuthorizedBridge(evil.url, flags, {}, person);
  expect((await first.initialize()).error?.message).toContain("access_denied");
  await first.end();
  good.settings.callback = {};
  const second = new AuthorizedBridge(good.url, ["--persist"], {}, person);
  expect((await second.initialize()).result).toBeDefined();
  await second.end();
  person.remove();
  await good.close();
  await evil.close();
});

test("logging out at a server also removes the logins for its resource that other servers got", async () => {
  const good = await startProtected();
  const other = await posingAs(good);
  const person = new Person();
  const bridge = new AuthorizedBridge(other.url, ["--persist", "--resource", good.url], {}, person);
  await bridge.initialize();
  await bridge.end();
  const logout = await person.run(["mcp", "logout", good.url, "--json"]);
  expect(JSON.parse(logout.out)).toMatchObject([{ resource: good.url, revoked: true }]);
  expect(good.live.size).toBe(0);
  person.remove();
  await good.close();
  await other.close();
});

test("who is told that a server names another resource is not invited to send that resource's token there", async () => {
  const good = await startProtected();
  const evil = await posingAs(good);
  const bridge = new AuthorizedBridge(evil.url);
  const message = String((await bridge.initialize()).error?.message);
  expect(message).toContain("is for another resource");
  expect(message).not.toContain("if you trust it");
  expect(message).toContain("would send this server a token made for that address");
  expect(bridge.opened()).toEqual([]);
  await bridge.finish();
  await good.close();
  await evil.close();
});
