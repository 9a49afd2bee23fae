import type { CookieJar } from "tough-cookie";

/** Cookies as RFC 6265 keeps them: by host, path, expiry and `Secure`. In memory only. */
export class Cookies {
  #jar: Promise<CookieJar> | undefined;

  /** @returns the `Cookie` header for an address, or undefined when there is none to send */
  async headerFor(url: string): Promise<string | undefined> {
    const jar = await this.#jar;
    return (await jar?.getCookieString(url)) || undefined;
  }

  /** Stores the cookies of an answer's `Set-Cookie` headers, and drops those that are not for its address. */
  async take(url: string, setCookies: readonly string[]): Promise<void> {
    if (setCookies.length === 0) return;
    // Load the library with the first cookie, which few servers send: its list of public suffixes is long.
    this.#jar ??= import("tough-cookie").then((library) => new library.CookieJar());
    const jar = await this.#jar;
    for (const cookie of setCookies) await jar.setCookie(cookie, url, { ignoreError: true });
  }
}
