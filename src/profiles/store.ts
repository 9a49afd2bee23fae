import { join } from "node:path";
import { z } from "zod";
import { failure } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { ensureFolder, readIfPresent, removeLeftovers, replaceFile } from "../platform/files.ts";
import { withLock } from "../platform/lock.ts";
import { type Config, config, type RepositoryProfile, repositoryProfile } from "./config.ts";

/** Name of the configuration file, in our base folder and in a repository's `.codemie`. */
const fileName = "codemie-cli.config.json";

/** The configuration file under the base folder. */
export class ProfileStore {
  readonly file: string;
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
    this.file = join(home, fileName);
  }

  /**
   * @returns the configuration; an empty one when there is no file
   * @throws `config_damaged`, naming the place, when the file is not JSON or not of the expected shape
   */
  async read(): Promise<Config> {
    const text = await readIfPresent(this.file);
    if (text === undefined) return config.parse({});
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (error) {
      throw failure.configDamaged(this.file, error instanceof Error ? error.message : "not JSON");
    }
    const result = config.safeParse(json);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw failure.configDamaged(this.file, `${issue?.path.join(".") || "file"}: ${issue?.message ?? "unexpected"}`);
  }

  /**
   * Changes the configuration under its lock, so that two commands at once both have their effect.
   *
   * @param change gets the current configuration and alters it in place
   * @throws `config_damaged` (nothing is overwritten then), `disk`, `vault_locked`
   */
  async update(change: (config: Config) => void): Promise<void> {
    await ensureFolder(this.#home);
    await withLock(join(this.#home, "run", "config.lock"), "the configuration", async () => {
      const current = await this.read();
      change(current);
      await removeLeftovers(this.file);
      await replaceFile(this.file, `${JSON.stringify(current, null, 2)}\n`);
    });
  }
}

const repositoryFile = z.looseObject({
  activeProfile: z.string().optional(),
  profiles: z.record(z.string(), z.unknown()).optional(),
});

/**
 * Reads `.codemie/codemie-cli.config.json` of the current directory. A repository is not trusted: model and project are
 * taken from it, everything else is not even looked at, and a file that cannot be read counts as none.
 *
 * @param cwd current directory
 */
export async function readRepositoryProfile(cwd: string): Promise<RepositoryProfile> {
  const text = await readIfPresent(join(cwd, ".codemie", fileName)).catch(() => undefined);
  const file = text === undefined ? undefined : parseJson(text, repositoryFile);
  if (!file) return {};
  const names = Object.keys(file.profiles ?? {});
  const chosen = file.activeProfile ?? (names.length === 1 ? names[0] : undefined);
  const own = chosen === undefined ? file : file.profiles?.[chosen];
  return repositoryProfile.safeParse(own).data ?? {};
}
