import type { Secret } from "../core/secret.ts";
import type { ServerMetadata } from "./metadata.ts";
import type { ProofKey } from "./proof-key.ts";

/** How a client authenticates at the token endpoint (RFC 7591 section 2). */
export const authMethods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"] as const;
export type AuthMethod = (typeof authMethods)[number];

/** A client as an authorization server knows it. */
export interface Client {
  readonly id: string;
  readonly secret?: Secret;
  /** PKCS#8 PEM or JWK */
  readonly key?: Secret;
  /** an assertion that somebody else signed for us (RFC 7523 section 2.2), in place of one by our key */
  readonly assertion?: Secret;
  readonly method: AuthMethod;
  /** set when its tokens are bound to a key (RFC 9449) */
  readonly proofKey?: ProofKey;
  /** set when we registered this client ourselves (RFC 7591), for this one redirect */
  readonly registered?: {
    readonly redirectUri: string;
    /** when it ends, ms since the epoch: its secret, or the server no longer knows it; absent: never */
    readonly expiresAt?: number;
    /** where to remove the registration, and the bearer token for that (RFC 7592) */
    readonly management?: { readonly uri: string; readonly token: Secret };
  };
}

/** @returns the client with that key for proofs, or without any */
export function withProofKey({ proofKey: _, ...client }: Client, proofKey: ProofKey | undefined): Client {
  return proofKey ? { ...client, proofKey } : client;
}

/** @returns a public client: a native app cannot keep a secret (RFC 8252 section 8.4) */
export const publicClient = (id: string): Client => ({ id, method: "none" });

/**
 * @param secret the client's secret, if it has one
 * @param key the client's private key, if it has one
 * @param id the client's ID
 * @returns how to authenticate: with the key, else with the secret, else not at all; a secret goes into the header
 *   unless the server lists the body only, or lists the body and the header needs an encoding ({@link changesInHeader})
 */
export function authMethodFor(
  server: ServerMetadata,
  secret: Secret | undefined,
  key: Secret | undefined,
  id = "",
): AuthMethod {
  if (key) return "private_key_jwt";
  if (!secret) return "none";
  if (changesInHeader(server, id, secret)) return "client_secret_post";
  const supported = server.token_endpoint_auth_methods_supported;
  const basic = supported === undefined || supported.includes("client_secret_basic");
  return basic || !supported.includes("client_secret_post") ? "client_secret_basic" : "client_secret_post";
}

/** @returns a text as RFC 6749 section 2.3.1 wants it in the header */
export const formEncoded = (text: string): string => new URLSearchParams({ "": text }).toString().slice(1);

/**
 * @returns true when the header would hold another text than the ID or the secret, which some servers do not decode, and
 *   the server lists the body, which is read alike everywhere
 */
export function changesInHeader(server: ServerMetadata, id: string, secret: Secret): boolean {
  const isListed = server.token_endpoint_auth_methods_supported?.includes("client_secret_post") === true;
  return isListed && [id, secret.reveal()].some((text) => formEncoded(text) !== text);
}
