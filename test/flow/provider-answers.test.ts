import { afterEach, beforeEach, expect, test } from "bun:test";
import { ageLogin, storedLoginOf } from "../support/age.ts";
import { Person } from "../support/codemie.ts";
import { refusing, type ScriptedProvider, startScriptedProvider } from "../support/scripted-provider.ts";
import { cases } from "../support/tiers.ts";

/** The answers of OpenID providers as they are: empty members, refusals without words, trouble of their own. */

let provider: ScriptedProvider;
let person: Person;
beforeEach(async () => {
  provider = await startScriptedProvider();
  person = new Person();
});
afterEach(async () => {
  person.remove();
  await provider.stop();
});

async function loggedIn(): Promise<void> {
  const { code, err } = await provider.logIn(person).finished();
  expect([code, err.match(/error.*/)?.[0]]).toEqual([0, undefined]);
}

/** Answers each refresh as given. */
function onRefresh(answer: (refreshToken: string) => Response | Promise<Response>): void {
  provider.answer = async (path, form) => {
    const token = form.get("refresh_token");
    return path === "/token" && token !== null ? await answer(token) : undefined;
  };
}

const refreshTokenOf = async () => {
  const login = await storedLoginOf(person);
  return login?.method === "oidc" ? login.refreshToken : undefined;
};

for (const empty of cases([null, ""], 1)) {
  test(`optional members that are ${JSON.stringify(empty)} are absent: metadata, device answer, token answer`, async () => {
    const members = [
      ...["registration_endpoint", "revocation_endpoint", "scopes_supported", "response_types_supported"],
      ...["grant_types_supported", "token_endpoint_auth_methods_supported", "code_challenge_methods_supported"],
      ...["token_endpoint_auth_signing_alg_values_supported", "authorization_response_iss_parameter_supported"],
      "client_id_metadata_document_supported",
    ];
    provider.metadata = Object.fromEntries(members.map((name) => [name, empty]));
    provider.device = { verification_uri_complete: empty, interval: empty };
    const none = { refresh_token: empty, scope: empty, expires_in: empty, token_type: empty };
    provider.answer = (path) => (path === "/token" ? provider.tokens(none) : undefined);
    await loggedIn();
    expect(await storedLoginOf(person)).toMatchObject({ method: "oidc", accessToken: "at" });
    expect(await refreshTokenOf()).toBeUndefined();
  });
}

for (const members of cases(
  [
    { id_token: null },
    { id_token: "" },
    { id_token: 5 },
    { scope: null },
    { scope: 7 },
    { scope: ["openid"] },
    { expires_in: null },
    { expires_in: { seconds: 3 } },
    { token_type: undefined },
    { token_type: null },
    { token_type: "" },
  ],
  3,
)) {
  const what = "token_type" in members && !members.token_type ? `token_type ${members.token_type}` : undefined;
  test(`a refresh answer with ${what ?? JSON.stringify(members)} renews`, async () => {
    await loggedIn();
    onRefresh((spent) =>
      provider.tokens({
        ...members,
        access_token: `after ${spent}`.replace(" ", "-"),
        refresh_token: `r${Number(spent.slice(1)) + 1}`,
      }),
    );
    for (const next of ["r2", "r3"]) {
      await ageLogin(person);
      expect((await person.run(["token"])).code).toBe(0);
      expect(await refreshTokenOf()).toBe(next);
    }
    expect(provider.presented).toEqual(["r1", "r2"]);
  });
}

for (const [member, value] of cases(
  [
    ["refresh_token", null],
    ["refresh_token", ""],
    ["refresh_token", 5],
  ] as const,
  1,
)) {
  test(`a refresh answer with ${member} ${JSON.stringify(value)} keeps the refresh token`, async () => {
    await loggedIn();
    onRefresh(() => provider.tokens({ [member]: value, access_token: "next" }));
    await ageLogin(person);
    expect((await person.run(["token"])).out).toBe("next\n");
    expect(await refreshTokenOf()).toBe("r1");
  });
}

for (const rest of cases([
  { access_token: null },
  { access_token: "" },
  { access_token: 5 },
  { access_token: "a\r\nx: y" },
  { token_type: "DPoP" },
  { token_type: 5 },
])) {
  test(`a new refresh token beside ${JSON.stringify(rest)} is kept: the spent one is presented once`, async () => {
    await loggedIn();
    onRefresh((spent) =>
      spent === "r1" ? provider.tokens({ ...rest, refresh_token: "r2" }) : refusing("temporarily_unavailable"),
    );
    await ageLogin(person);
    for (const args of [["token"], ["models"], ["profile", "status"]]) await person.run(args);
    expect(provider.presented.filter((token) => token === "r1")).toEqual(["r1"]);
    expect(await refreshTokenOf()).toBe("r2");

    onRefresh((spent) => (spent === "r2" ? provider.tokens({ access_token: "new" }) : refusing("invalid_grant")));
    expect((await person.run(["token"])).out).toBe("new\n");
  });
}

const page = (status: number) => new Response("<html>no</html>", { status, headers: { "content-type": "text/html" } });

for (const [what, answer, ended] of cases(
  [
    ["invalid_grant", () => refusing("invalid_grant"), true],
    ["temporarily_unavailable", () => refusing("temporarily_unavailable"), false],
    ["503", () => page(503), false],
    ["400 without a body", () => new Response("", { status: 400 }), true],
    ["401 without a body", () => new Response("", { status: 401 }), true],
    ["400 with a page", () => page(400), true],
    ["401 with a page", () => page(401), true],
    ["400 without a code", () => Response.json({ message: "no" }, { status: 400 }), true],
    ["unauthorized_client", () => refusing("unauthorized_client"), true],
    ["invalid_client", () => refusing("invalid_client", 401), true],
    ["interaction_required", () => refusing("interaction_required"), true],
    ["server_error", () => refusing("server_error"), false],
    ["slow_down", () => refusing("slow_down"), false],
    ["429", () => refusing("invalid_grant", 429), false],
    ["a redirect", () => Response.redirect("https://example.com/", 302), false],
    ["403 of a firewall", () => page(403), false],
  ] as const,
  3,
)) {
  test(`a refresh that is answered ${what}: ${ended ? "the login is over" : "nobody knows, and that is said"}`, async () => {
    await loggedIn();
    onRefresh(() => answer());
    const { code, out, err } = await person.run(["profile", "refresh"]);
    expect([code, provider.presented.length > 0]).toEqual([ended ? 0 : 5, true]);
    expect(out).not.toContain("nothing to do");
    if (ended) expect(out).toContain("no longer renews it");
    const said = ended
      ? `warning: the identity provider ${provider.origin}`
      : `${provider.origin} cannot renew the login now`;
    expect(err).toContain(said);
    expect(await refreshTokenOf()).toBe("r1");
  });
}

test("a login without a refresh token: profile refresh says that it cannot be renewed", async () => {
  provider.answer = (path) => (path === "/token" ? provider.tokens({ refresh_token: null }) : undefined);
  await loggedIn();
  const { code, out } = await person.run(["profile", "refresh"]);
  expect([code, out]).toEqual([0, expect.stringContaining("no longer renews it")]);
});

for (const [args, prompts] of cases([
  [[], 1],
  [["--scope", "openid profile"], 0],
] as const)) {
  test(`no refresh token, asked for with ${JSON.stringify(args)}: the login says it ${prompts} times`, async () => {
    provider.answer = (path) => (path === "/token" ? provider.tokens({ refresh_token: null }) : undefined);
    const { code, err, out } = await provider.logIn(person, ...args, "--json").finished();
    expect([code, JSON.parse(out).renewable]).toEqual([0, false]);
    expect(err.match(/gave no refresh token/g) ?? []).toHaveLength(prompts);
    expect(err).not.toContain("warning:");
  });
}

test("with a refresh token, the login is renewable", async () => {
  const { err, out } = await provider.logIn(person, "--json").finished();
  expect([JSON.parse(out).renewable, err.includes("refresh token")]).toEqual([true, false]);
});

// --- device codes

test("a host that refuses the provider's token: names both, and what to check", async () => {
  provider.accepts = new Set();
  const { code, err } = await provider.logIn(person).finished();
  expect(code).toBe(4);
  const said = err.replace(/\s+/g, " ");
  expect(said).toContain(`${provider.origin} did not accept the token of ${provider.origin}, so nothing was stored`);
  expect(said).toContain("audience");
  expect(said).not.toContain("handed over");
});

for (const [error, hint] of cases([
  ["consent_required", "--prompt consent"],
  ["login_required", "--prompt login"],
  ["interaction_required", "--prompt login"],
  ["account_selection_required", "--prompt select_account"],
  ["invalid_scope", "--scope"],
] as const)) {
  test(`${error}: a hint that fits`, async () => {
    provider.answer = (path) => (path === "/token" ? refusing(error) : undefined);
    const { code, err } = await provider.logIn(person).finished();
    const hinted = err.slice(err.indexOf("hint: "));
    expect([code, hinted]).toEqual([4, expect.stringContaining(hint)]);
    expect(hinted).not.toContain("check --client-id");
  });
}

for (const path of cases(["/.well-known/openid-configuration", "/device", "/jwks"])) {
  for (const status of [503, 500, 429]) {
    test(`${status} at ${path}: the provider's trouble, not --issuer`, async () => {
      provider.answer = (asked) => (asked === path ? page(status) : undefined);
      const { code, err } = await provider.logIn(person).finished();
      expect(code).toBe(1);
      expect(err).toContain(String(status));
      expect(err).toContain("try again later");
      expect(err).not.toContain("--issuer");
    });
  }
}

test("404 at the metadata: check --issuer", async () => {
  provider.answer = (asked) => (asked.startsWith("/.well-known") ? page(404) : undefined);
  expect((await provider.logIn(person).finished()).err).toContain("hint: check --issuer");
});

test("an encrypted ID token is called that", async () => {
  provider.answer = (path) => {
    if (path !== "/token") return undefined;
    const header = Buffer.from('{"alg":"RSA-OAEP","enc":"A128GCM"}').toString("base64url");
    return provider.tokens({ id_token: `${header}.a.b.c.d` });
  };
  const { code, err } = await provider.logIn(person).finished();
  expect([code, err]).toEqual([4, expect.stringContaining("encrypted")]);
  expect(err.slice(err.indexOf("hint: "))).not.toContain("clock");
});
