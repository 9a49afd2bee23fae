import { expect, test } from "bun:test";
import {
  applySetCookies,
  cookieHeader,
  isSessionCookie,
  sessionIssuedAt,
  takeSessionCookies,
} from "../../src/auth/cookies.ts";
import { expiryOf } from "../../src/auth/credential.ts";
import { readHandoff } from "../../src/auth/login/handoff.ts";
import { readPastedUrl } from "../../src/auth/login/pasted-callback.ts";

const seconds = 1_795_000_000;
const value = `${"a".repeat(50)}|${seconds}|${"b".repeat(43)}`;

test("only the session's cookies are the session's", () => {
  expect(["_oauth2_proxy", "_oauth2_proxy_0", "_oauth2_proxy_17", "_oauth2_proxy_team"].every(isSessionCookie)).toBe(
    true,
  );
  for (const name of ["_oauth2_proxy_csrf", "_oauth2_proxy_ab12_csrf", "oauth2_proxy", "codemie_access_token", ""]) {
    expect(isSessionCookie(name)).toBe(false);
  }
  expect(takeSessionCookies({ _oauth2_proxy: "" })).toEqual({ set: {} });
  expect(cookieHeader({ _oauth2_proxy_0: "a", _oauth2_proxy_1: "b" })).toBe("_oauth2_proxy_0=a; _oauth2_proxy_1=b");
});

test("the issue time is read from a whole and from a split session, in the order of the numbers", () => {
  expect(sessionIssuedAt({ _oauth2_proxy: value })).toBe(seconds * 1000);
  const parts = Object.fromEntries(
    Array.from({ length: 12 }, (_, i) => [
      `_oauth2_proxy_${i}`,
      value.slice(i * 10, i === 11 ? undefined : i * 10 + 10),
    ]),
  );
  expect(sessionIssuedAt(Object.fromEntries(Object.entries(parts).reverse()))).toBe(seconds * 1000);
  const identity = { id: "1", name: "Ada", email: "" };
  const login = (cookie: string) =>
    ({ method: "sso", origin: "https://h", identity, loggedInAt: 1, cookies: { _oauth2_proxy: cookie } }) as const;
  expect(expiryOf(login(value))).toEqual({ at: (seconds + 168 * 3600) * 1000, from: "estimate" });
  for (const odd of ["", "opaque", "a|b|c", `a|${seconds}`]) {
    expect(expiryOf(login(odd))).toEqual({ at: null, from: null });
  }
});

test("the hand-off's token is read in every spelling of base64, and nothing else is", () => {
  const payload = { provider: "keycloak", cookies: { _oauth2_proxy: "~~~???>>>" } };
  const bytes = Buffer.from(JSON.stringify(payload));
  const read = (token: string) => readHandoff(new URL(`http://localhost:1/auth?token=${token}`));
  const base64 = bytes.toString("base64");
  expect(base64).toMatch(/[+/]/);
  for (const token of [base64, bytes.toString("base64url"), base64.replace(/=+$/, ""), encodeURIComponent(base64)]) {
    expect(read(token)).toEqual(payload);
  }
  for (const token of [
    "",
    "%00",
    "e30",
    btoa("[]"),
    btoa("null"),
    btoa('{"provider":1}'),
    btoa("{"),
    "a".repeat(200),
  ]) {
    expect(read(token)).toBeUndefined();
  }
});

test("a pasted address counts only if it is this login's, and whatever is wrong is said without it", () => {
  const redirect = new URL("http://localhost:4711/auth");
  const right = "http://localhost:4711/auth?token=x";
  const wrapped = [" URL\n", '"URL"', "'URL'", "<URL>", '"<URL>"', " < URL > ", "`URL`", "“URL”", "\ufeffURL"];
  for (const around of wrapped) {
    expect(readPastedUrl(around.replace("URL", right), redirect)).toEqual(new URL(right));
  }
  for (const name of ["127.0.0.1", "[::1]"]) {
    expect(readPastedUrl(right.replace("localhost", name), redirect)).toBeInstanceOf(URL);
  }
  for (const [pasted, fault] of [
    ["", "it is no address"],
    ["token=secret", "it is no address"],
    ["http://localhost:1/auth?token=secret", "its port is 1, and this login's is 4711"],
    ["http://localhost/auth?token=secret", "its port is 80, and this login's is 4711"],
    ["https://localhost:4711/auth?token=secret", "the right one begins with http://localhost:4711/auth?"],
    ["http://h:4711/auth?token=secret", "the right one begins with http://localhost:4711/auth?"],
    ["http://localhost:4711/start/x", "the right one begins with http://localhost:4711/auth?"],
  ] as const) {
    expect(readPastedUrl(pasted, redirect)).toBe(fault);
  }
});

const now = 1_795_000_100_000;
const whole = (text: string) => `${text}|${seconds}|sig`;
const old = { _oauth2_proxy_0: "a", _oauth2_proxy_1: `b|${seconds}|s` };
const changes: [string, Record<string, string>, string[], ReturnType<typeof applySetCookies>][] = [
  ["nothing", old, [], { kind: "none" }],
  ["other cookies only", old, ["x=1", "_oauth2_proxy_csrf=1"], { kind: "none" }],
  ["the same again", old, ["_oauth2_proxy_0=a", `_oauth2_proxy_1=b|${seconds}|s`], { kind: "none" }],
  [
    "parts → whole",
    old,
    [`_oauth2_proxy=${whole("n")}; Path=/`],
    { kind: "replaced", set: { _oauth2_proxy: whole("n") } },
  ],
  [
    "whole → parts",
    { _oauth2_proxy: whole("o") },
    ["_oauth2_proxy_0=n", `_oauth2_proxy_1=m|${seconds}|s`],
    { kind: "replaced", set: { _oauth2_proxy_0: "n", _oauth2_proxy_1: `m|${seconds}|s` } },
  ],
  [
    "three parts → two",
    { ...old, _oauth2_proxy_2: "c" },
    ["_oauth2_proxy_0=n", `_oauth2_proxy_1=m|${seconds}|s`],
    { kind: "replaced", set: { _oauth2_proxy_0: "n", _oauth2_proxy_1: `m|${seconds}|s` } },
  ],
  ["the first part alone", old, ["_oauth2_proxy_0=n"], { kind: "incomplete" }],
  ["the last part alone", old, [`_oauth2_proxy_1=m|${seconds}|s`], { kind: "incomplete" }],
  ["a gap", old, ["_oauth2_proxy_0=n", `_oauth2_proxy_2=m|${seconds}|s`], { kind: "incomplete" }],
  [
    "two joined with a comma, a date in between",
    old,
    [`_oauth2_proxy_0=n; Expires=Wed, 21 Oct 2099 07:28:00 GMT, _oauth2_proxy_1=m|${seconds}|s; Path=/`],
    { kind: "replaced", set: { _oauth2_proxy_0: "n", _oauth2_proxy_1: `m|${seconds}|s` } },
  ],
  ["all deleted by Max-Age", old, ["_oauth2_proxy_0=; Max-Age=0", "_oauth2_proxy_1=x; max-age=-1"], { kind: "ended" }],
  [
    "all deleted by a past date",
    old,
    ["_oauth2_proxy_0=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "_oauth2_proxy_1="],
    { kind: "ended" },
  ],
  [
    "Max-Age wins over Expires",
    { _oauth2_proxy: whole("o") },
    [`_oauth2_proxy=${whole("n")}; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60`],
    { kind: "replaced", set: { _oauth2_proxy: whole("n") } },
  ],
  [
    "old parts deleted together with a new whole",
    old,
    [`_oauth2_proxy=${whole("n")}`, "_oauth2_proxy_0=; Max-Age=0", "_oauth2_proxy_1=; Max-Age=0"],
    { kind: "replaced", set: { _oauth2_proxy: whole("n") } },
  ],
  ["a value that could break a header", old, ['_oauth2_proxy="n'], { kind: "none" }],
];
for (const [what, before, setCookies, expected] of changes) {
  test(`Set-Cookie: ${what}`, () => {
    expect(applySetCookies(before, setCookies, now)).toEqual(expected);
  });
}
