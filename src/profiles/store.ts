import { join } from "node:path";
import * as z from "zod/mini";
import { parseJson } from "../core/json.ts";
import { moveIfPresent, removeLeftovers, replaceFile } from "../platform/files.ts";
import { readUntrusted } from "../platform/foreign-files.ts";
import { withLock } from "../platform/lock.ts";
import { checkBaseFolder, closeToOthers, type Note, readPrivate } from "../platform/private.ts";
import { type Config, config, type RepositoryProfile, repositoryProfile } from "./config.ts";
import { readConfig, type TokenVariables, tokenVariablesIn } from "./read-config.ts";
import { type FoundSecret, findSecrets, removeSecrets } from "./secrets.ts";

/** Name of the configuration file, in our base folder and in a repository's `.codemie`. */
const fileName = "codemie-cli.config.json";

/** The configuration file under the base folder. */
export class ProfileStore {
  readonly file: string;
  readonly #home: string;
  readonly #note: Note;

  /**
   * @param home base folder of all our files
   * @param note called when others could write in the base folder or in the file
   */
  constructor(home: string, note: Note) {
    this.#home = home;
    this.#note = note;
    this.file = join(home, fileName);
  }

  /**
   * @returns the configuration; an empty one when there is no file
   * @throws `config_damaged`, naming the place, when the file is not JSON or does not have the expected shape;
   *   `vault_unreadable` when it cannot be read, or when it is a link, or it or its folder is another user's or shared by
   *   everybody, since the file decides where credentials go
   */
  async read(): Promise<Config> {
    checkBaseFolder(this.#home, this.#note);
    const text = readPrivate(this.file, this.#note, { isSecret: false });
    if (text === undefined) return config.parse({});
    return await readConfig(text, this.file);
  }

  /**
   * Finds the names of the variables that hold bearer tokens, also in a file that {@link read} refuses.
   *
   * @returns the names; `areAll` is false when there may be more, since the file cannot be read or is not JSON. It does
   *   not throw
   */
  tokenVariables(): TokenVariables {
    try {
      checkBaseFolder(this.#home, this.#note);
      return tokenVariablesIn(readPrivate(this.file, this.#note, { isSecret: false }) ?? "{}");
    } catch {
      return { names: [], areAll: false };
    }
  }

  /**
   * Finds where the audit trail is sent as well. Every event asks, so a file without that member is not parsed.
   *
   * @returns `auditForward` of the configuration; undefined also where the file cannot be read. It does not throw
   */
  async auditForward(): Promise<string | undefined> {
    try {
      checkBaseFolder(this.#home, this.#note);
      const text = readPrivate(this.file, this.#note, { isSecret: false });
      return text?.includes('"auditForward"') ? (await readConfig(text, this.file)).auditForward : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Changes the configuration under its lock, so that two commands at the same time both take effect.
   *
   * @param change gets the current configuration and alters it in place. It may take the lock of a login; do not call
   *   `update` under such a lock
   * @throws whatever `change` throws; as {@link read} (nothing is overwritten then); `disk`, `vault_locked`
   */
  async update(change: (config: Config) => void | Promise<void>): Promise<void> {
    await this.#locked(async () => {
      const current = await this.read();
      await change(current);
      await removeLeftovers(this.file);
      await replaceFile(this.file, `${JSON.stringify(current, null, 2)}\n`);
    });
  }

  /**
   * Moves secrets out of a file that the existing CLI wrote. Commands that change anything do this first.
   *
   * @param keep stores the secrets safely; only after that the file is written without them
   * @returns the secrets that were moved
   * @throws as {@link update}; whatever `keep` throws
   */
  async moveSecrets(keep: (secrets: readonly FoundSecret[]) => Promise<void>): Promise<readonly FoundSecret[]> {
    if (findSecrets(await this.read()).length === 0) return [];
    let moved: readonly FoundSecret[] = [];
    await this.update(async (config) => {
      moved = findSecrets(config);
      await keep(moved);
      removeSecrets(config, moved);
    });
    return moved;
  }

  /**
   * Moves the file aside, whatever is in it, so that the next command begins with an empty configuration.
   *
   * @param nowMs ms since the epoch, for its new name
   * @returns its new path, or undefined when there was no file
   * @throws `disk`, `vault_locked`, `vault_unreadable`
   */
  async reset(nowMs: number): Promise<string | undefined> {
    return await this.#locked(async () => {
      const backup = `${this.file}.backup-${nowMs}`;
      if (!(await moveIfPresent(this.file, backup))) return undefined;
      closeToOthers(backup);
      return backup;
    });
  }

  async #locked<T>(work: () => Promise<T>): Promise<T> {
    checkBaseFolder(this.#home, this.#note);
    return await withLock(join(this.#home, "run", "config.lock"), "the configuration", work);
  }
}

const repositoryFile = z.looseObject({
  activeProfile: z.optional(z.string()),
  profiles: z.optional(z.record(z.string(), z.unknown())),
});

/**
 * Reads `.codemie/codemie-cli.config.json` of the current directory. A repository is not trusted: this takes the model
 * and the project from the file, ignores everything else, and treats a file that it cannot read as missing.
 *
 * @param cwd current directory
 * @returns the settings; it does not throw
 */
export async function readRepositoryProfile(cwd: string): Promise<RepositoryProfile> {
  const text = readUntrusted(join(cwd, ".codemie", fileName));
  const file = text === undefined ? undefined : parseJson(text, repositoryFile);
  if (!file) return {};
  const names = Object.keys(file.profiles ?? {});
  const chosen = file.activeProfile ?? (names.length === 1 ? names[0] : undefined);
  const own = chosen === undefined ? file : file.profiles?.[chosen];
  return repositoryProfile.safeParse(own).data ?? {};
}
