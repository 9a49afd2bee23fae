import { base64url } from "jose";
import * as z from "zod/mini";
import { randomBytes } from "../core/crypto.ts";
import type { Secret } from "../core/secret.ts";
import { vaultFailure } from "./failures.ts";

/**
 * The way from a passphrase to a key: Argon2id (RFC 9106) with its parameters. They are bounded, since we read them
 * before we can authenticate the file: a file from elsewhere must not make us fill the memory.
 */
export const kdf = z.strictObject({
  name: z.literal("argon2id"),
  memoryKiB: z.int().check(z.gte(19_456), z.lte(256 * 1024)),
  passes: z.int().check(z.gte(1), z.lte(10)),
  lanes: z.int().check(z.gte(1), z.lte(4)),
  /** 16 bytes, base64url */
  salt: z.string().check(z.regex(/^[A-Za-z0-9_-]{22}$/)),
});
export type Kdf = z.infer<typeof kdf>;

/** Shortest new passphrase, in characters (OWASP ASVS 4.0, 2.1.1): an attacker with the file can guess offline. */
export const shortestNew = 12;

/**
 * Memory and passes are RFC 9106's second recommendation (section 4), above OWASP's minimum (19 MiB, 2 passes). One
 * lane: the runtime computes lanes one after the other, so more of them would help only an attacker.
 *
 * @returns the parameters for a new passphrase, with a fresh salt
 */
export function freshKdf(): Kdf {
  return {
    name: "argon2id",
    memoryKiB: 64 * 1024,
    passes: 3,
    lanes: 1,
    salt: base64url.encode(new Uint8Array(randomBytes(16))),
  };
}

/**
 * @param passphrase a new one, before it seals anything
 * @throws usage error when it is too short
 */
export function requireLength(passphrase: Secret): void {
  if ([...passphrase.reveal()].length < shortestNew) throw vaultFailure.passphraseShort(shortestNew);
}

/**
 * Derives a key. By design it takes a tenth of a second or more; it does not block the event loop.
 *
 * @param passphrase normalized to NFC, so that it does not matter how it is typed (RFC 8265 section 4.2.2)
 * @returns 32 bytes
 */
export async function deriveKey(passphrase: Secret, { memoryKiB, passes, lanes, salt }: Kdf): Promise<Uint8Array> {
  const parameters = {
    message: Buffer.from(passphrase.reveal().normalize("NFC"), "utf8"),
    nonce: base64url.decode(salt),
    memory: memoryKiB,
    passes,
    parallelism: lanes,
    tagLength: 32,
  };
  const { argon2 } = await import("node:crypto");
  return await new Promise((resolve, reject) => {
    argon2("argon2id", parameters, (error, key) => (error ? reject(error) : resolve(new Uint8Array(key))));
  });
}
