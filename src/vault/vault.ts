import { createHash } from "node:crypto";
import { join } from "node:path";
import type { ZodType } from "zod";
import { failure } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import {
  ensureFolder,
  keepAside,
  readIfPresent,
  removeFile,
  removeLeftovers,
  replaceFile,
  stampOf,
  waitForChange,
} from "../platform/files.ts";
import { withLock } from "../platform/lock.ts";
import { openDataKey, openOrCreateDataKey, type VaultFiles } from "./key.ts";
import { seal, unseal } from "./seal.ts";

/** What a sealed record is bound to: the format's version and the record's name. */
const boundName = (name: string) => `codemie vault 1 record ${name}`;

/**
 * The encrypted file vault: one sealed file per record. Reading takes no lock, since a record is only ever replaced as a
 * whole; whoever reads, decides and writes holds the record's lock meanwhile.
 */
export class Vault {
  readonly #files: VaultFiles;
  readonly #now: () => number;
  #dataKey: Uint8Array | undefined;

  /**
   * @param files where the vault lies
   * @param now clock, ms since the epoch
   */
  constructor(files: VaultFiles, now: () => number) {
    this.#files = files;
    this.#now = now;
  }

  /**
   * Makes the vault if there is none and tries that it can be written, so that a login fails before the browser opens.
   *
   * @throws `disk`, `vault_key`
   */
  async prepare(): Promise<void> {
    await ensureFolder(this.#files.run);
    this.#dataKey = await openOrCreateDataKey(this.#files);
    const probe = join(this.#files.folder, "probe");
    await withLock(join(this.#files.run, "vault-probe.lock"), "the vault", async () => {
      await removeLeftovers(probe);
      await replaceFile(probe, "x");
      await removeFile(probe);
    });
  }

  /**
   * @returns true when there is a vault here
   * @throws `vault_key`, `vault_damaged`
   */
  async exists(): Promise<boolean> {
    this.#dataKey ??= await openDataKey(this.#files);
    return this.#dataKey !== undefined;
  }

  /**
   * @param name the record's name
   * @param schema its shape
   * @returns the record, or undefined when there is none
   * @throws `vault_damaged` when it does not open or is not of that shape; `vault_key`, `vault_unreadable`
   */
  async read<T>(name: string, schema: ZodType<T>): Promise<T | undefined> {
    const file = this.#fileOf(name);
    const text = await readIfPresent(file);
    if (text === undefined) return undefined;
    this.#dataKey ??= await openDataKey(this.#files);
    if (!this.#dataKey) throw failure.vaultDamaged(this.#files.dataKey);
    const opened = await unseal(text, this.#dataKey, boundName(name));
    const record = "plain" in opened ? parseJson(new TextDecoder().decode(opened.plain), schema) : undefined;
    if (record === undefined) throw failure.recordDamaged(name, file);
    return record;
  }

  /**
   * Stores a record, replacing the old one at once and as a whole. Call it inside {@link locked}.
   *
   * @throws `disk` (the old record is then still there), `vault_key`
   */
  async write(name: string, record: unknown): Promise<void> {
    const file = this.#fileOf(name);
    this.#dataKey ??= await openOrCreateDataKey(this.#files);
    const plain = new TextEncoder().encode(JSON.stringify(record));
    const sealed = await seal(plain, this.#dataKey, boundName(name));
    await ensureFolder(this.#files.folder);
    await removeLeftovers(file);
    await replaceFile(file, sealed);
  }

  /** Removes a record for good. Call it inside {@link locked}. */
  async remove(name: string): Promise<void> {
    await removeFile(this.#fileOf(name));
  }

  /** Keeps a record that does not open under another file name, so that a new one can take its place. */
  async setAside(name: string): Promise<string> {
    return await keepAside(this.#fileOf(name), this.#now());
  }

  /**
   * @param name the record's name
   * @returns a text that changes whenever the record is replaced or removed; reading it costs one call to the system
   */
  async stamp(name: string): Promise<string> {
    return await stampOf(this.#fileOf(name));
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
    const file = this.#fileOf(name);
    return await waitForChange(this.#files.folder, patienceMs, async () => (await stampOf(file)) !== stamp);
  }

  /**
   * Runs `work` while nobody else changes the record.
   *
   * @throws `vault_locked` when another process keeps it for too long
   */
  async locked<T>(name: string, work: () => Promise<T>): Promise<T> {
    return await withLock(join(this.#files.run, `vault-${idOf(name)}.lock`), `the stored record ${name}`, work);
  }

  #fileOf(name: string): string {
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
