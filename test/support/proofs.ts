import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from "jose";
import type { Seen } from "./sandbox/http.ts";

/**
 * A resource server's strict reader of proofs (RFC 9449 section 4.3). It demands a nonce, which changes with each request, and
 * takes those of the last few requests, which may be under way at once.
 */
export class ProofReader {
  /** every proof that it accepted, decoded */
  readonly accepted: Record<string, unknown>[] = [];
  #nonces = 0;

  /** Ends the nonce in use. @returns the next one, for the header `DPoP-Nonce` */
  nextNonce(): string {
    return `nonce-${++this.#nonces}`;
  }

  /**
   * @param url the address of the request, without its query
   * @param token the access token that it carries
   * @param jkt thumbprint of the key that the token is bound to
   * @returns the error code of RFC 9449 for a request that is not proved
   */
  async faultOf(seen: Seen, url: string, token: string, jkt: string): Promise<string | undefined> {
    try {
      const proof = String(seen.headers.dpop);
      const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, { typ: "dpop+jwt", maxTokenAge: 60 });
      const ath = new Bun.CryptoHasher("sha256").update(token).digest("base64url");
      const isRight = payload.htm === seen.method && payload.htu === url && payload.ath === ath;
      const isKey = (await calculateJwkThumbprint(protectedHeader.jwk ?? {})) === jkt;
      const isRepeated = this.accepted.some(({ jti }) => jti === payload.jti);
      if (!isRight || !isKey || isRepeated) return "invalid_dpop_proof";
      const age = this.#nonces - Number(/^nonce-(\d+)$/.exec(String(payload.nonce))?.[1] ?? Number.NaN);
      if (!(age >= 0 && age < 5)) return "use_dpop_nonce";
      this.accepted.push(payload);
      return undefined;
    } catch {
      return "invalid_dpop_proof";
    }
  }
}
