import { base64url, FlattenedEncrypt, flattenedDecrypt } from "jose";
import * as z from "zod/mini";
import { parseJson } from "../core/json.ts";
import { type Kdf, kdf } from "./kdf.ts";

/** A sealed text on disk: a flattened JWE (RFC 7516 section 7.2.2) with direct encryption, so without a wrapped key. */
const jwe = z.strictObject({
  ciphertext: z.string(),
  iv: z.string(),
  tag: z.string(),
  aad: z.string(),
  protected: z.string(),
});

/** The readable header of a sealed text, authenticated with it. `kdf` is our own member (RFC 7516 section 4.3). */
const header = z.strictObject({ alg: z.literal("dir"), enc: z.literal("A256GCM"), kdf: z.optional(kdf) });

/** The label of a sealed text, readable without the key. None of it is proved until the text opens. */
export interface Label {
  /** the name that it is bound to */
  readonly name: string;
  /** how its key is derived from a passphrase, if it is; `unknown` for a way that this version does not know */
  readonly kdf: Kdf | undefined | "unknown";
}

/**
 * The reason why a sealed text did not open: it is not in our form, it is bound to another name, or the key does not
 * fit (a wrong key cannot be told from an altered ciphertext).
 */
export type OpenFailure = "malformed" | "other-name" | "not-opened";

/**
 * Seals bytes with A256GCM (RFC 7518 section 5.3), bound to a name: under another name they do not open.
 *
 * @param plain the bytes to seal
 * @param key 32 bytes
 * @param name bound as additional authenticated data, readable in the result
 * @param kdf how the key is derived from a passphrase, if it is; kept in the header
 * @returns one line of JSON
 */
export async function seal(plain: Uint8Array, key: Uint8Array, name: string, kdf?: Kdf): Promise<string> {
  const sealed = await new FlattenedEncrypt(plain)
    .setProtectedHeader({ alg: "dir", enc: "A256GCM", ...(kdf && { kdf }) })
    .setAdditionalAuthenticatedData(new TextEncoder().encode(name))
    .encrypt(key);
  return serialize(jwe.parse(sealed));
}

/**
 * Opens a text made by {@link seal}.
 *
 * @param text the file's content
 * @param key 32 bytes
 * @param name the name it must be bound to
 * @returns the bytes, or why it does not open
 */
export async function unseal(
  text: string,
  key: Uint8Array,
  name: string,
): Promise<{ plain: Uint8Array } | { failed: OpenFailure }> {
  const sealed = parse(text);
  if (!sealed) return { failed: "malformed" };
  if (sealed.aad !== base64url.encode(name)) return { failed: "other-name" };
  try {
    const { plaintext } = await flattenedDecrypt(sealed, key, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
    });
    return { plain: plaintext };
  } catch {
    return { failed: "not-opened" };
  }
}

/** @returns the label of a sealed text, or undefined when it is not in our form */
export function labelOf(text: string): Label | undefined {
  const sealed = parse(text);
  if (!sealed) return undefined;
  const known = parseJson(decodeText(sealed.protected), header);
  return { name: decodeText(sealed.aad), kdf: known ? known.kdf : "unknown" };
}

const decodeText = (value: string) => new TextDecoder().decode(base64url.decode(value));

/**
 * Accepts only the one spelling that we write, so that no byte of a file can change unnoticed: base64url has unused
 * bits, and JSON has many spellings.
 */
function parse(text: string): z.infer<typeof jwe> | undefined {
  const sealed = parseJson(text, jwe);
  return sealed && serialize(sealed) === text ? sealed : undefined;
}

/** The one spelling: members in this order, every value in canonical base64url, a line feed at the end. */
function serialize(sealed: z.infer<typeof jwe>): string {
  const canonical = (value: string) => {
    try {
      return base64url.encode(base64url.decode(value));
    } catch {
      return "";
    }
  };
  return `${JSON.stringify({
    protected: canonical(sealed.protected),
    aad: canonical(sealed.aad),
    iv: canonical(sealed.iv),
    ciphertext: canonical(sealed.ciphertext),
    tag: canonical(sealed.tag),
  })}\n`;
}
