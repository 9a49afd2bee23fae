/*
 * Random bytes and hashes without `node:crypto`: loading that module takes as long as a third of a short command.
 */

/** @returns so many random bytes, fit for secrets */
export const randomBytes = (count: number): Buffer => crypto.getRandomValues(Buffer.alloc(count));

/** @returns the hash of a text, as UTF-8 (FIPS 180-4) */
export const hashOf = (algorithm: "sha256" | "sha384" | "sha512", text: string): Buffer =>
  new Bun.CryptoHasher(algorithm).update(text).digest();

/** @returns the keyed hash of a text, as UTF-8 (HMAC-SHA-256, RFC 2104) */
export const keyedHashOf = (key: Uint8Array, text: string): Buffer =>
  new Bun.CryptoHasher("sha256", key).update(text).digest();
