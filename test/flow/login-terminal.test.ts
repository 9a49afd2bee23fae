import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { handOff, logIn } from "../support/login.ts";
import { Pty } from "../support/pty.ts";
import { sharedSandbox } from "../support/shared.ts";

/** The login where a person sits at a terminal and the browser is elsewhere. */

const sandbox = await sharedSandbox({ chunks: 5 });

const loginUrl = /http:\S+\/v1\/auth\/login\/\d+/;

test("the address the browser ended at is pasted back, 20 KB of it, and never shown", async () => {
  const person = new Person();
  const pty = new Pty(person, ["profile", "login", "--url", sandbox.origin, "--no-browser"]);
  const [url] = await pty.shows(loginUrl);
  await pty.shows(/paste the address/);
  const { cookie } = sandbox.front.issue("ada");
  const location = await handOff(url, cookie);
  expect(location.length).toBeGreaterThan(20_000);
  pty.type("http://localhost:1/auth?token=x\r");
  await pty.shows(/that is not the address of this login/);
  pty.type(`${location}\r`);
  await pty.shows(/logged in to .* as .*Ada <ada@example.com>/s);
  expect(await pty.ended()).toBe(0);
  expect(pty.screen).not.toContain("token=ey");
  person.remove();
});

test("on SSH the browser stays shut; the callback is taken all the same", async () => {
  const person = new Person();
  delete person.env.CODEMIE_BROWSER;
  const pty = new Pty(person, ["profile", "login", "--url", sandbox.origin], { SSH_CONNECTION: "1", DISPLAY: ":0" });
  const [url] = await pty.shows(loginUrl);
  await pty.shows(/paste the address/);
  await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
  await pty.shows(/logged in to/);
  expect(await pty.ended()).toBe(0);
  person.remove();
});

test("Ctrl-C while waiting for the paste: exit 130, the terminal is as before", async () => {
  const person = new Person();
  const pty = new Pty(person, ["profile", "login", "--url", sandbox.origin]);
  await pty.shows(/paste the address/);
  pty.type("\u0003");
  expect(await pty.ended()).toBe(130);
  expect(pty.screen).toContain("interrupted");
  person.remove();
});

for (const [answer, code, who] of [
  ["n", 4, "Ada"],
  ["", 4, "Ada"],
  ["y", 0, "Grace"],
] as const) {
  test(`another person than before is asked about: '${answer}' leaves ${who}`, async () => {
    const person = new Person();
    await logIn(person, sandbox, "ada");
    const pty = new Pty(person, ["profile", "login"]);
    const [url] = await pty.shows(loginUrl);
    await pty.shows(/paste the address/);
    const page = await fetch(await handOff(url, sandbox.front.issue("grace").cookie));
    expect(await page.text()).toContain("One question is left");
    await pty.shows(/belongs to Ada <ada@example.com>; replace it with Grace <grace@example.com>\? \[y\/N\]/);
    pty.type(`${answer}\r`);
    expect(await pty.ended()).toBe(code);
    expect((await person.run(["profile", "status"])).out).toContain(who);
    person.remove();
  });
}

test("colour only where it is wanted", async () => {
  const person = new Person();
  const esc = "\u001b[";
  const show = async (env: Record<string, string>, flags: string[] = []) => {
    const pty = new Pty(person, ["profile", "--help", ...flags], env);
    await pty.ended();
    return pty.screen.includes(esc);
  };
  expect(await show({})).toBe(true);
  expect(await show({ NO_COLOR: "1" })).toBe(false);
  expect(await show({ TERM: "dumb" })).toBe(false);
  expect(await show({}, ["--no-color"])).toBe(false);
  expect((await person.run(["profile", "--help"])).out).not.toContain(esc);
  expect((await person.run(["profile", "--help"], { env: { FORCE_COLOR: "1" } })).out).toContain(esc);
  person.remove();
});

test("where the terminal has ASCII only, our own signs are ASCII", async () => {
  const person = new Person();
  await logIn(person, sandbox);
  const { out } = await person.run(["profile", "status"], { env: { LC_ALL: "C" } });
  expect(out).toStartWith("+ logged in to ");
  const pty = new Pty(person, ["models"], { LC_ALL: "POSIX" });
  await pty.ended();
  expect(pty.screen).toMatch(/asking \S+ for its models\.\.\. /);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape codes are ASCII as well
  expect(pty.screen).toMatch(/^[\x00-\x7f]*$/);
  person.remove();
});
