import { z } from "zod";

/** The session cookies of the front, by name: one set, always sent, replaced and deleted together. */
export const cookieSet = z.record(z.string(), z.string());
export type CookieSet = z.infer<typeof cookieSet>;

/** Name all session cookies of the front begin with (CodeMie fact 2.1, 2.4). */
const sessionPrefix = "_oauth2_proxy";

/** A cookie name is a token and a value is made of these octets (RFC 6265 section 4.1.1); others could end the header. */
const namePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const valuePattern = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/;

/**
 * @param name a cookie's name
 * @returns true for a part of the session: the prefix, and not a leftover of the front's own CSRF protection
 */
export function isSessionCookie(name: string): boolean {
  return name.startsWith(sessionPrefix) && !name.endsWith("_csrf");
}

/**
 * Takes the session cookies out of what a login handed over.
 *
 * @param given name → value, from outside
 * @returns the set (empty when there is none in it), or the name of a cookie that could break a header
 */
export function takeSessionCookies(given: Readonly<Record<string, string>>): { set: CookieSet } | { unsafe: string } {
  const set: CookieSet = {};
  for (const [name, value] of Object.entries(given)) {
    if (!isSessionCookie(name) || value === "") continue;
    if (!namePattern.test(name) || !valuePattern.test(value)) return { unsafe: name };
    set[name] = value;
  }
  return { set };
}

/** @returns the `Cookie` header's value (RFC 6265 section 4.2.1) */
export function cookieHeader(set: CookieSet): string {
  return Object.entries(set)
    .map(([name, value]) => `${name}=${value}`)
    .join("; ");
}

/**
 * When the front issued the session: the second part of the signed value `data|seconds|signature`, which a client can
 * read (CodeMie fact 2.4). A split session is joined first, since the cut may fall anywhere.
 *
 * @returns ms since the epoch, or undefined when it cannot be told
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
