import { stampOf } from "../platform/files.ts";
import { vaultFailure } from "./failures.ts";
import { openDataKey, openOrCreateDataKey, type VaultAccess, type VaultFiles } from "./key.ts";

/**
 * The data key while a process runs. Its vault may be moved away meanwhile, and another one made in its place: what the
 * old key seals opens in neither. So the key is remembered with the stamp of the file it came from.
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
   * Opens it, whether it was open or not.
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

  /** Remembers the key that was sealed anew just now. */
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
   * @returns the key that was opened, or is now
   * @throws as {@link openDataKey}; `vault_damaged` when there is none
   */
  async toRead(): Promise<Uint8Array> {
    const key = this.#opened?.key ?? (await this.open(openDataKey));
    if (!key) throw vaultFailure.damaged(this.#files.dataKey);
    return key;
  }

  /**
   * @returns the key that lies here by now when it may be another one than was opened
   * @throws as {@link openDataKey}
   */
  async another(): Promise<Uint8Array | undefined> {
    return (await this.#stampNow()) === this.#opened?.stamp ? undefined : await this.open(openDataKey);
  }

  /**
   * @param opens tells whether a key opens what is about to be replaced
   * @returns the key of the vault that is here now, which is made where there was none from the start
   * @throws as {@link openOrCreateDataKey}; `vault_key` when the vault that was open is gone
   */
  async toWrite(opens: (key: Uint8Array) => Promise<boolean>): Promise<Uint8Array> {
    const opened = this.#opened;
    const now = await this.#stampNow();
    if (opened && now === opened.stamp) return opened.key;
    // Sealed anew, perhaps with a passphrase nobody gave to us, it is the same key still: the record shows it.
    if (opened && now !== "" && (await opens(opened.key))) return opened.key;
    const key = opened && now === "" ? undefined : await this.open(opened ? openDataKey : openOrCreateDataKey);
    if (!key) throw vaultFailure.gone(this.#files.dataKey);
    return key;
  }

  #stampNow(): Promise<string> {
    return stampOf(this.#files.dataKey);
  }
}
