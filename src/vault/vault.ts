import { createHash } from "node:crypto";
import { join } from "node:path";
import { type ZodType, z } from "zod";
import { asCodemieError, type CodemieError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import {
  ensureFolder,
  keepAside,
  namesIn,
  removeFile,
  removeLeftovers,
  replaceFile,
  stampOf,
  tryToWrite,
  waitForChange,
} from "../platform/files.ts";
import { withLock } from "../platform/lock.ts";
import { readPrivate, writeNewFile } from "../platform/private.ts";
import { DataKey } from "./data-key.ts";
import { vaultFailure } from "./failures.ts";
import {
  keyFileOnly,
  type NewKey,
  openOrCreateDataKey,
  recordFiles,
  rekey,
  type Sealing,
  sealingOf,
  type VaultAccess,
  type VaultFiles,
} from "./key.ts";
import { labelOf, seal, unseal } from "./seal.ts";

/** What a sealed record is bound to: the format's version and the record's name. */
const boundTo = "codemie vault 1 record ";
const boundName = (name: string) => `${boundTo}${name}`;

/** A record as it was found. */
export type FoundRecord =
  | { readonly name: string; readonly value: unknown }
  /** it does not open; its name is known where the file still tells it */
  | { readonly name: string | undefined; readonly file: string; readonly problem: CodemieError };

/**
 * The encrypted file vault: one sealed file per record. Reading takes no lock, since a record is only ever replaced as a
 * whole; whoever reads, decides and writes holds the record's lock meanwhile.
 */
export class Vault {
  readonly #files: VaultFiles;
  readonly #now: () => number;
  readonly #access: VaultAccess;
  readonly #dataKey: DataKey;

  /**
   * @param files where the vault lies
   * @param now clock, ms since the epoch
   * @param access what yields the passphrase, where the vault is sealed with one
   */
  constructor(files: VaultFiles, now: () => number, access: VaultAccess = keyFileOnly) {
    this.#files = files;
    this.#now = now;
    this.#access = access;
    this.#dataKey = new DataKey(files, access);
  }

  /** where the records lie */
  get folder(): string {
    return this.#files.folder;
  }

  /** where the key lies, when it is in a file */
  get keyFile(): string {
    return this.#files.masterKey;
  }

  /**
   * Makes the vault if there is none and tries that it can be written, so that a login fails before the browser opens.
   *
   * @throws `disk`, `vault_key`
   */
  async prepare(): Promise<void> {
    await this.#dataKey.open(openOrCreateDataKey);
    await tryToWrite(this.#files.folder);
  }

  /**
   * @returns true when there is a vault here
   * @throws `vault_key`, `vault_damaged`
   */
  async exists(): Promise<boolean> {
    return await this.#dataKey.isThere();
  }

  /**
   * @returns how the vault's key is sealed, without opening it; undefined when there is no vault
   * @throws `vault_damaged`, `vault_unreadable`
   */
  async sealing(): Promise<Sealing | undefined> {
    return await sealingOf(this.#files, this.#access.note);
  }

  /**
   * Seals the vault's key anew, and no record.
   *
   * @param newKey what opens the vault from now on; asked for once the vault is open
   * @throws as {@link rekey}
   */
  async rekey(newKey: () => Promise<NewKey>): Promise<void> {
    await this.#dataKey.sealedAnew(await rekey(this.#files, this.#access, newKey));
  }

  /**
   * @returns every record in the vault's folder by name, those that do not open with why
   * @throws `vault_key`, `vault_passphrase`, `vault_unreadable` when none can be opened
   */
  async records(): Promise<FoundRecord[]> {
    if (!(await this.exists())) return [];
    const found: FoundRecord[] = [];
    for (const entry of await recordFiles(this.#files.folder)) {
      const file = join(this.#files.folder, entry);
      let name: string | undefined;
      try {
        const text = readPrivate(file, this.#access.note);
        if (text === undefined) continue;
        const bound = labelOf(text)?.name;
        if (bound?.startsWith(boundTo)) name = bound.slice(boundTo.length);
        if (name === undefined || file !== this.fileOf(name)) throw vaultFailure.recordDamaged(name ?? entry, file);
        found.push({ name, value: await this.read(name, z.unknown()) });
      } catch (error) {
        found.push({ name, file, problem: asCodemieError(error) });
      }
    }
    return found.sort((a, b) => ((a.name ?? "") < (b.name ?? "") ? -1 : 1));
  }

  /** @returns the files that were kept when a record did not open, or was replaced by an import */
  async keptAside(): Promise<string[]> {
    return (await namesIn(this.#files.folder))
      .filter((one) => /\.json\.(damaged|replaced)-\d+$/.test(one))
      .map((one) => join(this.#files.folder, one));
  }

  /**
   * @param name the record's name
   * @param schema its shape
   * @returns the record, or undefined when there is none
   * @throws `vault_damaged` when it does not open or is not of that shape; `vault_key`, `vault_unreadable`
   */
  async read<T>(name: string, schema: ZodType<T>): Promise<T | undefined> {
    const file = this.fileOf(name);
    const text = readPrivate(file, this.#access.note);
    if (text === undefined) return undefined;
    let opened = await unseal(text, await this.#dataKey.toRead(), boundName(name));
    const another = "plain" in opened ? undefined : await this.#dataKey.another();
    if (another) opened = await unseal(text, another, boundName(name));
    const record = "plain" in opened ? parseJson(new TextDecoder().decode(opened.plain), schema) : undefined;
    if (record === undefined) throw vaultFailure.recordDamaged(name, file);
    return record;
  }

  /**
   * Stores a record, replacing the old one at once and as a whole. Call it inside {@link locked}.
   *
   * @throws `disk` (the old record is then still there), `vault_key`, also when the vault that was open is not here any
   *   more
   */
  async write(name: string, record: unknown): Promise<void> {
    const file = this.fileOf(name);
    const key = await this.#dataKey.toWrite(async (key) => {
      const before = readPrivate(file, this.#access.note);
      return before !== undefined && "plain" in (await unseal(before, key, boundName(name)));
    });
    const plain = new TextEncoder().encode(JSON.stringify(record));
    const sealed = await seal(plain, key, boundName(name));
    await ensureFolder(this.#files.folder);
    await removeLeftovers(file);
    await replaceFile(file, sealed);
  }

  /** Removes a record for good. Call it inside {@link locked}. */
  async remove(name: string): Promise<void> {
    await removeFile(this.fileOf(name));
  }

  /**
   * Keeps a copy of a record, sealed as it is, before it is replaced by one from elsewhere.
   *
   * @returns the copy's file
   */
  async keepCopy(name: string): Promise<string> {
    const file = this.fileOf(name);
    const copy = `${file}.replaced-${this.#now()}`;
    const text = readPrivate(file, this.#access.note);
    if (text !== undefined) await writeNewFile(copy, text);
    return copy;
  }

  /** Keeps a record that does not open under another file name, so that a new one can take its place. */
  async setAside(name: string): Promise<string> {
    return await keepAside(this.fileOf(name), this.#now());
  }

  /**
   * @param name the record's name
   * @returns a text that changes whenever the record is replaced or removed; reading it costs one call to the system
   */
  async stamp(name: string): Promise<string> {
    return await stampOf(this.fileOf(name));
  }

  /**
   * Waits until the record is another than it was.
   *
   * @param name the record's name
   * @param stamp what {@link stamp} said before
   * @param patienceMs how long to wait, ms
   * @returns false when it did not change in that time
   */
  async changed(name: string, stamp: string, patienceMs: number): Promise<boolean> {
    const file = this.fileOf(name);
    return await waitForChange(this.#files.folder, patienceMs, async () => (await stampOf(file)) !== stamp);
  }

  /**
   * Runs `work` while nobody else changes the record.
   *
   * @param patienceMs how long to wait for others, ms; without it, as long as storing may take
   * @throws `vault_locked` when another process keeps it for too long
   */
  async locked<T>(name: string, work: () => Promise<T>, patienceMs?: number): Promise<T> {
    return await withLock(
      join(this.#files.run, `vault-${idOf(name)}.lock`),
      `the stored record ${name}`,
      work,
      patienceMs,
    );
  }

  /** @returns the file a record lies in, whether there is one or not */
  fileOf(name: string): string {
    return join(this.#files.folder, `${idOf(name)}.json`);
  }
}

const ids = new Map<string, string>();

/** Names may hold anything; file names may not, and on some systems ignore case. The gateway asks on every request. */
function idOf(name: string): string {
  const known = ids.get(name);
  if (known !== undefined) return known;
  const id = createHash("sha256").update(name).digest("hex").slice(0, 32);
  ids.set(name, id);
  return id;
}
