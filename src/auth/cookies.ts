import * as z from "zod/mini";

/** The session cookies of oauth2-proxy ("the front"), by name: one set, sent, replaced and deleted as a whole. */
export const cookieSet = z.record(z.string(), z.string());
export type CookieSet = z.infer<typeof cookieSet>;

/** Prefix of the names of all session cookies of the front (CodeMie fact 2.1, 2.4). */
const sessionPrefix = "_oauth2_proxy";

/**
 * Most parts of a session, and its longest header, characters: browsers keep 4 KB of each cookie, and servers take no longer
 * headers.
 */
const mostParts = 64;
const longestHeader = 131_072;

const isTooLarge = (set: CookieSet) => Object.keys(set).length > mostParts || cookieHeader(set).length > longestHeader;

/** Allowed characters of a cookie's name and value (RFC 6265 section 4.1.1); any other could end the header. */
const namePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const valuePattern = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;

/**
 * @param name a cookie's name
 * @returns true for a session cookie; false for the front's CSRF cookie, which has the same prefix
 */
export function isSessionCookie(name: string): boolean {
  return name.startsWith(sessionPrefix) && !name.endsWith("_csrf");
}

/**
 * Picks the session cookies out of the cookies that a login handed over.
 *
 * @param given name → value, from outside
 * @returns the set (empty when there are none), or the name of a session cookie that could break a header, or makes it too long
 */
export function takeSessionCookies(given: Readonly<Record<string, string>>): { set: CookieSet } | { unsafe: string } {
  const set: CookieSet = {};
  for (const [name, value] of Object.entries(given)) {
    if (!isSessionCookie(name) || value === "") continue;
    if (!namePattern.test(name) || !valuePattern.test(value)) return { unsafe: name };
    set[name] = value;
    if (isTooLarge(set)) return { unsafe: name };
  }
  return { set };
}

/** @returns the `Cookie` header's value (RFC 6265 section 4.2.1) */
export function cookieHeader(set: CookieSet): string {
  return Object.entries(set)
    .map(([name, value]) => `${name}=${value}`)
    .join("; ");
}

/** The effect of an answer's `Set-Cookie` headers on a session. */
export type CookieChange =
  | { readonly kind: "none" }
  | { readonly kind: "replaced"; readonly set: CookieSet }
  /** some parts of a split session arrived without the others: ask the front for all of them */
  | { readonly kind: "incomplete" }
  /** every part was deleted: logged out */
  | { readonly kind: "ended" };

/**
 * Applies `Set-Cookie` headers to a session (CodeMie fact 2.4). A session is replaced as a set: new parts remove an old
 * unsplit cookie and old parts with higher numbers; a new unsplit cookie removes all parts. The front would still
 * accept any that are left.
 *
 * @param set the session as it was sent
 * @param setCookies the answer's `Set-Cookie` headers; one may hold several cookies, joined with commas
 * @param nowMs now, ms since the epoch
 * @returns the effect; `none` also when the new cookies equal the old ones, or are too many or too long for a session
 */
export function applySetCookies(set: CookieSet, setCookies: readonly string[], nowMs: number): CookieChange {
  const fresh: CookieSet = {};
  const left: CookieSet = { ...set };
  let touched = false;
  for (const cookie of setCookies.flatMap(splitJoined)) {
    const { name, value, deleted } = readSetCookie(cookie, nowMs);
    if (!isSessionCookie(name) || !namePattern.test(name) || !valuePattern.test(value)) continue;
    touched = true;
    if (deleted) delete left[name];
    else fresh[name] = value;
    if (Object.keys(fresh).length > mostParts) return { kind: "none" };
  }
  if (!touched) return { kind: "none" };
  if (Object.keys(fresh).length === 0) {
    if (Object.keys(left).length === 0) return { kind: "ended" };
    return Object.keys(left).length === Object.keys(set).length ? { kind: "none" } : { kind: "replaced", set: left };
  }
  if (!isWhole(fresh, set)) return { kind: "incomplete" };
  const replaced = new Set(Object.keys(fresh).map(baseOf));
  for (const name of Object.keys(left)) if (replaced.has(baseOf(name))) delete left[name];
  const next = { ...left, ...fresh };
  return sameSet(set, next) || isTooLarge(next) ? { kind: "none" } : { kind: "replaced", set: next };
}

/**
 * True when the new parts are numbered from 0 without a gap and, if the old session had a readable issue time (near the
 * end of the value), the new one has it too.
 */
function isWhole(fresh: CookieSet, before: CookieSet): boolean {
  const numbers = Object.keys(fresh)
    .filter((name) => baseOf(name) !== name)
    .map(chunkNumber)
    .sort((a, b) => a - b);
  if (numbers.some((number, i) => number !== i)) return false;
  return sessionIssuedAt(fresh) !== undefined || sessionIssuedAt(before) === undefined;
}

/** @returns true when both sets hold the same cookies */
export function sameSet(a: CookieSet, b: CookieSet): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** `_oauth2_proxy_3` is a part of `_oauth2_proxy`. */
const baseOf = (name: string) => name.replace(/_\d+$/, "");

/** Splits at commas that a name and `=` follow, which keeps the comma of a date. */
const splitJoined = (header: string) => header.split(/,\s*(?=[!#$%&'*+\-.^_`|~0-9A-Za-z]+=)/);

/** Reads name and value, and whether the header deletes the cookie (RFC 6265 section 5.2). */
function readSetCookie(header: string, nowMs: number): { name: string; value: string; deleted: boolean } {
  const [pair = "", ...attributes] = header.split(";");
  const at = pair.indexOf("=");
  const name = pair.slice(0, Math.max(at, 0)).trim();
  const value = pair.slice(at + 1).trim();
  let expires: number | undefined;
  let maxAge: number | undefined;
  for (const attribute of attributes) {
    const [key = "", text = ""] = attribute.split(/=(.*)/s).map((part) => part.trim());
    if (key.toLowerCase() === "max-age" && /^-?\d+$/.test(text)) maxAge = Number(text);
    if (key.toLowerCase() === "expires") expires = Date.parse(text);
  }
  // Max-Age wins over Expires (RFC 6265 section 5.3).
  const over = maxAge === undefined ? expires !== undefined && expires <= nowMs : maxAge <= 0;
  return { name, value, deleted: value === "" || over };
}

/**
 * Reads when the front issued the session: the second part of the signed value `data|seconds|signature` (CodeMie fact
 * 2.4). A split session is joined first, since the split may be anywhere.
 *
 * @returns ms since the epoch; undefined when the value has another form
 */
export function sessionIssuedAt(set: CookieSet): number | undefined {
  const whole =
    set[sessionPrefix] ??
    Object.keys(set)
      .filter((name) => /_\d+$/.test(name))
      .sort((a, b) => chunkNumber(a) - chunkNumber(b))
      .map((name) => set[name])
      .join("");
  const seconds = /^[^|]*\|(\d{9,11})\|[^|]*$/.exec(whole)?.[1];
  return seconds ? Number(seconds) * 1000 : undefined;
}

const chunkNumber = (name: string) => Number(/_(\d+)$/.exec(name)?.[1] ?? 0);
