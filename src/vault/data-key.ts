import { stampOf } from "../platform/files.ts";
import { vaultFailure } from "./failures.ts";
import { openDataKey, openOrCreateDataKey, type VaultAccess, type VaultFiles } from "./key.ts";

/**
 * The data key while a process runs. Meanwhile somebody may move its vault away and make another one: a record sealed
 * with the old key would then open in neither. So it remembers the key together with the stamp of the file that the key
 * came from.
 */
export class DataKey {
  readonly #files: VaultFiles;
  readonly #access: VaultAccess;
  #opened: { readonly key: Uint8Array; readonly stamp: string } | undefined;

  constructor(files: VaultFiles, access: VaultAccess) {
    this.#files = files;
    this.#access = access;
  }

  /**
   * Opens the key, even when it is open already.
   *
   * @param open {@link openDataKey} or {@link openOrCreateDataKey}
   * @returns the key, or undefined when there is no vault
   * @throws as `open`
   */
  async open(
    open: (files: VaultFiles, access: VaultAccess) => Promise<Uint8Array | undefined>,
  ): Promise<Uint8Array | undefined> {
    const before = await this.#stampNow();
    const key = await open(this.#files, this.#access);
    if (key) this.#opened = { key, stamp: before || (await this.#stampNow()) };
    return key;
  }

  /** Remembers a key that has just been sealed anew. */
  async sealedAnew(key: Uint8Array): Promise<void> {
    this.#opened = { key, stamp: await this.#stampNow() };
  }

  /**
   * @returns true when there is a vault here
   * @throws as {@link openDataKey}
   */
  async isThere(): Promise<boolean> {
    if (this.#opened && (await this.#stampNow()) !== "") return true;
    return (await this.open(openDataKey)) !== undefined;
  }

  /**
   * @returns the key, opened now unless it was open already
   * @throws as {@link openDataKey}; `vault_damaged` when there is none
   */
  async toRead(): Promise<Uint8Array> {
    const key = this.#opened?.key ?? (await this.open(openDataKey));
    if (!key) throw vaultFailure.damaged(this.#files.dataKey);
    return key;
  }

  /**
   * @returns the key of the vault that is here now; undefined when that is still the vault we opened, or there is none
   * @throws as {@link openDataKey}
   */
  async another(): Promise<Uint8Array | undefined> {
    return (await this.#stampNow()) === this.#opened?.stamp ? undefined : await this.open(openDataKey);
  }

  /**
   * Makes the vault if there is none and none was open.
   *
   * @param opens returns true when a key opens the record that we are about to replace
   * @returns the key of the vault that is here now
   * @throws as {@link openOrCreateDataKey}; `vault_key` when the vault that was open is gone
   */
  async toWrite(opens: (key: Uint8Array) => Promise<boolean>): Promise<Uint8Array> {
    const opened = this.#opened;
    const now = await this.#stampNow();
    if (opened && now === opened.stamp) return opened.key;
    // If the key still opens the record, it was only sealed anew, perhaps with a passphrase that we do not have.
    if (opened && now !== "" && (await opens(opened.key))) return opened.key;
    const key = opened && now === "" ? undefined : await this.open(opened ? openDataKey : openOrCreateDataKey);
    if (!key) throw vaultFailure.gone(this.#files.dataKey);
    return key;
  }

  #stampNow(): Promise<string> {
    return stampOf(this.#files.dataKey);
  }
}
