import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";

/** What signs a release, and how others know it. */
export interface ReleaseKey {
  readonly privateKey: KeyObject;
  /** the public key, 32 bytes in base64 */
  readonly publicKey: string;
}

/**
 * @param pem the variable CODEMIE_RELEASE_KEY: an Ed25519 key, PKCS#8 in PEM; nothing, or nothing in it, makes an unsigned release
 * @throws Error when it is something else; the message holds nothing of it
 */
export function releaseKey(pem: string | undefined): ReleaseKey | undefined {
  if (!pem?.trim()) return undefined;
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch {
    throw new Error("CODEMIE_RELEASE_KEY is not a private key in PEM");
  }
  if (privateKey.asymmetricKeyType !== "ed25519") throw new Error("CODEMIE_RELEASE_KEY is not an Ed25519 key");
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  return { privateKey, publicKey: Buffer.from(x, "base64url").toString("base64") };
}

/** @returns the raw signature, 64 bytes (RFC 8032, section 5.1.6) */
export const rawSignature = (message: Uint8Array, key: ReleaseKey): Buffer => sign(null, message, key.privateKey);

/** @returns the public key as the middle lines of a PEM file (RFC 8410, section 4), in one line */
export const pemBody = (key: ReleaseKey): string =>
  createPublicKey(key.privateKey).export({ format: "der", type: "spki" }).toString("base64");

/** A length, big endian in four bytes, and the bytes (RFC 4251, section 5: string). */
function sshString(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const publicBlob = (key: ReleaseKey) =>
  Buffer.concat([sshString("ssh-ed25519"), sshString(Buffer.from(key.publicKey, "base64"))]);

/** @returns the public key as SSH writes it: `ssh-ed25519 AAAA…` (RFC 8709, section 4) */
export const sshPublicKey = (key: ReleaseKey): string => `ssh-ed25519 ${publicBlob(key).toString("base64")}`;

/** What a signature is for: `ssh-keygen -Y sign -n file`. */
const namespace = "file";

/**
 * @returns a signature in the form of `ssh-keygen -Y sign` (OpenSSH, PROTOCOL.sshsig), armoured
 */
export function sshSignature(message: Uint8Array, key: ReleaseKey): string {
  const about = [sshString(namespace), sshString(""), sshString("sha512")];
  const hash = sshString(createHash("sha512").update(message).digest());
  const signature = rawSignature(Buffer.concat([Buffer.from("SSHSIG"), ...about, hash]), key);
  const formatVersion = Buffer.from([0, 0, 0, 1]);
  const blob = Buffer.concat([
    Buffer.from("SSHSIG"),
    formatVersion,
    sshString(publicBlob(key)),
    ...about,
    sshString(Buffer.concat([sshString("ssh-ed25519"), sshString(signature)])),
  ]);
  const lines = blob.toString("base64").match(/.{1,70}/g) ?? [];
  return ["-----BEGIN SSH SIGNATURE-----", ...lines, "-----END SSH SIGNATURE-----", ""].join("\n");
}
