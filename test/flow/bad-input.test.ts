import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";
import { beginLogin, handOff, logIn } from "../support/login.ts";
import { runOnFullDisk, runReadOnly, testWithMounts } from "../support/namespace.ts";
import { listen, send } from "../support/sandbox/http.ts";
import { cliClientId } from "../support/sandbox/identity.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";

/** Whatever is wrong: a clear error, a hint, the exit code of the contract, and nothing already stored is lost. */

const sandbox = await sharedSandbox();
const loggedIn = await sharedLogin(sandbox);

test("a host that cannot be reached: exit 5 at once", async () => {
  const gone = await listen();
  await gone.close();
  const person = new Person();
  const { code, err } = await person.run(["profile", "login", "--url", gone.origin]);
  expect(code).toBe(5);
  expect(err).toBe(
    `error: cannot reach ${gone.origin}: connection refused\nhint: check the address, the network and the VPN\n`,
  );
  const named = await person.run(["profile", "login", "--url", "https://codemie.invalid"]);
  expect(named.code).toBe(5);
  expect(named.err).toStartWith("error: cannot reach https://codemie.invalid: ");
  person.remove();
});

for (const [what, status, type, says] of [
  ["a web app that answers every path", 200, "text/html", "it sent a web page"],
  ["405", 405, "text/html", "it answered 405 at its login address"],
  ["404", 404, "application/json", "it answered 404 at its login address"],
] as const) {
  test(`a wrong address (${what}) is said before the browser opens`, async () => {
    const web = await listen();
    web.handle((_request, response) => send(response, status, "<html></html>", { "content-type": type }));
    const person = new Person();
    const { code, err } = await person.run(["profile", "login", "--url", web.origin]);
    expect(code).toBe(1);
    expect(err).toContain(`error: ${web.origin} does not answer like CodeMie: ${says}`);
    expect(err).toContain("hint: check the URL");
    person.remove();
    await web.close();
  });
}

test("an address that is refused is named without what may be a secret in it", async () => {
  const person = new Person();
  for (const address of [
    "http://codemie.example.com/cb?token=SECRETSECRET",
    "ftp://SECRETSECRET@codemie.example.com/#SECRETSECRET",
    "https://SECRETSECRET:x@codemie.example.com:99999/?SECRETSECRET",
    "me:SECRETSECRET@codemie.example.com:99999",
    "ftp://u:p@SECRETSECRET@codemie.example.com",
    "ftp://u:p/SECRETSECRET@codemie.example.com",
  ]) {
    for (const args of [
      ["login", address],
      ["setup", "--url", address, "--yes"],
      ["config", "set", "url", address],
    ]) {
      const { code, out, err } = await person.run(args);
      expect({ args, code, told: (out + err).includes("SECRETSECRET") }).toEqual({ args, code: 2, told: false });
    }
  }
  person.remove();
});

for (const [status, body, type, exit, says] of [
  [401, "{}", "application/json", 4, "did not accept the session"],
  [302, "", "text/html", 4, "did not accept the session"],
  [
    403,
    '{"error":{"message":"Access denied"}}',
    "application/json",
    4,
    "does not allow this account in: Access denied",
  ],
  [200, "<html>", "text/html", 1, "it sent a web page"],
  [200, '{"name":"no id"}', "application/json", 1, "unexpected data from /v1/user"],
  [500, '{"error":{"message":"boom<br>Traceback secret.py"}}', "application/json", 1, "answered 500: boom"],
] as const) {
  test(`/v1/user answers ${status} ${type}: exit ${exit}, nothing stored, what was stored stays`, async () => {
    const person = new Person();
    await logIn(person, sandbox);
    sandbox.settings.userFailure = { status, body, type };
    const { code, err, page } = await logIn(person, sandbox);
    sandbox.settings.userFailure = undefined;
    expect(code).toBe(exit);
    expect(err).toContain(says);
    expect(err).not.toContain("Traceback");
    expect(page).toContain("Not logged in");
    expect((await person.run(["profile", "status"])).code).toBe(0);
    person.remove();
  });
}

test("nobody logs in: exit 4 when the time is over", async () => {
  const person = new Person();
  const { code, err } = await person.run(["profile", "login", "--url", sandbox.origin, "--timeout", "1"]);
  expect(code).toBe(4);
  expect(err).toContain("error: no login within 1 s\nhint: ");
  person.remove();
});

test("Ctrl-C and TERM end a login cleanly", async () => {
  for (const [signal, exit] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const person = new Person();
    const { login, port } = await beginLogin(person, sandbox);
    login.kill(signal);
    const { code, out, err } = await login.finished();
    expect({ code, out }).toEqual({ code: exit, out: "" });
    expect(err).toEndWith(signal === "SIGINT" ? "error: interrupted\n" : "error: terminated\n");
    // The port stays taken, since the page of the login may still be open.
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toContain("Too late");
    person.remove();
  }
});

test("a browser that cannot be started is said, and the login goes on", async () => {
  const person = new Person();
  person.env.CODEMIE_BROWSER = "/nowhere/browser";
  const { login, url } = await beginLogin(person, sandbox);
  await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
  const { code, err } = await login.finished();
  expect(err).toContain("warning: could not start /nowhere/browser: open the URL above yourself");
  expect(code).toBe(0);
  person.remove();
});

test("CODEMIE_BROWSER gets the URL as its one argument, without a shell", async () => {
  const person = new Person();
  const file = join(person.root, "argument");
  const browser = join(person.root, "my browser; touch x");
  writeFileSync(browser, `#!/bin/sh\nprintf '%s|%s' "$#" "$1" > '${file}.tmp' && mv '${file}.tmp' '${file}'\n`);
  chmodSync(browser, 0o755);
  person.env.CODEMIE_BROWSER = browser;
  const { login, url } = await beginLogin(person, sandbox);
  while (!(await Bun.file(file).exists())) await Bun.sleep(5);
  const [count, argument] = (await Bun.file(file).text()).split("|");
  expect(count).toBe("1");
  // The argument leads to the address that the terminal shows.
  expect((await fetch(argument ?? "", { redirect: "manual" })).headers.get("location")).toBe(url);
  login.kill("SIGINT");
  await login.finished();
  person.remove();
});

test("an empty host is called that", async () => {
  const person = new Person();
  const { code, err } = await person.run(["login", " "]);
  expect([code, err]).toEqual([2, expect.stringContaining("cannot use an empty address as a CodeMie host")]);
  person.remove();
});

test("an agent that is not installed: the command that installs it", async () => {
  const person = new Person();
  await logIn(person, sandbox);
  const { code, err } = await person.run(["claude", "--task", "x"], { env: { PATH: "/nowhere" } });
  expect(code).toBe(1);
  expect(err).toBe(
    "error: Claude Code (claude) is not on PATH\nhint: install it: codemie install claude, or npm install -g @anthropic-ai/claude-code\n",
  );
  person.remove();
});

test("an unreadable configuration is never overwritten", async () => {
  const person = new Person();
  mkdirSync(person.codemieHome);
  const file = person.configFile;
  for (const content of ["{ not json", '{"version":2,"profiles":{"a":{"model":7}}}']) {
    writeFileSync(file, content);
    for (const args of [["profile"], ["profile", "login", "--url", sandbox.origin]]) {
      const { code, err } = await person.run(args);
      expect(code).toBe(1);
      expect(err).toContain(`error: ${file} cannot be read: `);
    }
    expect(await Bun.file(file).text()).toBe(content);
  }
  person.remove();
});

testWithMounts("a read-only home: exit 1 before the browser opens", async () => {
  const person = loggedIn.copy();
  const login = await runReadOnly(person, ["profile", "login"]);
  expect(login.code).toBe(1);
  expect(login.err).toContain("the file system is read-only\nhint: ");
  expect(login.err).not.toContain("open this address");
  expect((await runReadOnly(person, ["profile", "status"])).code).toBe(0);
  expect((await runReadOnly(person, ["models"])).code).toBe(0);
  person.remove();
});

testWithMounts("setup where nothing can be stored: it says so before the login", async () => {
  const ways: readonly (readonly string[])[] = [
    ["--url", sandbox.origin],
    ["--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", cliClientId],
  ];
  for (const way of ways) {
    const person = new Person();
    mkdirSync(person.codemieHome);
    const setup = await runReadOnly(person, ["setup", "--yes", ...way]);
    expect([setup.code, setup.err]).toEqual([1, expect.stringContaining("the file system is read-only\nhint: ")]);
    expect(setup.err).not.toContain("open this address");
    person.remove();
  }
  const person = loggedIn.copy();
  const { out, err } = await runOnFullDisk(
    person,
    256,
    `"$0" setup --profile new --url ${sandbox.origin} --yes; echo "exit $?"`,
  );
  expect(out).toContain("exit 1");
  expect(err).toMatch(/error: cannot write .*: the disk is full\nhint: /);
  expect(err).not.toContain("open this address");
  person.remove();
});

testWithMounts("a full disk: exit 1, and the login that was stored still opens", async () => {
  const person = loggedIn.copy();
  const { out, err } = await runOnFullDisk(
    person,
    256,
    `"$0" profile login; echo "login exit $?"
    rm $CODEMIE_HOME/filler; "$0" profile status; echo "status exit $?"`,
  );
  expect(out).toContain("login exit 1");
  expect(err).toMatch(/error: cannot write .*: the disk is full\nhint: /);
  expect(out).toContain("Ada <ada@example.com>");
  expect(out).toContain("status exit 0");
  person.remove();
});

test("-y and --yes are taken where nothing is asked, too", async () => {
  const person = new Person();
  for (const [args, code] of [
    [["config", "list"], 0],
    [["profile"], 0],
    [["profile", "list"], 0],
    [["config", "path"], 0],
    [["completion", "bash"], 0],
    [["audit"], 0],
    [["logs"], 0],
    [["mcp", "list"], 0],
    [["logout"], 4],
  ] as const) {
    const without = await person.run(args);
    expect({ args, code: without.code }).toEqual({ args, code });
    for (const yes of ["-y", "--yes"])
      expect({ args, ...(await person.run([...args, yes])) }).toEqual({ args, ...without });
  }
  person.remove();
});
