import { argon2, randomBytes } from "node:crypto";
import { base64url } from "jose";
import { z } from "zod";
import type { Secret } from "../core/secret.ts";
import { vaultFailure } from "./failures.ts";

/**
 * How a key comes from a passphrase: Argon2id (RFC 9106) with its parameters. They are bounded, since they are read
 * before anything is proved: a file from elsewhere must not make us fill the memory.
 */
export const kdf = z.strictObject({
  name: z.literal("argon2id"),
  memoryKiB: z
    .number()
    .int()
    .min(19_456)
    .max(256 * 1024),
  passes: z.number().int().min(1).max(10),
  lanes: z.number().int().min(1).max(4),
  /** 16 bytes, base64url */
  salt: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
});
export type Kdf = z.infer<typeof kdf>;

/** Shortest new passphrase, in characters (OWASP ASVS 4.0, 2.1.1): the file it seals can be tried at leisure. */
const shortestNew = 12;

/**
 * Memory and passes of RFC 9106's second recommendation (section 4), above OWASP's least (19 MiB, 2 passes). One lane:
 * the runtime computes lanes one after the other, so more of them would help nobody but an attacker.
 *
 * @returns what a new passphrase is derived with, with a salt of its own
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
 * @param passphrase a new one, about to seal something
 * @throws usage error when it is too short
 */
export function requireLength(passphrase: Secret): void {
  if ([...passphrase.reveal()].length < shortestNew) throw vaultFailure.passphraseShort(shortestNew);
}

/**
 * Derives a key. It takes a tenth of a second or more, by design, beside the event loop.
 *
 * @param passphrase compared as people type it: in Unicode's form NFC (RFC 8265 section 4.2.2)
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
  return await new Promise((resolve, reject) => {
    argon2("argon2id", parameters, (error, key) => (error ? reject(error) : resolve(new Uint8Array(key))));
  });
}
