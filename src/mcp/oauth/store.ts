import { join } from "node:path";
import * as z from "zod/mini";
import { hashOf } from "../../core/crypto.ts";
import { CodemieError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { Secret } from "../../core/secret.ts";
import { authMethods, type Client } from "../../oauth/client.ts";
import type { ProofKey } from "../../oauth/proof-key.ts";
import { namesIn, removeFile, replaceFile } from "../../platform/files.ts";
import { withLock } from "../../platform/lock.ts";
import { readOwn } from "../../platform/private.ts";
import type { Vault } from "../../vault/vault.ts";
import type { Grant } from "./grant.ts";

const record = z.object({
  accessToken: z.string(),
  refreshToken: z.optional(z.string()),
  expiresAt: z.optional(z.number()),
  scope: z.optional(z.string()),
  /** true: the access token is bound to the client's key */
  bound: z.optional(z.boolean()),
  client: z.object({
    id: z.string(),
    secret: z.optional(z.string()),
    /** a private JWK */
    proofKey: z.optional(z.string()),
    method: z.enum(authMethods),
    registered: z.optional(z.object({ redirectUri: z.string(), expiresAt: z.optional(z.number()) })),
  }),
});

/** The key of a stored login: all parts must match. */
export interface StoreKey {
  /** origin of the MCP server that gets its token, and no other server does */
  readonly server: string;
  readonly issuer: string;
  readonly resource: string;
  /** the client ID or metadata URL that the user named, else `registered` */
  readonly client: string;
}

const prefix = "mcp ";
const keyParts = z.union([
  z.tuple([z.string(), z.string(), z.string()]),
  z.tuple([z.string(), z.string(), z.string(), z.string()]),
]);
const originOf = (resource: string) => URL.parse(resource)?.origin ?? "";

/** A name without a server means the server at the resource's own origin. */
function nameOf({ issuer, resource, client, server }: StoreKey): string {
  const elsewhere = server === originOf(resource) ? [] : [server];
  return prefix + JSON.stringify([issuer, resource, client, ...elsewhere]);
}

/** @returns the key of the login that a record of the vault holds, by its name; undefined for any other record */
export function keyOfRecord(name: string): StoreKey | undefined {
  const parts = name.startsWith(prefix) ? parseJson(name.slice(prefix.length), keyParts) : undefined;
  if (!parts) return undefined;
  const [issuer, resource, client, server = originOf(resource)] = parts;
  return { issuer, resource, client, server };
}

/** Tells the servers apart in files that must not name them. */
const originMark = (origin: string) => hashOf("sha256", origin).toString("hex");

/** Logins to MCP servers that outlive the process: sealed in the vault, changed by one process at a time. */
export class GrantStore {
  readonly #vault: Vault;
  readonly #run: string;

  /** @param home base folder of all our files */
  constructor(vault: Vault, home: string) {
    this.#vault = vault;
    this.#run = join(home, "run");
  }

  /**
   * Runs `work` while no other process renews or replaces the same login. The other may be waiting for a person.
   *
   * @param patienceMs how long to wait for the other, ms
   * @returns what `work` returned
   * @throws `vault_locked` when the other keeps the lock for longer; as {@link withLock}
   */
  async exclusive<T>(key: StoreKey, patienceMs: number, work: () => Promise<T>): Promise<T> {
    return await withLock(this.#file(key, "lock"), `the login at ${key.issuer}`, work, patienceMs);
  }

  #file(key: StoreKey, kind: "lock" | "rest"): string {
    const id = hashOf("sha256", nameOf(key)).toString("hex").slice(0, 32);
    return join(this.#run, `mcp-${id}.${kind}`);
  }

  /** Stores, for all processes, until when no person is asked for this login again, ms since the epoch. */
  async rest(key: StoreKey, untilMs: number): Promise<void> {
    await replaceFile(this.#file(key, "rest"), `${untilMs} ${originMark(key.server)}\n`);
  }

  /** Ends that pause for all logins to the server. Never throws: it ends by itself. */
  async endRests({ origin }: URL): Promise<void> {
    const names = (await namesIn(this.#run).catch(() => [])).filter((name) => /^mcp-.*\.rest$/.test(name));
    for (const file of names.map((name) => join(this.#run, name))) {
      if (readOwn(file)?.includes(originMark(origin))) await removeFile(file).catch(() => undefined);
    }
  }

  /** @returns until when no person is asked for this login, ms since the epoch; 0 when none was stored */
  async restsUntil(key: StoreKey): Promise<number> {
    return Number(readOwn(this.#file(key, "rest"))?.split(" ")[0]) || 0;
  }

  /** @returns the keys of all stored logins, also of damaged ones */
  async keys(): Promise<StoreKey[]> {
    return (await this.#vault.records()).flatMap(({ name }) => keyOfRecord(name ?? "") ?? []);
  }

  /** Deletes a login. */
  async remove(key: StoreKey): Promise<void> {
    const name = nameOf(key);
    await this.#vault.locked(name, () => this.#vault.remove(name));
  }

  /** @returns the login, or undefined; a damaged one counts as none, and a new login replaces it */
  async read(key: StoreKey): Promise<{ grant: Grant; client: Client } | undefined> {
    try {
      const found = await this.#vault.read(nameOf(key), record);
      if (!found) return undefined;
      const { client, accessToken, refreshToken, expiresAt, scope, bound } = found;
      const proofKey = await keyIn(client.proofKey);
      if (client.proofKey !== undefined && !proofKey) return undefined;
      return {
        grant: {
          accessToken: new Secret(accessToken),
          ...(refreshToken === undefined ? {} : { refreshToken: new Secret(refreshToken) }),
          ...(expiresAt === undefined ? {} : { expiresAt }),
          ...(scope === undefined ? {} : { scope }),
          ...(bound && proofKey ? { proofKey } : {}),
        },
        client: {
          id: client.id,
          method: client.method,
          ...(proofKey ? { proofKey } : {}),
          ...(client.secret === undefined ? {} : { secret: new Secret(client.secret) }),
          ...(client.registered ? { registered: registered(client.registered) } : {}),
        },
      };
    } catch (error) {
      if (error instanceof CodemieError && error.code === "vault_damaged") return undefined;
      throw error;
    }
  }

  /** Stores a login, but no secret or key that the user gives on each start. */
  async write(key: StoreKey, grant: Grant, client: Client): Promise<void> {
    const name = nameOf(key);
    await this.#vault.locked(name, () =>
      this.#vault.write(name, {
        accessToken: grant.accessToken.reveal(),
        refreshToken: grant.refreshToken?.reveal(),
        expiresAt: grant.expiresAt,
        scope: grant.scope,
        bound: grant.proofKey ? true : undefined,
        client: {
          id: client.id,
          proofKey: client.proofKey?.stored().reveal(),
          method: client.method,
          secret: client.registered ? client.secret?.reveal() : undefined,
          registered: client.registered ? registered(client.registered) : undefined,
        },
      }),
    );
  }
}

async function keyIn(text: string | undefined): Promise<ProofKey | undefined> {
  if (text === undefined) return undefined;
  const { ProofKey } = await import("../../oauth/proof-key.ts");
  return ProofKey.of(text);
}

function registered({ redirectUri, expiresAt }: { redirectUri: string; expiresAt?: number | undefined }) {
  return { redirectUri, ...(expiresAt === undefined ? {} : { expiresAt }) };
}
