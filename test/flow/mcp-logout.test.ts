import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";

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
  expect([logout.code, logout.out]).toEqual([0, expect.stringContaining("did not revoke its tokens")]);
  expect((await person.run(["mcp", "logout", server.url])).out).toContain("no login");
  person.remove();
});
