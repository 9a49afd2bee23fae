import { createPrivateKey, type KeyObject } from "node:crypto";
import type { CryptoKey } from "jose";
import { importJWK, importPKCS8 } from "jose";
import { oauthFailure } from "./failures.ts";

const curves: Readonly<Record<string, string>> = { "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" };

/**
 * Reads a private key for signing.
 *
 * @param text PKCS#8 PEM, or a private JWK
 * @param supported algorithms the server accepts; undefined if it does not list them
 * @returns the key, and the algorithm to sign with (RFC 7518 section 3.1)
 * @throws usage error when the text is not such a key, or the server does not accept its algorithm
 */
export async function readSigningKey(
  text: string,
  supported: readonly string[] | undefined,
): Promise<{ key: CryptoKey | Uint8Array; alg: string }> {
  let object: KeyObject;
  let named: string | undefined;
  const trimmed = text.trim();
  try {
    if (trimmed.startsWith("{")) {
      const jwk = JSON.parse(trimmed);
      named = typeof jwk.alg === "string" ? jwk.alg : undefined;
      object = createPrivateKey({ key: jwk, format: "jwk" });
    } else object = createPrivateKey(trimmed);
  } catch {
    throw oauthFailure.key("it is neither a PKCS#8 PEM nor a private JWK");
  }
  const possible = named ? [named] : algorithmsFor(object);
  const alg = possible.find((one) => supported === undefined || supported.includes(one));
  if (alg === undefined) throw oauthFailure.key(`the server takes ${supported?.join(", ")} only`);
  const key = trimmed.startsWith("{") ? await importJWK(JSON.parse(trimmed), alg) : await importPKCS8(trimmed, alg);
  return { key, alg };
}

function algorithmsFor(key: KeyObject): string[] {
  if (key.asymmetricKeyType === "rsa") return ["RS256", "PS256", "RS384", "PS384", "RS512", "PS512"];
  if (key.asymmetricKeyType === "ed25519") return ["EdDSA", "Ed25519"];
  const curve = key.export({ format: "jwk" }).crv;
  return curve && curves[curve] ? [curves[curve]] : [];
}
