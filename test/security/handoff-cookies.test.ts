import { beforeEach, expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { beginLogin, handOff, logIn } from "../support/login.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** Threat: the hand-off smuggles in what is not the session, or what breaks out of a header. */

const sandbox = await sharedSandbox({ chunks: 1 });
let person: Person;
beforeEach(() => {
  person = new Person();
});

const sentCookies = () => String(sandbox.calls("/v1/user").at(-1)?.headers.cookie ?? "");

for (const chunks of cases([1, 2, 3, 5, 24])) {
  test(`a session in ${chunks} part${chunks > 1 ? "s" : ""} is kept whole, without what is not the session`, async () => {
    sandbox.settings.chunks = chunks;
    const { code, cookie } = await logIn(person, sandbox);
    expect(code).toBe(0);
    const session = cookie.split("; ").filter((pair) => !pair.startsWith("_oauth2_proxy_k3J9x2Qa_csrf"));
    expect(sentCookies().split("; ").sort()).toEqual(session.sort());
    if (chunks > 1) expect(session.length).toBe(chunks);
    person.remove();
  });
}

for (const form of cases(["base64url", "unpadded"] as const)) {
  test(`a ${form} token is read`, async () => {
    sandbox.settings.handoff = form;
    expect((await logIn(person, sandbox)).code).toBe(0);
    person.remove();
  });
}

test("cookies of other names are not taken", async () => {
  sandbox.settings.handoff = (cookies) =>
    encode({ provider: "keycloak", cookies: { ...cookies, codemie_access_token: "x", other: "y", __proto__: "z" } });
  expect((await logIn(person, sandbox)).code).toBe(0);
  expect(sentCookies()).toMatch(/^_oauth2_proxy=[^;]+$/);
  person.remove();
});

for (const [what, value] of cases([
  ["a line break", "a\r\nx-evil: 1"],
  ["a semicolon", "a; other=1"],
  ["a control character", "a\u0000b"],
  ["a letter outside ASCII", "ä"],
] as const)) {
  test(`a value with ${what} is refused and nothing is stored`, async () => {
    sandbox.settings.handoff = (cookies) =>
      encode({ provider: "keycloak", cookies: { ...cookies, _oauth2_proxy_9: value } });
    const { code, err, page } = await logIn(person, sandbox);
    expect(code).toBe(4);
    expect(err).toContain("error: ");
    expect(err).toContain("_oauth2_proxy_9");
    expect(page).toContain("Not logged in");
    expect(sandbox.calls("/v1/user")).toEqual([]);
    expect((await person.run(["profile", "status"])).code).toBe(4);
    person.remove();
  });
}

for (const form of cases(["local", "empty"] as const)) {
  test(`a hand-off without a session (${form}) is refused with the reason, and the login goes on`, async () => {
    sandbox.settings.handoff = form;
    const { login, url } = await beginLogin(person, sandbox);
    const page = await (await fetch(await handOff(url, sandbox.front.issue("ada").cookie))).text();
    expect(page).toContain("without a session");
    await login.says(/without a session .*: this host has no single sign-on in front of it/);
    login.kill("SIGINT");
    expect((await login.finished()).code).toBe(130);
    person.remove();
  });
}

function encode(payload: unknown): string {
  return encodeURIComponent(Buffer.from(JSON.stringify(payload)).toString("base64"));
}
