import { expect, test } from "bun:test";
import { readlinkSync } from "node:fs";
import { join } from "node:path";
import { passLoginPages, startBrowser } from "../support/browser.ts";
import { Person, type Running } from "../support/codemie.ts";
import { beginLogin, beginLoginWith, handOff, logIn } from "../support/login.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { commandOf, fewDescriptors, flood, someone, testWithOthers, visit } from "../support/other-user.ts";
import { goesOn, shownOf } from "../support/processes.ts";
import { Pty } from "../support/pty.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/**
 * Threat: a login ends before the person has finished it, and its page in the browser later brings the session to
 * whoever listens on the port by then.
 */

const sandbox = await sharedSandbox();

const endings: readonly [string, readonly string[], (login: Running) => void, number][] = [
  ["its time is over", ["--timeout", "3"], () => undefined, 4],
  ["Ctrl-C", [], (login) => login.kill("SIGINT"), 130],
  ["SIGTERM", [], (login) => login.kill("SIGTERM"), 143],
  ["SIGHUP", [], (login) => login.kill("SIGHUP"), 143],
];

for (const [ending, flags, end, exit] of cases(endings, 2)) {
  test(`${ending}: a late hand-off is told so, by a process that knows nothing and holds nothing`, async () => {
    const person = new Person();
    Object.assign(person.env, { CODEMIE_VAULT_PASSPHRASE: "secret-passphrase" });
    const { login, url, port } = await beginLogin(person, sandbox, flags);
    end(login);
    // It also waits until nobody has our outputs open any more.
    const { code, err } = await login.finished();
    expect(code).toBe(exit);
    expect(err).toContain(`for 15 minutes codemie keeps port ${port}`);
    const [holder = 0, ...others] = person.holders();
    expect([others.length, goesOn(holder)]).toEqual([0, true]);
    expect(shownOf(holder, "environ")).not.toContain("secret");
    expect(readlinkSync(`/proc/${holder}/fd/0`)).toMatch(/^(pipe|socket):/); // the login had the other end
    expect(readlinkSync(`/proc/${holder}/fd/2`)).toBe("/dev/null");
    expect(readlinkSync(`/proc/${holder}/cwd`)).toBe("/");

    const late = await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
    expect(await late.text()).toContain("Too late");
    expect(late.url).not.toContain("token=");
    expect(late.headers.get("referrer-policy")).toBe("no-referrer");
    person.remove();
  });
}

testWithOthers("another user who waits for the port never gets it, nor ends the wait for it", async () => {
  const person = new Person();
  const { login, port } = await beginLogin(person, sandbox);
  const command = commandOf(someone, process.execPath, join(import.meta.dir, "../support/binder.ts"), String(port));
  const binder = Bun.spawn(command, {
    cwd: "/",
    env: { PATH: process.env.PATH ?? "" },
    stdin: "pipe",
    stderr: "inherit",
  });
  const reader = binder.stdout.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("trying\n");
  login.kill("SIGINT");
  await login.finished();
  expect(await visit(someone, `http://127.0.0.1:${port}/auth?token=x`)).toMatch(/^303/);
  expect(await visit(someone, `http://[::1]:${port}/late`)).toContain("Too late");
  expect(person.holders().map(goesOn)).toEqual([true]);
  binder.stdin.end();
  expect((await reader.read()).done).toBe(true);
  person.remove();
});

testWithOthers(
  "another user who has used up the login's descriptors does not get the port either",
  async () => {
    const person = new Person();
    const { login, url, port } = await beginLoginWith(fewDescriptors, person, sandbox);
    const flooding = await flood(someone, `http://127.0.0.1:${port}/`, login.pid);
    login.kill("SIGINT");
    expect((await login.finished()).err).toContain(`codemie keeps port ${port}`);
    await flooding.end();
    expect(await (await fetch(await handOff(url, sandbox.front.issue("ada").cookie))).text()).toContain("Too late");
    person.remove();
  },
  60_000,
);

test("kill -9 leaves no time, and yet the port is kept", async () => {
  const person = new Person();
  const { login, url } = await beginLogin(person, sandbox);
  login.kill("SIGKILL");
  await login.finished();
  const late = await handOff(url, sandbox.front.issue("ada").cookie);
  let page: Response | undefined;
  while (!page) page = await fetch(late).catch(() => undefined);
  expect(await page.text()).toContain("Too late");
  person.remove();
});

test("a login that fails after a callback keeps its port: somebody else may have brought that", async () => {
  const person = new Person();
  const { login, url, port } = await beginLogin(person, sandbox);
  sandbox.settings.userFailure = { status: 401, type: "application/json", body: "{}" };
  const first = await fetch(await handOff(url, sandbox.front.issue("mallory").cookie));
  expect(await first.text()).toContain("Not logged in");
  const { code, err } = await login.finished();
  expect([code, err]).toEqual([4, expect.stringContaining(`codemie keeps port ${port}`)]);
  sandbox.settings.userFailure = undefined;
  expect(await (await fetch(await handOff(url, sandbox.front.issue("ada").cookie))).text()).toContain("Too late");
  person.remove();
});

test("a login that succeeds as another person, who is refused, keeps its port", async () => {
  const person = new Person();
  expect((await logIn(person, sandbox)).code).toBe(0);
  const { code, err } = await logIn(person, sandbox, "mallory");
  expect([code === 0, err]).toEqual([false, expect.stringContaining("minutes codemie keeps port")]);
  expect(person.holders().map(goesOn)).toEqual([true]);
  person.remove();
});

test("a login whose person is asked about keeps its port", async () => {
  const person = new Person();
  await logIn(person, sandbox);
  const pty = new Pty(person, ["profile", "login"]);
  const [url] = await pty.shows(/http:\S+\/auth\/login\/\d+/);
  await fetch(await handOff(url, sandbox.front.issue("mallory").cookie));
  await pty.shows(/replace it with Mallory/);
  expect(person.holders().map(goesOn)).toEqual([true]);
  pty.type("n\r");
  expect(await pty.ended()).toBe(4);
  expect(await (await fetch(await handOff(url, sandbox.front.issue("ada").cookie))).text()).toContain("Too late");
  person.remove();
});

const empty: Readonly<Record<string, object>> = {
  "no cookies": { provider: "x" },
  "an empty session": { provider: "x", cookies: { _oauth2_proxy: "" } },
  "other cookies": { provider: "x", cookies: { _oauth2_proxy_csrf: "x", other: "x" } },
};

test("a hand-off without a session, which any page can forge, does not end the login; the person is told once", async () => {
  const person = new Person();
  const { login, url, port } = await beginLogin(person, sandbox);
  for (const payload of Object.values(empty)) {
    const forged = `http://localhost:${port}/auth?token=${encodeURIComponent(btoa(JSON.stringify(payload)))}`;
    const page = await fetch(forged);
    expect([page.status, await page.text()]).toEqual([400, expect.stringContaining("without a session")]);
  }
  expect(await (await fetch(await handOff(url, sandbox.front.issue("ada").cookie))).text()).toContain("logged in");
  const { code, err } = await login.finished();
  expect([code, err.match(/without a session/g)?.length]).toEqual([0, 1]);
  person.remove();
});

test("in a real browser, the page that was left open ends at a clean address", async () => {
  const browser = await startBrowser();
  const person = new Person();
  const { login, url } = await beginLogin(person, sandbox);
  const page = await browser.newPage();
  await page.goto(url);
  login.kill("SIGINT");
  await login.finished();
  await passLoginPages(page, "ada");
  await page.waitForURL(/localhost:\d+\/late$/);
  expect(await page.textContent("h1")).toBe("Too late");
  await browser.close();
  person.remove();
});

test("nothing stays behind where no session can come any more", async () => {
  const person = new Person();
  expect((await logIn(person, sandbox)).code).toBe(0);
  expect((await person.run(["profile", "login", "--url", "http://127.0.0.1:9"])).code).not.toBe(0);
  expect(person.holders()).toEqual([]);
  person.remove();

  // A code is worth nothing without the verifier, which ended with the process (RFC 7636).
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url, ["--auth-timeout", "1"], { BROWSER_STAYS: "1" });
  expect((await bridge.initialize()).error.message).toContain("nobody finished");
  expect(bridge.person.holders()).toEqual([]);
  await bridge.finish();
  await server.close();
});

test("the process ends by itself at its time, and takes nothing but a port and a time", async () => {
  const person = new Person();
  const port = String(await freePort());
  expect(await person.run(["hold-callback", port, "1"])).toEqual({ code: 0, out: "ready\n", err: "" });
  for (const args of [[], [port], ["0", "1"], [port, "x"], ["70000", "1"], [port, "-1"]]) {
    expect((await person.run(["hold-callback", ...args])).code).toBe(2);
  }
  person.remove();
});

async function freePort(): Promise<number> {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const { port } = server;
  await server.stop(true);
  return Number(port);
}
