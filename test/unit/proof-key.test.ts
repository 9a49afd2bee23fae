import { expect, test } from "bun:test";
import { calculateJwkThumbprint, EmbeddedJWK, type JWK, jwtVerify } from "jose";
import { ProofKey } from "../../src/oauth/proof-key.ts";

const url = new URL("https://login.example.com/token?tenant=1#x");

test("a proof as RFC 9449 section 4.2 has it, verified by jose; the key outlives the vault", async () => {
  const key = ProofKey.generate();
  const again = ProofKey.of(key.stored().reveal());
  for (const one of [key, again]) {
    const proof = one?.proof("POST", url, "token") ?? "";
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: "dpop+jwt",
      algorithms: ["ES256"],
    });
    expect(payload).toMatchObject({ htm: "POST", htu: "https://login.example.com/token" });
    expect(payload.ath).toBe(new Bun.CryptoHasher("sha256").update("token").digest("base64url"));
    const jwk = protectedHeader.jwk as JWK;
    expect(Object.keys(jwk).sort()).toEqual(["crv", "kty", "x", "y"]);
    expect(await calculateJwkThumbprint(jwk)).toBe(key.thumbprint());
  }
});

test("no key out of what is none", () => {
  for (const text of ["", "{}", "null", '{"kty":"RSA"}', "x".repeat(1_000)]) expect(ProofKey.of(text)).toBeUndefined();
});

test("a nonce belongs to its origin, and to the token endpoint or the resource; odd ones are none", async () => {
  const key = ProofKey.generate();
  const nonceOf = async (at: URL, token?: string) =>
    (await jwtVerify(key.proof("GET", at, token), EmbeddedJWK)).payload.nonce;
  expect(key.heard(url, undefined, "a")).toBe(true);
  expect(key.heard(url, undefined, "a")).toBe(false);
  expect(await nonceOf(url)).toBe("a");
  expect(await nonceOf(url, "token")).toBeUndefined();
  expect(await nonceOf(new URL("https://example.com"))).toBeUndefined();
  for (const odd of [null, "", 'a"b', "a b", "a\nb", "ä", "x".repeat(1_025)])
    expect(key.heard(url, undefined, odd)).toBe(false);
  expect(await nonceOf(url)).toBe("a");
  for (let i = 0; i < 30; i++) key.heard(new URL(`https://h${i}.example.com`), undefined, "b");
  expect(await nonceOf(url)).toBeUndefined();
});
