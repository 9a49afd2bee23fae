import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";

/** What is kept, for whom, and for how long. */

test("without --persist nothing is kept: the next run logs in again, and tokens are revoked at the end", async () => {
  const server = await startProtected();
  const person = new Person();
  for (let run = 1; run <= 2; run++) {
    const bridge = new AuthorizedBridge(server.url, [], {}, person);
    expect((await bridge.initialize()).result).toBeDefined();
    await bridge.end();
    expect(bridge.opened().length).toBe(run);
    expect(server.calls("/revoke").length).toBe(2 * run);
    expect(server.live.size).toBe(0);
  }
  // What is left is the trail of what was granted, on a machine that had none before.
  const { out } = await person.run(["audit", "list", "--json"]);
  const granted = { event: "mcp-authorized", host: server.origin, detail: { stored: "no" } };
  expect(JSON.parse(out)).toMatchObject([granted, granted]);
  expect((await person.run(["audit", "verify"])).code).toBe(0);
  person.remove();
  await server.close();
});

test("--persist: ten windows share one login, and one renewal, though a refresh token works once", async () => {
  const server = await startProtected({ expiresIn: 4 });
  const person = new Person();
  const windows = Array.from({ length: 10 }, () => new AuthorizedBridge(server.url, ["--persist"], {}, person));
  const initialized = await Promise.all(windows.map((bridge) => bridge.initialize()));
  for (const { result } of initialized) expect(result).toBeDefined();
  expect(windows[0]?.opened().length).toBe(1);
  expect(server.calls("/register").length).toBe(1);
  await Bun.sleep(4_500);
  server.live.clear();
  const later = await Promise.all(windows.map((bridge) => bridge.call("later")));
  for (const { result } of later) expect(result).toBeDefined();
  expect(windows[0]?.opened().length).toBe(1);
  const refreshes = server.calls("/token").filter(({ body }) => body.includes("grant_type=refresh_token"));
  expect(refreshes.length).toBeGreaterThan(0);
  expect(new Set(refreshes.map(({ body }) => body)).size).toBe(refreshes.length); // no token was used twice
  await Promise.all(windows.map((bridge) => bridge.end()));
  expect(server.calls("/revoke").length).toBe(0);

  const next = new AuthorizedBridge(server.url, ["--persist"], {}, person);
  expect((await next.initialize()).result).toBeDefined();
  expect(next.opened().length).toBe(1);
  await next.end();

  // Another client, or another resource, is another login.
  const other = new AuthorizedBridge(server.url, ["--persist", "--client-id", "mine"], {}, person);
  expect((await other.initialize()).result).toBeDefined();
  expect(other.opened().length).toBe(2);
  await other.end();

  const sealed = [...new Bun.Glob("**/*").scanSync({ cwd: person.codemieHome, onlyFiles: true })];
  for (const name of sealed) {
    const text = await Bun.file(`${person.codemieHome}/${name}`).text();
    for (const secret of server.secrets) expect([name, text.includes(secret)]).toEqual([name, false]);
  }
  expect((await person.run(["audit", "verify"])).code).toBe(0);
  const { out } = await person.run(["audit", "list", "--json"]);
  const entries = JSON.parse(out).filter((entry: { event: string }) => entry.event === "mcp-authorized");
  expect(entries.length).toBe(2);
  expect(entries[0]).toMatchObject({
    host: server.origin,
    outcome: "ok",
    detail: { grant: "authorization-code", stored: "yes" },
  });
  person.remove();
  await server.close();
}, 30_000);

test("a stored login that the server no longer takes is replaced, in the middle of a session too", async () => {
  const server = await startProtected();
  const person = new Person();
  const first = new AuthorizedBridge(server.url, ["--persist"], {}, person);
  await first.initialize();
  server.forgetTokens();
  expect((await first.call("again")).result).toBeDefined();
  expect(first.opened().length).toBe(2);
  await first.end();
  person.remove();
  await server.close();
});

test("--persist: several windows that start at once open one tab, also when access is declined", async () => {
  const server = await startProtected({ callback: { error: "access_denied", code: undefined } });
  const person = new Person();
  const windows = Array.from({ length: 4 }, () => new AuthorizedBridge(server.url, ["--persist"], {}, person));
  const answers = await Promise.all(windows.map((bridge) => bridge.initialize()));
  for (const { error } of answers) expect(error.message).toContain("in a minute");
  const said = answers.map(({ error }) => /access_denied|another window/.exec(error.message)?.[0]).sort();
  expect(said).toEqual(["access_denied", ...Array(3).fill("another window")]);
  expect(windows[0]?.opened().length).toBe(1);
  await Promise.all(windows.map((bridge) => bridge.end()));
  person.remove();
  await server.close();
});

test("--persist: a window that is closed while it asks leaves the asking to the next", async () => {
  const server = await startProtected();
  const person = new Person();
  const first = new AuthorizedBridge(server.url, ["--persist"], { BROWSER_STAYS: "1" }, person);
  first.send({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} });
  await first.until(() => /authorize\?/.exec(first.err)?.[0]);
  const second = new AuthorizedBridge(server.url, ["--persist"], {}, person);
  const initialized = second.initialize();
  first.child.kill("SIGTERM");
  await first.exited();
  expect((await initialized).result).toBeDefined();
  await second.end();
  person.remove();
  await server.close();
});

test("a home that cannot be written: the access is granted all the same, and that it was not written down is said", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url, [], { CODEMIE_HOME: "/dev/null/home" });
  expect((await bridge.initialize()).result).toBeDefined();
  expect(await bridge.end()).toBe(0);
  expect(bridge.err).toContain("the audit trail could not be written");
  bridge.person.remove();
  await server.close();
});
