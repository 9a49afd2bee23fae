import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Person, type Running } from "../support/codemie.ts";
import { beginLogin, handOff } from "../support/login.ts";
import { AuthorizedBridge, startProtected } from "../support/mcp/protected.ts";
import { type Manner, someone, testWithOthers, visit } from "../support/other-user.ts";
import { cliClientId } from "../support/sandbox/identity.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/**
 * Threat: another user of the machine reads `state` and `code_challenge` in the browser's command line, logs in as himself for
 * them, and delivers his code.
 */

const sandbox = await sharedSandbox();
const startAddress = /^http:\/\/127\.0\.0\.1:\d+\/start\/[A-Za-z0-9_-]{22}$/;

/** A person whose browser, named or the system's, writes down its arguments and stays. */
function personWithBrowser(name: "xdg-open" | "my-browser" | "wslview"): {
  person: Person;
  argument(): Promise<string>;
} {
  const person = new Person();
  const file = join(person.root, "arguments");
  const browser = person.install(
    name,
    `#!/bin/sh\nprintf '%s\\n' "$@" > '${file}.part'\nmv '${file}.part' '${file}'\n`,
  );
  Object.assign(person.env, { CODEMIE_BROWSER: name === "my-browser" ? browser : "", DISPLAY: ":9" });
  if (name === "wslview") person.env.WSL_DISTRO_NAME = "Debian";
  return {
    person,
    async argument() {
      while (!existsSync(file)) await Bun.sleep(10);
      return readFileSync(file, "utf8").trimEnd();
    },
  };
}

const oidcFlags = ["--url", sandbox.origin, "--issuer", sandbox.issuer, "--client-id", cliClientId];

async function end(login: Running, person: Person): Promise<void> {
  login.kill("SIGINT");
  await login.finished();
  person.remove();
}

for (const name of cases(["xdg-open", "my-browser", "wslview"] as const)) {
  test(`${name} is started with an address that shows nothing and leads to the login`, async () => {
    for (const flags of [["--url", sandbox.origin], oidcFlags]) {
      const { person, argument } = personWithBrowser(name);
      const login = person.start(["profile", "login", ...flags]);
      const [shown] = await login.says(/http:\S+\/auth(\?|\/login)\S+/);
      const opened = await argument();
      expect(opened).toMatch(startAddress);
      const answer = await fetch(opened, { redirect: "manual" });
      expect(answer.headers.get("location")).toBe(shown);
      expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
      expect(answer.headers.get("cache-control")).toBe("no-store");
      // A browser may ask twice, as KDE's opener does.
      expect((await fetch(opened, { redirect: "manual" })).status).toBe(303);
      await end(login, person);
    }
  });
}

test("an MCP login: the bridge's browser sees no state either, and the login succeeds", async () => {
  const server = await startProtected();
  const bridge = new AuthorizedBridge(server.url);
  expect((await bridge.initialize()).result).toBeDefined();
  expect(bridge.opened()).toEqual([[expect.stringMatching(startAddress)]]);
  expect(bridge.authorizing().length).toBe(1);
  await bridge.finish();
  await server.close();
});

testWithOthers("another user who reads the address learns nothing from it", async () => {
  const { person, argument } = personWithBrowser("my-browser");
  const login = person.start(["profile", "login", ...oidcFlags]);
  const opened = await argument();
  for (const manner of ["answered", "mapped", "from-127.0.0.5"] satisfies Manner[]) {
    const answer = await visit(someone, opened, manner);
    expect(answer).toMatch(/^403/);
    expect(answer).not.toMatch(/state|location/i);
  }
  await login.says(/another user of this machine \(12345\)/);
  expect((await fetch(opened, { redirect: "manual" })).status).toBe(303);
  await end(login, person);
});

test("a page, a prefetch, another host name or another path gets nothing from it either", async () => {
  const { person, argument } = personWithBrowser("my-browser");
  const { login, url } = await beginLogin(person, sandbox);
  const opened = await argument();
  const headers = [
    { "sec-fetch-mode": "cors" },
    { "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
    { "sec-purpose": "prefetch" },
    { host: "evil.example" },
  ];
  for (const given of headers) {
    const answer = await fetch(opened, { headers: given as Record<string, string>, redirect: "manual" });
    expect([given, [403, 421].includes(answer.status)]).toEqual([given, true]);
  }
  for (const address of [opened.slice(0, -1), `${opened}/`, opened.replace(/[^/]+$/, "")]) {
    expect((await fetch(address, { redirect: "manual" })).status).toBe(404);
  }
  await fetch(await handOff(url, sandbox.front.issue("ada").cookie));
  expect((await login.finished()).code).toBe(0);
  person.remove();
});

test("where the system does not tell who asks, the address works once, and the second visitor is warned", async () => {
  const { startCallbackServer } = await import("../../src/auth/login/callback-server.ts");
  const platform = Object.getOwnPropertyDescriptor(process, "platform");
  Object.defineProperty(process, "platform", { ...platform, value: "darwin" });
  try {
    const server = startCallbackServer({ path: "/callback", accept: () => true, browserUser: undefined });
    const address = server.leadTo("https://login.example.com/authorize?state=s");
    expect((await fetch(address, { redirect: "manual" })).status).toBe(303);
    const second = await fetch(address, { redirect: "manual" });
    expect(second.status).toBe(410);
    expect(await second.text()).toContain("another program of this machine was here before you");
    await server.close();
  } finally {
    Object.defineProperty(process, "platform", platform ?? {});
  }
});
