import { join } from "node:path";
import * as z from "zod/mini";
import { hashOf } from "../core/crypto.ts";
import { asCodemieError, type CodemieError } from "../core/errors.ts";
import { parseJson, type Schema } from "../core/json.ts";
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
import { type Marked, type Memory, takeMark, withMark } from "./memory.ts";
import { labelOf, seal, unseal } from "./seal.ts";

/** The name that a sealed record is bound to: the format's version and the record's own name. */
const boundTo = "codemie vault 1 record ";
const boundName = (name: string) => `${boundTo}${name}`;

/** A record in the vault's folder, opened or not. */
export type FoundRecord =
  | { readonly name: string; readonly value: unknown; readonly mark: string | undefined }
  /** it does not open; `name` is undefined when the file does not show it any more */
  | { readonly name: string | undefined; readonly file: string; readonly problem: CodemieError };

/**
 * The encrypted file vault: one sealed file per record. Reading takes no lock, since a record is only ever replaced as
 * a whole. A caller that reads, decides and writes holds the record's lock meanwhile.
 */
export class Vault {
  readonly #files: VaultFiles;
  readonly #now: () => number;
  readonly #access: VaultAccess;
  readonly #dataKey: DataKey;
  readonly #memory: Memory | undefined;

  /**
   * @param files paths of the vault's parts
   * @param now clock, ms since the epoch
   * @param access yields the passphrase of a vault that is sealed with one
   * @param memory gives each record its mark; without it they have none
   */
  constructor(files: VaultFiles, now: () => number, access: VaultAccess = keyFileOnly, memory?: Memory) {
    this.#files = files;
    this.#now = now;
    this.#access = access;
    this.#dataKey = new DataKey(files, access);
    this.#memory = memory;
  }

  /** the folder of the records */
  get folder(): string {
    return this.#files.folder;
  }

  /** the key file's path, whether the vault is sealed with a key file or not */
  get keyFile(): string {
    return this.#files.masterKey;
  }

  /**
   * Makes the vault if there is none and checks that it can be written, so that a login fails before the browser opens.
   *
   * @throws as {@link openOrCreateDataKey}; `disk`
   */
  async prepare(): Promise<void> {
    await this.#dataKey.open(openOrCreateDataKey);
    await tryToWrite(this.#files.folder);
  }

  /**
   * Opens the vault, if there is one and it is not open yet.
   *
   * @returns true when there is a vault here
   * @throws `vault_key`, `vault_passphrase`, `vault_damaged`, `vault_unreadable`
   */
  async exists(): Promise<boolean> {
    return await this.#dataKey.isThere();
  }

  /**
   * @returns how the vault's key is sealed, without opening it; undefined when there is no vault
   * @throws as {@link sealingOf}
   */
  async sealing(): Promise<Sealing | undefined> {
    return await sealingOf(this.#files, this.#access.note);
  }

  /**
   * Seals the vault's key anew, but no record.
   *
   * @param newKey yields the new key or passphrase; called once the vault is open
   * @throws as {@link rekey}
   */
  async rekey(newKey: () => Promise<NewKey>): Promise<void> {
    await this.#dataKey.sealedAnew(await rekey(this.#files, this.#access, newKey));
  }

  /**
   * @returns every record in the vault's folder, sorted by name; for one that does not open, the reason
   * @throws as {@link exists}
   */
  async records(): Promise<FoundRecord[]> {
    if (!(await this.exists())) return [];
    const found: FoundRecord[] = [];
    for (const entry of await recordFiles(this.#files.folder)) {
      const file = join(this.#files.folder, entry);
      let name: string | undefined;
      try {
        const text = this.#textOf(entry, file);
        if (text === undefined) continue;
        const bound = labelOf(text)?.name;
        if (bound?.startsWith(boundTo)) name = bound.slice(boundTo.length);
        if (name === undefined || file !== this.fileOf(name)) throw vaultFailure.recordDamaged(name ?? entry, file);
        const { record, mark } = await this.#open(name, text);
        found.push({ name, value: record, mark });
      } catch (error) {
        found.push({ name, file, problem: asCodemieError(error) });
      }
    }
    return found.sort((a, b) => ((a.name ?? "") < (b.name ?? "") ? -1 : 1));
  }

  /** @returns the files that we kept because a record did not open or an import replaced it */
  async keptAside(): Promise<string[]> {
    return (await namesIn(this.#files.folder))
      .filter((one) => /\.json\.(damaged|replaced)-\d+$/.test(one))
      .map((one) => join(this.#files.folder, one));
  }

  /**
   * @param name the record's name
   * @param schema its shape
   * @returns the record, or undefined when there is none
   * @throws `vault_damaged` when it does not open or does not have that shape; `vault_key`, `vault_passphrase`,
   *   `vault_unreadable`
   */
  async read<T>(name: string, schema: Schema<T>): Promise<T | undefined> {
    const text = this.#textOf(name);
    if (text === undefined) return undefined;
    const { data } = z.safeParse(schema, (await this.#open(name, text)).record);
    if (data === undefined) throw vaultFailure.recordDamaged(name, this.fileOf(name));
    return data;
  }

  /**
   * A record that is too long to read counts as damaged, so that a new login replaces it.
   *
   * @returns the text of a record's file; undefined when there is none
   * @throws `vault_damaged`, `vault_unreadable`
   */
  #textOf(name: string, file = this.fileOf(name)): string | undefined {
    return readPrivate(file, this.#access.note, { tooLong: () => vaultFailure.recordDamaged(name, file) });
  }

  /** Opens a record, whatever its shape, out of its file's text. @throws as {@link read} */
  async #open(name: string, text: string): Promise<Marked> {
    let opened = await unseal(text, await this.#dataKey.toRead(), boundName(name));
    const another = "plain" in opened ? undefined : await this.#dataKey.another();
    if (another) opened = await unseal(text, another, boundName(name));
    const content = "plain" in opened ? parseJson(new TextDecoder().decode(opened.plain), z.unknown()) : undefined;
    if (content === undefined) throw vaultFailure.recordDamaged(name, this.fileOf(name));
    return takeMark(content);
  }

  /** @returns the record's mark; undefined also when the record does not open */
  async #markOf(name: string): Promise<string | undefined> {
    try {
      const text = this.#textOf(name);
      return text === undefined ? undefined : (await this.#open(name, text)).mark;
    } catch {
      return undefined;
    }
  }

  /**
   * Stores a record, which replaces the old one in one piece. Call it inside {@link locked}.
   *
   * @throws `disk`, and then the old record remains; `vault_key`, also when the vault that was open has gone;
   *   otherwise as {@link prepare}
   */
  async write(name: string, record: unknown): Promise<void> {
    const file = this.fileOf(name);
    const key = await this.#dataKey.toWrite(async (key) => {
      const before = this.#textOf(name);
      return before !== undefined && "plain" in (await unseal(before, key, boundName(name)));
    });
    const mark = await this.#memory?.sealing(name, await this.#markOf(name));
    const plain = new TextEncoder().encode(JSON.stringify(withMark({ record, mark })));
    const sealed = await seal(plain, key, boundName(name));
    await ensureFolder(this.#files.folder);
    await removeLeftovers(file);
    await replaceFile(file, sealed);
  }

  /**
   * Removes a record for good. Call it inside {@link locked}.
   *
   * @throws `disk`
   */
  async remove(name: string): Promise<void> {
    if ((await this.stamp(name)) !== "") await this.#memory?.removing(name, await this.#markOf(name));
    await removeFile(this.fileOf(name));
  }

  /**
   * Keeps a copy of a record, sealed as it is, before one from elsewhere replaces it.
   *
   * @returns the copy's path, whether there was a record or not
   * @throws `vault_unreadable`, `exists`, `disk`
   */
  async keepCopy(name: string): Promise<string> {
    const file = this.fileOf(name);
    const copy = `${file}.replaced-${this.#now()}`;
    const text = this.#textOf(name);
    if (text !== undefined) await writeNewFile(copy, text);
    return copy;
  }

  /**
   * Renames the file of a record that does not open, so that a new record can take its place.
   *
   * @returns the file's new path
   * @throws `disk`
   */
  async setAside(name: string): Promise<string> {
    return await keepAside(this.fileOf(name), this.#now());
  }

  /**
   * @param name the record's name
   * @returns a text that changes whenever the record is replaced or removed; it costs one call to the system
   */
  async stamp(name: string): Promise<string> {
    return await stampOf(this.fileOf(name));
  }

  /**
   * Waits until the record changes.
   *
   * @param name the record's name
   * @param stamp the result of {@link stamp} before
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
   * @param patienceMs how long one holder may keep us waiting, ms; undefined: as long as a write may take
   * @returns the result of `work`
   * @throws as {@link withLock}
   */
  async locked<T>(name: string, work: () => Promise<T>, patienceMs?: number): Promise<T> {
    return await withLock(
      join(this.#files.run, `vault-${idOf(name)}.lock`),
      `the stored record ${name}`,
      work,
      patienceMs,
    );
  }

  /** @returns the path of a record's file, whether the record exists or not */
  fileOf(name: string): string {
    return join(this.#files.folder, `${idOf(name)}.json`);
  }
}

const ids = new Map<string, string>();

/**
 * A name may hold any character; a file name may not, and some systems ignore its case. The gateway asks on every
 * request.
 */
function idOf(name: string): string {
  const known = ids.get(name);
  if (known !== undefined) return known;
  const id = hashOf("sha256", name).toString("hex").slice(0, 32);
  ids.set(name, id);
  return id;
}
