import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { ciTest } from "../support/tiers.ts";

/** A login that was kept can be given up. */

test("codemie mcp logout revokes the tokens of a server and removes them, and those of no other", async () => {
  const [server, other] = [await startProtected(), await startProtected()];
  const person = new Person();
  for (const { url } of [server, other]) {
    const bridge = new AuthorizedBridge(url, ["--persist"], {}, person);
    await bridge.initialize();
    await bridge.end();
  }
  const logout = await person.run(["mcp", "logout", server.url, "--json"]);
  expect(JSON.parse(logout.out)).toEqual([{ issuer: server.issuer, resource: server.url, revoked: true }]);
  expect(server.calls("/revoke").length).toBe(2);
  expect([server.live.size, other.live.size]).toEqual([0, 1]);

  const again = await person.run(["mcp", "logout", server.url]);
  expect([again.out, again.code]).toEqual([`no login at ${server.url} is stored\n`, 0]);
  const next = new AuthorizedBridge(server.url, ["--persist"], {}, person);
  await next.initialize();
  await next.end();
  expect(next.opened().length).toBe(3);
  const kept = new AuthorizedBridge(other.url, ["--persist"], {}, person);
  expect((await kept.initialize()).result).toBeDefined();
  await kept.end();
  expect(kept.opened().length).toBe(3);

  const { out } = await person.run(["audit", "list", "--json"]);
  const removed = JSON.parse(out).filter(({ event }: { event: string }) => event === "logout");
  expect(removed).toMatchObject([{ host: server.origin, detail: { issuer: server.issuer, revoked: "yes" } }]);
  person.remove();
  await server.close();
  await other.close();
});

test("an authorization server that is gone keeps no login from being removed", async () => {
  const server = await startProtected();
  const person = new Person();
  const bridge = new AuthorizedBridge(server.url, ["--persist"], {}, person);
  await bridge.initialize();
  await bridge.end();
  await server.close();
  const logout = await person.run(["mcp", "logout", server.url]);
  expect([logout.code, logout.out]).toEqual([0, expect.stringContaining("its tokens were not revoked")]);
  expect((await person.run(["mcp", "logout", server.url])).out).toContain("no login");
  person.remove();
});

ciTest(
  "a client with a secret: logout asks for it, keeps the login until then, and proves itself with it; --no-revoke asks nothing",
  async () => {
    const server = await startProtected();
    const person = new Person();
    const flags = ["--persist", "--client-id", "mine", "--client-secret-env", "S"];
    const keep = async () => {
      const bridge = new AuthorizedBridge(server.url, flags, { S: "the secret" }, person);
      expect((await bridge.initialize()).result).toBeDefined();
      await bridge.end();
    };
    const logout = (...more: string[]) =>
      person.run(["mcp", "logout", server.url, ...more], { env: { S: "the secret" } });
    await keep();
    const without = await logout();
    expect([without.code, without.out]).toEqual([2, ""]);
    expect(without.err).toContain("--client-secret-env");
    expect((await logout("--client-secret-env", "UNSET")).code).toBe(2);
    expect((await logout("--client-id", "another", "--client-secret-env", "S")).out).toContain("no login at");
    expect(server.calls("/revoke")).toEqual([]);
    const done = await logout("--client-secret-env", "S");
    expect([done.code, done.out]).toEqual([0, expect.stringContaining("revoked its tokens")]);
    const sent = server.calls("/revoke").map(({ headers, body }) => `${headers.authorization ?? ""} ${body}`);
    expect(sent.length).toBe(2);
    for (const one of sent) expect(one).toMatch(/Basic |client_secret=/);
    await keep();
    const alone = await logout("--no-revoke", "--json");
    expect(JSON.parse(alone.out)).toMatchObject([{ revoked: false }]);
    expect(server.calls("/revoke").length).toBe(2);
    expect((await logout()).out).toContain("no login at");
    person.remove();
    await server.close();
  },
);
