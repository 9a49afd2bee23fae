import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { base64url } from "jose";
import type { Env } from "../core/env.ts";
import { CodemieError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import { ensureFolder, namesIn, removeFile, removeLeftovers, replaceFile } from "../platform/files.ts";
import { withLock } from "../platform/lock.ts";
import { requireAbsolute } from "../platform/places.ts";
import { checkBaseFolder, checkFolder, type Note, readPrivate } from "../platform/private.ts";
import { vaultFailure } from "./failures.ts";
import { deriveKey, freshKdf, type Kdf, requireLength } from "./kdf.ts";
import { labelOf, seal, unseal } from "./seal.ts";

/** Where the vault's parts lie. The master key is outside the vault's folder: a copy of one is not a copy of both. */
export interface VaultFiles {
  readonly home: string;
  readonly folder: string;
  readonly masterKey: string;
  readonly dataKey: string;
  /** lock files */
  readonly run: string;
}

/** What the person, or the environment, gives to the vault. */
export interface VaultAccess {
  readonly passphrase: {
    /** the variable that says where the passphrase is; undefined when none does: then a person is asked, if there is one */
    readonly variable: string | undefined;
    /** @throws `vault_passphrase` when there is none to be had */
    read(): Promise<Secret>;
  };
  /** told what was put right on the way */
  readonly note: Note;
}

/** How the data key is sealed: with the key in the key file, or with one that comes from a passphrase. */
export type Sealing = { readonly with: "key-file" } | { readonly with: "passphrase"; readonly kdf: Kdf };

/** What the data key is to be sealed with. */
export type NewKey = { readonly with: "key-file" } | { readonly with: "passphrase"; readonly passphrase: Secret };

/** For vaults that nobody gives a passphrase to. */
export const keyFileOnly: VaultAccess = {
  passphrase: { variable: undefined, read: async () => Promise.reject(vaultFailure.passphraseMissing()) },
  note: () => undefined,
};

/**
 * @param home base folder of all our files
 * @param env `CODEMIE_VAULT_KEY_FILE` puts the key file elsewhere
 * @throws usage error when that is a relative path
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

/** What the wrapped data key is bound to: the format's version. */
const dataKeyName = "codemie vault 1 data key";
const keyBytes = 32;

/**
 * @returns how the data key is sealed, or undefined when there is no vault yet
 * @throws `vault_key` when the data key is missing, but not the records; `vault_damaged`; `vault_unreadable`
 */
export async function sealingOf(files: VaultFiles, note: Note): Promise<Sealing | undefined> {
  const wrapped = await wrappedKey(files, note);
  return wrapped === undefined ? undefined : sealing(wrapped, files);
}

/** Looks at where the vault lies, and reads the wrapped data key if there is one. */
async function wrappedKey(files: VaultFiles, note: Note): Promise<string | undefined> {
  checkBaseFolder(files.home, note);
  checkFolder(files.folder, note);
  const wrapped = readPrivate(files.dataKey, note);
  if (wrapped !== undefined || (await recordFiles(files.folder)).length === 0) return wrapped;
  // A new data key would shut out the records that are there for good. It is older than they are: so it is either there
  // by now, since another process has just made the vault, or lost.
  const byNow = readPrivate(files.dataKey, note);
  if (byNow === undefined) throw vaultFailure.dataKeyMissing(files.dataKey);
  return byNow;
}

/** @returns the names of the record files in the vault's folder */
export async function recordFiles(folder: string): Promise<string[]> {
  return (await namesIn(folder)).filter((name) => /^[0-9a-f]{32}\.json$/.test(name));
}

/**
 * Opens the data key, which seals every record. It lies in the vault wrapped by the master key, so that a new master
 * key rewrites this one file and no record.
 *
 * @returns 32 bytes, or undefined when there is no vault yet
 * @throws `vault_key` when the key or the passphrase is missing, malformed, another vault's, or not what the vault is
 *   sealed with; `vault_passphrase` when none is to be had; `vault_damaged`; `vault_unreadable`
 */
export async function openDataKey(files: VaultFiles, access: VaultAccess): Promise<Uint8Array | undefined> {
  const { variable } = access.passphrase;
  const wrapped = await wrappedKey(files, access.note);
  if (wrapped === undefined) return undefined;
  if (variable && sealing(wrapped, files).with === "key-file") throw vaultFailure.hasKeyFile(files.masterKey, variable);
  return await open(wrapped, files, access);
}

/**
 * Opens the data key, making the vault when there is none: with a passphrase where the environment says where it is,
 * else with a key file. Killed half-way, the next call goes on where it stopped.
 *
 * @throws as {@link openDataKey}; `disk` when nothing can be written here; usage error for a short passphrase
 */
export async function openOrCreateDataKey(files: VaultFiles, access: VaultAccess): Promise<Uint8Array> {
  const existing = await openDataKey(files, access);
  await ensureFolder(files.folder);
  if (existing) return existing;
  // Asked for before the lock is taken: a person or a command may take longer than others wait.
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
 * Seals the data key anew; no record is touched. At every moment the vault opens with the old key or the new one: the
 * one replacement of the wrapped data key decides, and around it the key file holds both.
 *
 * @param newKey what opens the vault from now on; asked for once the vault is open
 * @returns the data key, the same as ever
 * @throws as {@link openDataKey}; `failed` when there is no vault; `disk`, and then the vault opens as before or as
 *   wanted; usage error for a short passphrase
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
  // Everything is asked for before the lock is taken, as above; the vault's own passphrase is remembered.
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

/** What does not open is tried again when it was sealed anew meanwhile: readers take no lock. */
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
    const { variable } = access.passphrase;
    const key = await deriveKey(await access.passphrase.read(), sealed.kdf);
    const opened = await unseal(wrapped, key, dataKeyName);
    if ("plain" in opened) return opened.plain;
    throw vaultFailure.passphraseWrong(variable ? `from ${variable}` : "you typed");
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

/** @returns the keys in the key file, two while the vault is being sealed anew; undefined when there is no key file */
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
