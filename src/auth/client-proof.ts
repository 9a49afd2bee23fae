import { Secret } from "../core/secret.ts";
import { authMethodFor, type Client, publicClient } from "../oauth/client.ts";
import type { ServerMetadata } from "../oauth/metadata.ts";
import { readNamedText } from "../platform/foreign-files.ts";
import { requireAbsolute } from "../platform/places.ts";
import type { Runtime } from "../platform/runtime.ts";
import { authFailure } from "./failures.ts";

/**
 * How our client proves itself at a provider (RFC 6749 section 2.3): where its secret or its private key is, and, where the
 * user wants it sealed with the login, the secret or key itself. None of them: a public client.
 */
export interface ClientProof {
  /** the variable that holds the secret */
  readonly clientSecretEnv?: string | undefined;
  /** absolute path of the private key: PKCS#8 PEM, or JWK */
  readonly clientKeyFile?: string | undefined;
  /** in the vault only */
  readonly clientSecret?: string | undefined;
  /** in the vault only */
  readonly clientKey?: string | undefined;
}

/** Longest private key that we read, bytes. */
export const longestKey = 65_536;

/** @returns the members that say where the proof is, fit for a configuration file */
export function proofPlace({ clientSecretEnv, clientKeyFile }: ClientProof): ClientProof {
  return { ...(clientSecretEnv ? { clientSecretEnv } : {}), ...(clientKeyFile ? { clientKeyFile } : {}) };
}

/** @returns the members that are set, the secret ones too: fit for the vault */
export function proofIn({ clientSecret, clientKey, ...place }: ClientProof): ClientProof {
  return { ...proofPlace(place), ...(clientSecret ? { clientSecret } : {}), ...(clientKey ? { clientKey } : {}) };
}

/**
 * @returns the proof with the secret or key itself, to be sealed with the login
 * @throws as {@link clientAt}
 */
export async function sealable(proof: ClientProof, runtime: Runtime): Promise<ClientProof> {
  const { secret, key } = await read(proof, runtime);
  return { ...proof, ...(secret ? { clientSecret: secret } : {}), ...(key ? { clientKey: key } : {}) };
}

/**
 * @param server the provider, which says how a client may prove itself
 * @returns our client there
 * @throws `auth_needed` when its secret or key is no longer where it was; `vault_unreadable` when the file cannot be read;
 *   usage error for a relative path, which would mean the current folder
 */
export async function clientAt(
  server: ServerMetadata,
  { clientId, ...proof }: ClientProof & { readonly clientId: string },
  runtime: Runtime,
): Promise<Client> {
  if (Object.values(proofIn(proof)).length === 0) return publicClient(clientId);
  const found = await read(proof, runtime);
  const secret = found.secret === undefined ? undefined : new Secret(found.secret);
  const key = found.key === undefined ? undefined : new Secret(found.key);
  const method = authMethodFor(server, secret, key, clientId);
  return { id: clientId, method, ...(secret ? { secret } : {}), ...(key ? { key } : {}) };
}

/** Reads the secret or key where it is, which may be a newer one, else takes the sealed one. */
async function read(proof: ClientProof, { env }: Runtime): Promise<{ secret?: string; key?: string }> {
  const { clientSecretEnv: name, clientKeyFile: file } = proof;
  const secret = (name && env[name]) || proof.clientSecret;
  if (secret) return { secret };
  const path = file && requireAbsolute("oidc.clientKeyFile", file);
  const key = (path && (await readNamedText(path, longestKey))) || proof.clientKey;
  if (key) return { key };
  throw authFailure.clientProofMissing(name ? `the variable ${name}` : `the file ${file}`);
}
