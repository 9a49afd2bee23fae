import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { hashOf } from "../core/crypto.ts";
import { Secret } from "../core/secret.ts";

/** The signature of our proofs (RFC 7518 section 3.4). */
const algorithm = "ES256";
/** Longest nonce that we send back, characters: it goes into a header of each request. */
const longestNonce = 1_024;
/** Of how many origins we remember the nonce. */
const mostNonces = 20;

/** A public key on P-256, with the members of its thumbprint in their order (RFC 7638 section 3.2). */
interface PublicJwk {
  readonly crv: string;
  readonly kty: "EC";
  readonly x: string;
  readonly y: string;
}

/** @returns true when a list of signing algorithms holds ours, and for no list */
export const takesOurProofs = (algorithms: readonly string[] | undefined): boolean =>
  algorithms === undefined || algorithms.includes(algorithm);

/**
 * A key that tokens are bound to (DPoP, RFC 9449): each request with such a token proves that its sender has the key, so a
 * token alone is worth nothing. It also remembers the nonces that servers want to see in the proofs.
 */
export class ProofKey {
  readonly #key: KeyObject;
  readonly #public: PublicJwk;
  readonly #nonces = new Map<string, string>();

  private constructor(key: KeyObject) {
    const { kty, crv, x = "", y = "" } = key.export({ format: "jwk" });
    if (kty !== "EC" || crv !== "P-256") throw new TypeError("not a key on P-256");
    this.#key = key;
    this.#public = { crv, kty, x, y };
  }

  /** @returns a new key */
  static generate(): ProofKey {
    return new ProofKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
  }

  /**
   * @param text what {@link ProofKey.stored} gave
   * @returns the key; undefined when the text is none
   */
  static of(text: string): ProofKey | undefined {
    try {
      return new ProofKey(createPrivateKey({ key: JSON.parse(text), format: "jwk" }));
    } catch {
      return undefined;
    }
  }

  /** The private key as a JWK, for the vault. */
  stored(): Secret {
    return new Secret(JSON.stringify(this.#key.export({ format: "jwk" })));
  }

  /** The key's thumbprint, base64url (RFC 7638): a code can be bound to it before there is a token (RFC 9449 section 10). */
  thumbprint(): string {
    return hashOf("sha256", JSON.stringify(this.#public)).toString("base64url");
  }

  /**
   * Makes the proof for one request (RFC 9449 section 4.2), with the newest nonce of its server.
   *
   * @param token the access token that the request carries; undefined at a token endpoint
   * @returns the value of the header `DPoP`
   */
  proof(method: string, url: URL, token: string | undefined): string {
    const nonce = this.#nonces.get(nonceKey(url, token));
    const claims = {
      jti: crypto.randomUUID(),
      htm: method,
      htu: url.origin + url.pathname,
      iat: Math.floor(Date.now() / 1000),
      ...(token === undefined ? {} : { ath: hashOf("sha256", token).toString("base64url") }),
      ...(nonce === undefined ? {} : { nonce }),
    };
    const encoded = [{ typ: "dpop+jwt", alg: algorithm, jwk: this.#public }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString("base64url"),
    );
    const signed = encoded.join(".");
    const signature = sign("sha256", Buffer.from(signed), { key: this.#key, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  }

  /**
   * Remembers the nonce of an answer (its header `DPoP-Nonce`, RFC 9449 section 8.2) for the next proofs.
   *
   * @param token the access token that the request carried: a server has other nonces at its token endpoint
   * @returns true when it is one that the request did not have, so that the request may be sent again
   */
  heard(url: URL, token: string | undefined, nonce: string | null): boolean {
    if (nonce === null || nonce.length > longestNonce || !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(nonce)) return false;
    const key = nonceKey(url, token);
    if (this.#nonces.get(key) === nonce) return false;
    this.#nonces.delete(key);
    this.#nonces.set(key, nonce);
    const [oldest] = this.#nonces.keys();
    if (this.#nonces.size > mostNonces && oldest !== undefined) this.#nonces.delete(oldest);
    return true;
  }
}

const nonceKey = ({ origin }: URL, token: string | undefined) => (token === undefined ? origin : `${origin} resource`);
