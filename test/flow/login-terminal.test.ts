import { expect, onTestFinished, test } from "bun:test";
import { codemie, Person } from "../support/codemie.ts";
import { handOff, logIn } from "../support/login.ts";
import { Pty } from "../support/pty.ts";
import { cliClientId } from "../support/sandbox/identity.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

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

/** A browser that opens, and shows nothing: the one the person uses is on another machine. */
const blindBrowser = (person: Person) => ({ CODEMIE_BROWSER: person.install("blind", "#!/bin/sh\n") });

test("the address is pasted although a browser was opened: wrong ones are asked for again, quotes are taken off", async () => {
  const person = new Person();
  const pty = new Pty(person, ["profile", "login", "--url", sandbox.origin], blindBrowser(person));
  const [url] = await pty.shows(loginUrl);
  await pty.shows(/paste the address/);
  const location = await handOff(url, sandbox.front.issue("ada").cookie);
  const session = new URL(location).searchParams.get("token") ?? "";
  for (const [typed, says] of [
    [location.replace(/:\d+/, ":1"), "its port is 1, and this login's is"],
    [session, "it is no address; paste the right one:"],
    [`${location.slice(0, 60)}`, "its token is missing, damaged or cut off;"],
    [location.replace("/auth", "/other"), "the right one begins with http://localhost:"],
    [`${location.split("token=")[0]}token=${btoa('{"provider":"none"}')}`, "handed over a login without a session"],
  ] as const) {
    pty.type(`${typed}\r`);
    await pty.shows(words(says));
  }
  pty.type(`"<${location}>"\r`);
  await pty.shows(/logged in to .* as .*Ada <ada@example.com>/s);
  expect(await pty.ended()).toBe(0);
  expect(pty.screen).not.toContain(session.slice(0, 40));
  person.remove();
});

/** Words as the terminal shows them, which breaks lines between them. */
const words = (text: string) => new RegExp(text.replace(/[.?()]/g, "\\$&").replaceAll(" ", "\\s+"));

const bySignal = (signal: NodeJS.Signals) => async (_pty: Pty, pid: number) => void process.kill(pid, signal);
for (const [way, flags, end, code] of cases([
  [
    "the browser comes back",
    [],
    async (pty: Pty) => {
      const [url] = await pty.shows(loginUrl);
      await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
    },
    0,
  ],
  [
    "the address is pasted",
    [],
    async (pty: Pty) => {
      const [url] = await pty.shows(loginUrl);
      pty.type(`${await handOff(url, sandbox.front.issue("ada").cookie)}\r`);
    },
    0,
  ],
  ["the time is over", ["--timeout", "1"], async () => undefined, 4],
  ["Ctrl-C", [], async (pty: Pty) => pty.type("\u0003"), 130],
  ["SIGTERM", [], bySignal("SIGTERM"), 143],
  ["SIGINT from elsewhere", [], bySignal("SIGINT"), 130],
] as const)) {
  test(`${way}: the terminal is as it was before, exit ${code}`, async () => {
    const person = new Person();
    const script = `before=$(stty -g)
sh -c 'echo "process $$;"; exec "$0" "$@"' "$0" "$@"
code=$?
[ "$before" = "$(stty -g)" ] && echo "as before, $code;" || echo "changed, $code;"`;
    const args = ["profile", "login", "--url", sandbox.origin, ...flags];
    const pty = new Pty(person, ["-c", script, codemie, ...args], blindBrowser(person), "sh");
    const [, pid] = await pty.shows(/process (\d+);/);
    await pty.shows(/paste the address/);
    await end(pty, Number(pid));
    const [said] = await pty.shows(/(as before|changed), \d+;/);
    expect(said).toBe(`as before, ${code};`);
    await pty.ended();
    person.remove();
  });
}

test("in the background, where the system stops who reads keys, the login waits for the browser alone", async () => {
  const person = new Person();
  const args = ["profile", "login", "--url", sandbox.origin];
  const pty = new Pty(person, ["-mc", '"$0" "$@" & wait $!; echo "ended with $?;"', codemie, ...args], {}, "bash");
  const [url] = await pty.shows(loginUrl);
  await pty.shows(/waiting for the login/);
  expect(pty.screen).not.toContain("paste");
  await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
  await pty.shows(/ended with 0;/);
  await pty.ended();
  person.remove();
});

for (const [flags, opens, says, lacks] of cases([
  [["--timeout", "1"], true, "then run the command again, with --no-browser", "--timeout"],
  [["--timeout", "1"], false, "then run the command again\n", "--"],
  [["--timeout", "1", "--no-browser"], true, "then run the command again\n", "--"],
] as const)) {
  test(`after ${flags.join(" ")}, browser ${opens ? "there" : "not there"}, the hint names nothing that is in use`, async () => {
    const person = new Person();
    const env = opens ? blindBrowser(person) : {};
    const { code, err } = await person.run(["profile", "login", "--url", sandbox.origin, ...flags], { env });
    expect(code).toBe(4);
    const hint = `${err.split("hint: ")[1]}`;
    expect(hint).toContain(says);
    expect(hint).not.toContain(lacks === "--" ? "--" : lacks);
    person.remove();
  });
}

test("at an OpenID provider: the address is pasted while a browser is open, and a wrong one is named for what it is", async () => {
  const person = new Person();
  const args = ["profile", "login", "--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", cliClientId];
  const pty = new Pty(person, args, blindBrowser(person));
  const [url] = await pty.shows(/http:\S+\/auth\?\S+/);
  await pty.shows(/paste the address/);
  const { searchParams } = new URL(url);
  const redirect = searchParams.get("redirect_uri") ?? "";
  const state = searchParams.get("state") ?? "";
  for (const [typed, says] of [
    [`${redirect.replace(/:\d+/, ":1")}?code=c0de&state=${state}`, "its port is 1, and"],
    [`${redirect}?code=c0de&state=other`, "its state belongs to another login"],
    [`${redirect}?code=c0de`, "it holds no state"],
    [`${redirect}?state=${state}`, "it holds no code"],
    [url, "the right one begins with http://127.0.0.1:"],
  ] as const) {
    pty.type(`${typed}\r`);
    await pty.shows(words(says));
  }
  pty.type(`'${redirect}?error=access_denied&state=${state}&iss=${encodeURIComponent(sandbox.issuer)}'\r`);
  await pty.shows(words("refused: access_denied"));
  expect(await pty.ended()).toBe(4);
  expect(pty.screen).not.toContain("c0de");
  person.remove();
});

test("profile login asks for the host where none is known", async () => {
  const person = new Person();
  const pty = new Pty(person, ["login"]);
  await pty.shows(/Which CodeMie host\?/);
  pty.type("ftp://x\r");
  await pty.shows(/only https: is supported/);
  pty.type(`${"\u007f".repeat(7)}${sandbox.origin}\r`);
  const [url] = await pty.shows(loginUrl);
  await pty.shows(/paste the address/);
  await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
  await pty.shows(/logged in to/);
  expect(await pty.ended()).toBe(0);
  const alone = await new Person().run(["login"]);
  expect([alone.code, alone.err]).toEqual([2, expect.stringContaining("run codemie setup in a terminal")]);
  person.remove();
});

test("the question for the host comes again where no CodeMie answers, and takes the address of a page", async () => {
  const person = new Person();
  onTestFinished(() => person.remove());
  const wiki = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("a wiki") });
  onTestFinished(() => wiki.stop(true));
  const pty = new Pty(person, ["login"]);
  await pty.shows(/Which CodeMie host\?/);
  const typed = ["http://127.0.0.1:1", wiki.url.origin, `${sandbox.origin}/workspace/1`];
  for (const [i, says] of [
    /cannot reach[\s\S]*Which CodeMie host\?/,
    /does not answer like a CodeMie host[\s\S]*Which CodeMie host\?/,
    /the host is/,
  ].entries()) {
    pty.type(`${"\u007f".repeat(typed[i - 1]?.length ?? 0)}${typed[i]}\r`);
    await pty.shows(says);
  }
  const [url] = await pty.shows(loginUrl);
  await pty.shows(/paste the address/);
  await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
  await pty.shows(/logged in to/);
  expect(await pty.ended()).toBe(0);
  expect(person.config().profiles.default.codeMieUrl).toBe(sandbox.origin);
});

for (const words of cases([["login"], ["profile", "login", "--url"]])) {
  test(`${words.join(" ")} and config set url take the address of a page, and say which host is used`, async () => {
    const person = new Person();
    onTestFinished(() => person.remove());
    const page = `${sandbox.origin}/workspace/1?tab=mine#top`;
    const login = person.start([...words, page]);
    const [url] = await login.says(loginUrl);
    await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
    const { code, err } = await login.finished();
    const note = `that is the address of a page; the host is ${sandbox.origin}, and that is used`;
    expect([code, err]).toEqual([0, expect.stringContaining(note)]);
    const set = await person.run(["config", "set", "url", page]);
    expect([set.code, set.err]).toEqual([0, expect.stringContaining(note)]);
    expect(set.out).toContain(`url of profile default is now ${sandbox.origin}\n`);
  });
}

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

for (const [key, typed] of cases(
  [
    ["Ctrl-C", "\u0003"],
    ["Escape", "\u001b"],
  ] as const,
  1,
)) {
  test(`${key} while waiting for the paste, and at a question: exit 130, the terminal is as before`, async () => {
    const person = new Person();
    const pty = new Pty(person, ["profile", "login", "--url", sandbox.origin]);
    await pty.shows(/paste the address/);
    pty.type(typed);
    expect(await pty.ended()).toBe(130);
    expect(pty.screen).toContain("interrupted");
    await logIn(person, sandbox);
    const question = new Pty(person, ["config", "reset"]);
    await question.shows(/start anew\? \[y\/N\]/);
    question.type(typed);
    expect(await question.ended()).toBe(130);
    person.remove();
  });
}

for (const [answer, code, who] of cases([
  ["n", 4, "Ada"],
  ["", 4, "Ada"],
  ["y", 0, "Grace"],
] as const)) {
  test(`another person than before is asked about: '${answer}' leaves ${who}`, async () => {
    const person = new Person();
    await logIn(person, sandbox, "ada");
    const pty = new Pty(person, ["profile", "login"]);
    const [url] = await pty.shows(loginUrl);
    await pty.shows(/paste the address/);
    const page = await fetch(await handOff(url, sandbox.front.issue("grace").cookie));
    expect(await page.text()).toContain("One question is left");
    await pty.shows(
      /belongs to Ada <ada@example.com>;\s+replace\s+it\s+with\s+Grace\s+<grace@example.com>\?\s+\[y\/N\]/,
    );
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

for (const args of cases([["setup"], ["login"]])) {
  test(`codemie ${args} whose terminal is closed at its question ends`, async () => {
    const person = new Person();
    const pty = new Pty(person, args);
    await pty.shows(/\?/);
    pty.hangUp();
    expect(await pty.ended()).not.toBe(0);
    person.remove();
  });
}
