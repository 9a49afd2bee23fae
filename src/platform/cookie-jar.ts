import type { CookieJar } from "tough-cookie";

/** The longest `Set-Cookie` that is stored, characters (RFC 6265 section 6.1), and the most cookies: twice as browsers have. */
const longestCookie = 4_096;
const mostCookies = 360;

/** Cookies as RFC 6265 keeps them: by host, path, expiry and `Secure`. In memory only. */
export class Cookies {
  #jar: Promise<CookieJar> | undefined;

  /** @returns the `Cookie` header for an address, or undefined when there is none to send */
  async headerFor(url: string): Promise<string | undefined> {
    const jar = await this.#jar;
    return (await jar?.getCookieString(url)) || undefined;
  }

  /**
   * Stores the cookies of an answer's `Set-Cookie` headers, and drops those that are not for its address, and very long
   * ones. A server that sets new ones without end loses them all.
   */
  async take(url: string, setCookies: readonly string[]): Promise<void> {
    if (setCookies.length === 0) return;
    // Load the library with the first cookie, which few servers send: its list of public suffixes is long.
    this.#jar ??= import("tough-cookie").then((library) => new library.CookieJar());
    const jar = await this.#jar;
    const fitting = setCookies.filter(({ length }) => length <= longestCookie);
    for (const cookie of fitting) await jar.setCookie(cookie, url, { ignoreError: true });
    if ((await jar.store.getAllCookies()).length > mostCookies) await jar.removeAllCookies();
  }
}
