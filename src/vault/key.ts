import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { base64url } from "jose";
import { failure } from "../core/errors.ts";
import { ensureFolder, readIfPresent, removeLeftovers, replaceFile } from "../platform/files.ts";
import { withLock } from "../platform/lock.ts";
import { seal, unseal } from "./seal.ts";

/** Where the vault's parts lie. The master key is outside the vault's folder: a copy of one is not a copy of both. */
export interface VaultFiles {
  readonly folder: string;
  readonly masterKey: string;
  readonly dataKey: string;
  /** lock files */
  readonly run: string;
}

/**
 * @param home base folder of all our files
 * @param env `CODEMIE_VAULT_KEY_FILE` puts the key file elsewhere
 */
export function vaultFiles(home: string, env: Readonly<Record<string, string | undefined>>): VaultFiles {
  const folder = join(home, "vault");
  return {
    folder,
    masterKey: env.CODEMIE_VAULT_KEY_FILE || join(home, "vault.key"),
    dataKey: join(folder, "data-key.json"),
    run: join(home, "run"),
  };
}

/** What the wrapped data key is bound to. */
const dataKeyName = "codemie vault 1 data key";
const keyBytes = 32;

/**
 * Opens the data key, which seals every record. It lies in the vault wrapped by the master key, so that a new master
 * key rewrites this one file and no record.
 *
 * @returns 32 bytes, or undefined when there is no vault yet
 * @throws `vault_key` when the master key is missing, malformed or another vault's; `vault_damaged`;
 *   `vault_unreadable`
 */
export async function openDataKey(files: VaultFiles): Promise<Uint8Array | undefined> {
  const wrapped = await readIfPresent(files.dataKey);
  if (wrapped === undefined) return undefined;
  const master = await readMasterKey(files.masterKey);
  if (!master) throw failure.vaultKeyMissing(files.masterKey);
  const opened = await unseal(wrapped, master, dataKeyName);
  if ("plain" in opened) return opened.plain;
  throw opened.failed === "not-opened" ? failure.vaultKeyWrong(files.masterKey) : failure.vaultDamaged(files.dataKey);
}

/**
 * Opens the data key, making the vault when there is none. Killed half-way, the next call goes on where it stopped.
 *
 * @throws as {@link openDataKey}; `disk` when nothing can be written here
 */
export async function openOrCreateDataKey(files: VaultFiles): Promise<Uint8Array> {
  await ensureFolder(files.folder);
  const existing = await openDataKey(files);
  if (existing) return existing;
  return await withLock(join(files.run, "vault-create.lock"), "the vault", async () => {
    const byNow = await openDataKey(files);
    if (byNow) return byNow;
    await removeLeftovers(files.masterKey);
    await removeLeftovers(files.dataKey);
    let master = await readMasterKey(files.masterKey);
    if (!master) {
      master = randomBytes(keyBytes);
      await replaceFile(files.masterKey, `${base64url.encode(master)}\n`);
    }
    const dataKey = randomBytes(keyBytes);
    await replaceFile(files.dataKey, await seal(dataKey, master, dataKeyName));
    return new Uint8Array(dataKey);
  });
}

/** @returns the master key, or undefined when there is no key file */
async function readMasterKey(file: string): Promise<Uint8Array | undefined> {
  const text = await readIfPresent(file);
  if (text === undefined) return undefined;
  if (!/^[A-Za-z0-9_-]{43}\s*$/.test(text)) throw failure.vaultKeyMalformed(file);
  return base64url.decode(text.trim());
}
