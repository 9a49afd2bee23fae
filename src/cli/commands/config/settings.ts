import { recorded } from "../../../access/audit.ts";
import { storesToChange } from "../../../access/stores.ts";
import { nearest } from "../../../core/text.ts";
import { profileFailure } from "../../../profiles/failures.ts";
import { settleProfile } from "../../../profiles/resolve.ts";
import { change, type Setting, settings } from "../../../profiles/settings.ts";
import type { Cli } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";

/** Names of flags and environment, and the settings that they stand for. */
const otherNames: Readonly<Record<string, string>> = { project: "codemieproject" };

/**
 * Finds a setting by its name, or by the name of its flag.
 *
 * @param key as typed, in any case
 * @throws usage error that names the nearest setting
 */
export function settingOf(key: string): Setting {
  const lower = key.toLowerCase();
  const wanted = Object.hasOwn(otherNames, lower) ? otherNames[lower] : lower;
  const found = settings.find(({ name }) => name.toLowerCase() === wanted);
  if (found) return found;
  const names = settings.map(({ name }) => name);
  throw commandFailure.noSetting(key, names, nearest(key, names));
}

/**
 * Changes a setting of the named profile, or of the active one, in the configuration file, and audits the change.
 *
 * @param profile the `--profile` flag
 * @param value as typed; undefined removes the setting
 * @returns the profile's name, and the stored value
 * @throws usage error for an unusable value or an unknown profile; `config_damaged`, `disk`, `vault_locked`
 */
export async function changeSetting(
  cli: Cli,
  profile: string | undefined,
  setting: Setting,
  value: string | undefined,
): Promise<{ name: string; stored: unknown }> {
  const { vault, profiles } = await storesToChange(cli.runtime);
  const { name } = settleProfile(await profiles.read(), { profile }, cli.runtime.env, {});
  const detail = { what: value === undefined ? "unset" : "set", setting: setting.name };
  let stored: unknown;
  await recorded(cli, vault, { event: "config-changed", profile: name, host: "", detail }, () =>
    profiles.update((config) => {
      try {
        stored = change(config, name, setting, value);
      } catch {
        throw commandFailure.badSetting(setting.name, value ?? "", setting.about);
      }
      if (stored === false) throw profileFailure.none(name, Object.keys(config.profiles));
    }),
  );
  return { name, stored };
}
