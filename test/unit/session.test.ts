import { expect, test } from "bun:test";
import { cookieHeader, isSessionCookie, sessionIssuedAt, takeSessionCookies } from "../../src/auth/cookies.ts";
import { sessionExpiry } from "../../src/auth/credential.ts";
import { readHandoff, readPastedUrl } from "../../src/auth/handoff.ts";

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
  expect(sessionExpiry({ _oauth2_proxy: value })).toEqual({ at: (seconds + 168 * 3600) * 1000, from: "estimate" });
  for (const odd of ["", "opaque", "a|b|c", `a|${seconds}`]) {
    expect(sessionExpiry({ _oauth2_proxy: odd })).toEqual({ at: null, from: null });
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

test("a pasted address counts only if it is this login's", () => {
  expect(readPastedUrl(" http://localhost:4711/auth?token=x\n", 4711)?.href).toBe("http://localhost:4711/auth?token=x");
  for (const pasted of [
    "",
    "token",
    "http://localhost:1/auth?token=x",
    "https://localhost:4711/auth",
    "http://h:4711/auth",
  ]) {
    expect(readPastedUrl(pasted, 4711)).toBeUndefined();
  }
});
