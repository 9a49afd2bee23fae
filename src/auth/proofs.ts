import type { HeaderRecord } from "../http1/message.ts";
import type { ProofKey } from "../oauth/proof-key.ts";
import type { Fetch } from "../platform/network.ts";

/** Key in use, by its stored text. It remembers the host's nonce when the token it is for is renewed. */
let inUse: { readonly stored: string; readonly key: Promise<ProofKey | undefined> } | undefined;

/**
 * @param stored a key as the vault holds it
 * @returns the key; undefined when the text is none
 */
export async function proofKeyOf(stored: string): Promise<ProofKey | undefined> {
  if (inUse?.stored !== stored) {
    // Loaded here: most logins have no such key.
    inUse = { stored, key: import("../oauth/proof-key.ts").then(({ ProofKey }) => ProofKey.of(stored)) };
  }
  return await inUse.key;
}

/** Proves with each request to the host that its sender has the key that the access token is bound to (RFC 9449 section 7). */
export class Proofs {
  readonly #stored: string;
  readonly #token: string;

  /**
   * @param stored the key as the vault holds it
   * @param token the access token
   */
  constructor(stored: string, token: string) {
    this.#stored = stored;
    this.#token = token;
  }

  /** @returns the value of the header `DPoP` of one request; a host takes each once */
  async proof(method: string, url: string): Promise<string> {
    const key = await proofKeyOf(this.#stored);
    // Without its key the token is worth nothing, so the host refuses the request.
    return key?.proof(method, new URL(url), this.#token) ?? "";
  }

  /**
   * Remembers the nonce of an answer (RFC 9449 sections 8.2 and 9).
   *
   * @param headers of the answer, by lower-case name
   * @returns true when the host refused the request for want of that nonce alone, so that it may be sent again
   */
  async heard(url: string, status: number, headers: HeaderRecord): Promise<boolean> {
    const nonce = headers["dpop-nonce"];
    if (nonce === undefined) return false;
    const isNew = (await proofKeyOf(this.#stored))?.heard(new URL(url), this.#token, nonce) === true;
    return isNew && status === 401 && /\berror="?use_dpop_nonce\b/.test(headers["www-authenticate"] ?? "");
  }
}

/** @returns a fetch that proves each request, and sends it once more where the host wants a nonce; without proofs, the same fetch */
export function provingFetch(fetch: Fetch, proofs: Proofs | undefined): Fetch {
  if (!proofs) return fetch;
  return async (url, options = {}) => {
    const send = async () => {
      const headers = new Headers(options.headers);
      headers.set("dpop", await proofs.proof(options.method ?? "GET", url));
      const answer = await fetch(url, { ...options, headers });
      return { answer, again: await proofs.heard(url, answer.status, answer.headers.toJSON() as HeaderRecord) };
    };
    const { answer, again } = await send();
    if (!again) return answer;
    await answer.body?.cancel();
    return (await send()).answer;
  };
}
