import { join } from "node:path";
import { base64url } from "jose";
import { randomBytes } from "../core/crypto.ts";
import type { Env } from "../core/env.ts";
import { CodemieError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import { ensureFolder, namesIn, removeFile, removeLeftovers, replaceFile } from "../platform/files.ts";
import { withLock } from "../platform/lock.ts";
import { requireAbsolute } from "../platform/places.ts";
import { checkFolder, type Note, readPrivate } from "../platform/private.ts";
import { vaultFailure } from "./failures.ts";
import { deriveKey, freshKdf, type Kdf, requireLength } from "./kdf.ts";
import { labelOf, seal, unseal } from "./seal.ts";

/**
 * The paths of the vault's parts. The master key is outside the vault's folder, so a copy of one is not a copy of both.
 */
export interface VaultFiles {
  readonly home: string;
  readonly folder: string;
  readonly masterKey: string;
  readonly dataKey: string;
  /** lock files */
  readonly run: string;
}

/** The vault's access to the passphrase, which comes from the environment or a person, and to the person. */
export interface VaultAccess {
  readonly passphrase: {
    /**
     * the variable that gives the passphrase, or its place; undefined when none does: then `read` asks the person, if
     * any
     */
    readonly variable: string | undefined;
    /** @throws `vault_passphrase` when it cannot get one */
    read(): Promise<Secret>;
    /**
     * Tells that a passphrase does not open the vault.
     *
     * @returns true when `read` gives another one: a person types it once more
     */
    refuse?(passphrase: Secret): boolean;
    /** called once the vault is open, or stays shut */
    over?(): void;
  };
  /** tells the person about something that was put right */
  readonly note: Note;
}

/** How the data key is sealed: with the key in the key file, or with one that comes from a passphrase. */
export type Sealing = { readonly with: "key-file" } | { readonly with: "passphrase"; readonly kdf: Kdf };

/** The way to seal the data key anew. */
export type NewKey = { readonly with: "key-file" } | { readonly with: "passphrase"; readonly passphrase: Secret };

/** The access without a passphrase. */
export const keyFileOnly: VaultAccess = {
  passphrase: { variable: undefined, read: async () => Promise.reject(vaultFailure.passphraseMissing()) },
  note: () => undefined,
};

/**
 * @param home base folder of all our files
 * @param env `CODEMIE_VAULT_KEY_FILE` names another key file
 * @returns the paths of the vault's parts
 * @throws usage error when that variable is a relative path
 */
export function vaultFiles(home: string, env: Env): VaultFiles {
  const folder = join(home, "vault");
  const keyFile = env.CODEMIE_VAULT_KEY_FILE;
  return {
    home,
    folder,
    masterKey: keyFile ? requireAbsolute("CODEMIE_VAULT_KEY_FILE", keyFile) : join(home, "vault.key"),
    dataKey: join(folder, "data-key.json"),
    run: join(home, "run"),
  };
}

/** The name that the wrapped data key is bound to, with the format's version. */
const dataKeyName = "codemie vault 1 data key";
const keyBytes = 32;

/**
 * @returns how the data key is sealed, or undefined when there is no vault yet
 * @throws `vault_key` when there are records, but no data key; `vault_damaged`; `vault_unreadable`
 */
export async function sealingOf(files: VaultFiles, note: Note): Promise<Sealing | undefined> {
  const wrapped = await wrappedKey(files, note);
  return wrapped === undefined ? undefined : sealing(wrapped, files);
}

/** Checks the vault's folders, and reads the wrapped data key if there is one. */
async function wrappedKey(files: VaultFiles, note: Note): Promise<string | undefined> {
  checkFolder(files.folder, note);
  const wrapped = readPrivate(files.dataKey, note);
  if (wrapped !== undefined || (await recordFiles(files.folder)).length === 0) return wrapped;
  // A new data key would lock us out of the existing records for good. Their data key is older than they are: so either
  // it is here by now, because another process has just made the vault, or it is lost.
  const byNow = readPrivate(files.dataKey, note);
  if (byNow === undefined) throw vaultFailure.dataKeyMissing(files.dataKey);
  return byNow;
}

/**
 * @returns the names of the record files in the vault's folder
 * @throws `vault_unreadable`
 */
export async function recordFiles(folder: string): Promise<string[]> {
  return (await namesIn(folder)).filter((name) => /^[0-9a-f]{32}\.json$/.test(name));
}

/**
 * Opens the data key, which seals every record. The vault holds it wrapped by the master key, so that a new master key
 * rewrites this one file and no record.
 *
 * @returns 32 bytes, or undefined when there is no vault yet
 * @throws `vault_key` when a key is missing, malformed or another vault's, when the passphrase is wrong, or when one is
 *   given for a vault with a key file; `vault_passphrase` when there is none; `vault_damaged`; `vault_unreadable`
 */
export async function openDataKey(files: VaultFiles, access: VaultAccess): Promise<Uint8Array | undefined> {
  const { variable } = access.passphrase;
  const wrapped = await wrappedKey(files, access.note);
  if (wrapped === undefined) return undefined;
  if (variable && sealing(wrapped, files).with === "key-file") throw vaultFailure.hasKeyFile(files.masterKey, variable);
  return await open(wrapped, files, access);
}

/**
 * Opens the data key, and makes the vault when there is none: with a passphrase when the environment gives one, else
 * with a key file. If it is killed half-way, the next call carries on from there.
 *
 * @returns 32 bytes
 * @throws as {@link openDataKey}; `disk` when it cannot write here; `vault_locked`; usage error for a short passphrase
 */
export async function openOrCreateDataKey(files: VaultFiles, access: VaultAccess): Promise<Uint8Array> {
  const existing = await openDataKey(files, access);
  await ensureFolder(files.folder);
  if (existing) return existing;
  // Get the passphrase before taking the lock: a person or a command may take longer than others wait.
  const passphrase = access.passphrase.variable ? await access.passphrase.read() : undefined;
  if (passphrase) requireLength(passphrase);
  return await locked(files, async () => {
    const byNow = await openDataKey(files, access);
    if (byNow) return byNow;
    const dataKey = new Uint8Array(randomBytes(keyBytes));
    await removeLeftovers(files.dataKey);
    if (passphrase) await wrapWithPassphrase(files, dataKey, passphrase);
    else {
      await removeLeftovers(files.masterKey);
      let [master] = readMasterKeys(files, access.note) ?? [];
      if (!master) {
        master = new Uint8Array(randomBytes(keyBytes));
        await writeMasterKeys(files, [master]);
      }
      await replaceFile(files.dataKey, await seal(dataKey, master, dataKeyName));
    }
    return dataKey;
  });
}

/**
 * Seals the data key anew, and touches no record. At every moment the vault opens with the old key or the new one: the
 * replacement of the wrapped data key switches between them, and meanwhile the key file holds both.
 *
 * @param newKey yields the new master key or passphrase; called once the vault is open
 * @returns the data key, which does not change
 * @throws as {@link openDataKey}; `vault_key` when the key file exists and is not this vault's; `failed` when there is
 *   no vault; `disk`, and then the vault opens with the old key or the new one; `vault_locked`; usage error for a short
 *   passphrase; whatever `newKey` throws
 */
export async function rekey(
  files: VaultFiles,
  access: VaultAccess,
  newKey: () => Promise<NewKey>,
): Promise<Uint8Array> {
  const opened = async () => {
    const wrapped = await wrappedKey(files, access.note);
    if (wrapped === undefined) throw vaultFailure.none();
    return { before: sealing(wrapped, files), dataKey: await open(wrapped, files, access) };
  };
  // Get everything before taking the lock, as above; `access` remembers the vault's own passphrase.
  await opened();
  const to = await newKey();
  if (to.with === "passphrase") requireLength(to.passphrase);
  return await locked(files, async () => {
    const { before, dataKey } = await opened();
    await removeLeftovers(files.dataKey);
    await removeLeftovers(files.masterKey);
    if (to.with === "passphrase") {
      await wrapWithPassphrase(files, dataKey, to.passphrase);
      if (before.with === "key-file") await removeFile(files.masterKey);
      return dataKey;
    }
    const old = readMasterKeys(files, access.note) ?? [];
    if (before.with === "passphrase" && old.length > 0) throw vaultFailure.keyNotOurs(files.masterKey);
    const master = new Uint8Array(randomBytes(keyBytes));
    await writeMasterKeys(files, [master, ...old]);
    await replaceFile(files.dataKey, await seal(dataKey, master, dataKeyName));
    await writeMasterKeys(files, [master]);
    return dataKey;
  });
}

const locked = <T>(files: VaultFiles, work: () => Promise<T>) =>
  withLock(join(files.run, "vault-key.lock"), "the vault", work);

async function wrapWithPassphrase(files: VaultFiles, dataKey: Uint8Array, passphrase: Secret): Promise<void> {
  const kdf = freshKdf();
  await replaceFile(files.dataKey, await seal(dataKey, await deriveKey(passphrase, kdf), dataKeyName, kdf));
}

/** Tries again if the key was sealed anew meanwhile, since readers take no lock. */
async function open(wrapped: string, files: VaultFiles, access: VaultAccess): Promise<Uint8Array> {
  for (let tried = wrapped; ; ) {
    try {
      return await unwrap(tried, files, access);
    } catch (error) {
      const now = readPrivate(files.dataKey, access.note);
      if (now === undefined || now === tried || !(error instanceof CodemieError)) throw error;
      tried = now;
    }
  }
}

async function unwrap(wrapped: string, files: VaultFiles, access: VaultAccess): Promise<Uint8Array> {
  const sealed = sealing(wrapped, files);
  if (sealed.with === "passphrase") {
    const { passphrase: source } = access;
    try {
      for (;;) {
        const passphrase = await source.read();
        const opened = await unseal(wrapped, await deriveKey(passphrase, sealed.kdf), dataKeyName);
        if ("plain" in opened) return opened.plain;
        if (!source.refuse?.(passphrase))
          throw vaultFailure.passphraseWrong(source.variable ? `from ${source.variable}` : "you typed");
      }
    } finally {
      source.over?.();
    }
  }
  const masters = readMasterKeys(files, access.note);
  if (!masters) throw vaultFailure.keyMissing(files.masterKey);
  for (const master of masters) {
    const opened = await unseal(wrapped, master, dataKeyName);
    if ("plain" in opened) return opened.plain;
  }
  throw vaultFailure.keyWrong(files.masterKey);
}

function sealing(wrapped: string, files: VaultFiles): Sealing {
  const label = labelOf(wrapped);
  const isNewer = label && /^codemie vault \d+ data key$/.test(label.name) && label.name !== dataKeyName;
  if (isNewer || label?.kdf === "unknown") throw vaultFailure.newer(files.dataKey);
  if (label?.name !== dataKeyName) throw vaultFailure.damaged(files.dataKey);
  return label.kdf ? { with: "passphrase", kdf: label.kdf } : { with: "key-file" };
}

/** @returns the keys in the key file, two while {@link rekey} runs; undefined when there is no key file */
function readMasterKeys(files: VaultFiles, note: Note): Uint8Array[] | undefined {
  const text = readPrivate(files.masterKey, note);
  if (text === undefined) return undefined;
  const lines = text.trimEnd().split("\n");
  if (!lines.every((line) => /^[A-Za-z0-9_-]{43}$/.test(line))) throw vaultFailure.keyMalformed(files.masterKey);
  return lines.map((line) => base64url.decode(line));
}

async function writeMasterKeys(files: VaultFiles, keys: readonly Uint8Array[]): Promise<void> {
  await replaceFile(files.masterKey, keys.map((key) => `${base64url.encode(key)}\n`).join(""));
}
