import { expect, test } from "bun:test";
import { chownSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { codemie, Person, Running } from "../support/codemie.ts";
import { beginLogin, beginLoginWith, handOff } from "../support/login.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import {
  commandOf,
  fewDescriptors,
  flood,
  type Manner,
  someone,
  someoneElse,
  testWithOthers,
  visit,
} from "../support/other-user.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/**
 * Threat: another user of the machine brings a login of his own to the callback, whose port he finds in no time, or
 * keeps its connections to himself.
 */

const sandbox = await sharedSandbox();
const manners: readonly Manner[] = ["answered", "hangs-up", "resets", "mapped", "from-127.0.0.5"];

for (const manner of manners) {
  testWithOthers(`a hand-off that another user brings (${manner}) is refused, and the login goes on`, async () => {
    const person = new Person();
    const { login, url } = await beginLogin(person, sandbox);
    const forged = (await handOff(url, sandbox.front.issue("mallory").cookie)).replace("localhost", "127.0.0.1");
    expect(await visit(someone, forged, manner)).toMatch(manner === "hangs-up" || manner === "resets" ? /^0/ : /^403/);
    const page = await (await fetch(await handOff(url, sandbox.front.issue("ada").cookie))).text();
    expect(page).toContain("You are logged in");
    const { code, out } = await login.finished();
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("Ada") });
    person.remove();
  });
}

testWithOthers(
  "a login that has no descriptor left refuses him too",
  async () => {
    const person = new Person();
    const { login, url } = await beginLoginWith(fewDescriptors, person, sandbox);
    const forged = (await handOff(url, sandbox.front.issue("mallory").cookie)).replace("localhost", "127.0.0.1");
    const flooding = await flood(someone, forged, login.pid);
    expect(await flooding.ask()).toBe("403");
    await flooding.end();
    const page = await (await fetch(await handOff(url, sandbox.front.issue("ada").cookie))).text();
    expect(page).toContain("You are logged in");
    expect((await login.finished()).out).toContain("Ada");
    person.remove();
  },
  60_000,
);

testWithOthers("the person is told, once, and how to let that user in", async () => {
  const person = new Person();
  const { login, port } = await beginLogin(person, sandbox);
  for (const host of ["127.0.0.1", "[::1]", "127.0.0.1"]) {
    expect(await visit(someone, `http://${host}:${port}/auth?token=x`)).toMatch(/^403/);
  }
  await login.says(/another user of this machine \(12345\) .* was refused; .*CODEMIE_BROWSER_UID=12345/);
  login.kill("SIGINT");
  expect((await login.finished()).err.match(/another user/g)?.length).toBe(1);
  person.remove();
});

testWithOthers("CODEMIE_BROWSER_UID lets one more user in, and nobody else", async () => {
  const person = new Person();
  person.env.CODEMIE_BROWSER_UID = String(someone);
  const { login, url } = await beginLogin(person, sandbox);
  const own = (await handOff(url, sandbox.front.issue("ada").cookie)).replace("localhost", "127.0.0.1");
  expect(await visit(someoneElse, own)).toMatch(/^403/);
  expect(await visit(someone, own)).toMatch(/^303/);
  expect((await login.finished()).out).toContain("Ada");
  person.remove();
});

testWithOthers("root brings forwarded connections, and is let in", async () => {
  const person = new Person();
  for (const path of [person.root, ...readdirSync(person.root).map((name) => join(person.root, name))]) {
    chownSync(path, someone, someone);
  }
  const command = commandOf(someone, codemie, "profile", "login", "--url", sandbox.origin);
  const login = new Running(command, person.cwd, person.env, undefined);
  const [url = ""] = await login.says(/http:\S+\/auth\/login\/\d+/);
  const forged = (await handOff(url, sandbox.front.issue("mallory").cookie)).replace("localhost", "127.0.0.1");
  expect(await visit(someoneElse, forged)).toMatch(/^403/);
  await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
  expect((await login.finished()).out).toContain("Ada");
  person.remove();
});

testWithOthers("an MCP login's code that another user brings is refused, even with the right state", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url, ["--auth-timeout", "20"], { BROWSER_STAYS: "1" });
  const answer = bridge.initialize();
  const shown = await bridge.until(() => /http\S+\/authorize\?\S+(?=\n)/.exec(bridge.err)?.[0]);
  const url = new URL(shown);
  const callback = new URL((url.searchParams.get("redirect_uri") ?? "").replace("localhost", "127.0.0.1"));
  callback.search = new URLSearchParams({
    code: "code-of-mallory",
    state: url.searchParams.get("state") ?? "",
    iss: server.issuer,
  }).toString();
  expect(await visit(someone, callback.href)).toMatch(/^403/);
  const own = await fetch(url, { redirect: "manual" });
  await fetch(own.headers.get("location") ?? "");
  expect((await answer).result).toBeDefined();
  expect(server.calls("/token").length).toBe(1);
  await bridge.finish();
  await server.close();
});

test("a number that is none is a usage error", async () => {
  const person = new Person();
  person.env.CODEMIE_BROWSER_UID = "mallory";
  const { code, err } = await person.run(["profile", "login", "--url", sandbox.origin]);
  expect(code).toBe(2);
  expect(err).toContain("CODEMIE_BROWSER_UID is mallory, not the number of a user");
  person.remove();
});

/** How a connection is held: the kernel hands it over with its first byte, and after an answer it may be used again. */
const held = { "begin a request": "G", "were answered": "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" };

for (const [what, bytes] of cases(Object.entries(held), 1)) {
  test(`more connections than the process may have, which ${what}, delay the browser, and do not lock it out`, async () => {
    const person = new Person();
    const { login, url, port } = await beginLoginWith(256, person, sandbox);
    const silent = Array.from({ length: 400 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
    await Promise.all(silent.map((socket) => new Promise<void>((resolve) => socket.write(bytes, () => resolve()))));
    // At the same address, and so behind all of them.
    const own = (await handOff(url, sandbox.front.issue("ada").cookie)).replace("localhost", "127.0.0.1");
    const page = await fetch(own);
    expect(await page.text()).toContain("You are logged in");
    expect((await login.finished()).code).toBe(0);
    for (const socket of silent) socket.destroy();
    person.remove();
  }, 60_000);
}

ciTest(
  "a connection that has nothing to say is closed, while the browser's may wait for its page",
  async () => {
    const person = new Person();
    const { login, url, port } = await beginLogin(person, sandbox);
    const over = Promise.withResolvers<void>();
    sandbox.settings.userWaits = over.promise;
    const first = await fetch(await handOff(url, sandbox.front.issue("ada").cookie), { redirect: "manual" });
    const page = fetch(new URL(first.headers.get("location") ?? "", first.url));
    const silent = connect(port, "127.0.0.1", () => silent.write(held["were answered"]));
    const answered = Promise.withResolvers<void>();
    silent.on("data", () => answered.resolve());
    await answered.promise;
    await new Promise((resolve) => silent.once("close", resolve));
    over.resolve();
    expect(await (await page).text()).toContain("You are logged in");
    expect((await login.finished()).code).toBe(0);
    person.remove();
  },
  60_000,
);
