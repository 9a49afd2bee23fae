import type { Secret } from "../core/secret.ts";
import type { ServerMetadata } from "./metadata.ts";

/** How a client proves who it is at the token endpoint (RFC 7591 section 2). */
export const authMethods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"] as const;
export type AuthMethod = (typeof authMethods)[number];

/** Who we are to an authorization server. */
export interface Client {
  readonly id: string;
  readonly secret?: Secret;
  /** PKCS#8 PEM or JWK */
  readonly key?: Secret;
  readonly method: AuthMethod;
  /** registered by us, and for which redirect */
  readonly registered?: {
    readonly redirectUri: string;
    /** ms since the epoch; absent: for ever */
    readonly expiresAt?: number;
    /** where the registration can be removed again, and the token for it (RFC 7592) */
    readonly management?: { readonly uri: string; readonly token: Secret };
  };
}

/** @returns a client without a secret, as programs on people's machines are (RFC 8252 section 8.4) */
export const publicClient = (id: string): Client => ({ id, method: "none" });

/** @returns how to prove who we are: by key over secret over nothing; a secret goes into the header unless the server only
 *   takes it in the body */
export function authMethodFor(server: ServerMetadata, secret: Secret | undefined, key: Secret | undefined): AuthMethod {
  if (key) return "private_key_jwt";
  if (!secret) return "none";
  const supported = server.token_endpoint_auth_methods_supported;
  const basic = supported === undefined || supported.includes("client_secret_basic");
  return basic || !supported.includes("client_secret_post") ? "client_secret_basic" : "client_secret_post";
}
