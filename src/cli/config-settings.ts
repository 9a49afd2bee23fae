import { failure } from "../core/errors.ts";
import { nearest } from "../core/text.ts";
import { resolveProfile } from "../profiles/resolve.ts";
import { change, type Setting, settings } from "../profiles/settings.ts";
import { recorded } from "./auditing.ts";
import { type Cli, stores } from "./command.ts";

/**
 * @param key as typed, any case
 * @throws usage error that names the nearest one
 */
export function settingOf(key: string): Setting {
  const found = settings.find(({ name }) => name.toLowerCase() === key.toLowerCase());
  if (found) return found;
  const names = settings.map(({ name }) => name);
  throw failure.noSetting(key, names, nearest(key, names));
}

/**
 * Changes a setting of the active profile, or of the one that was named, and writes it down.
 *
 * @param value undefined removes it
 * @returns the profile's name
 */
export async function changeSetting(
  cli: Cli,
  profile: string | undefined,
  setting: Setting,
  value: string | undefined,
): Promise<string> {
  const { vault, profiles } = stores(cli.runtime);
  const { name } = resolveProfile(await profiles.read(), { profile }, cli.runtime.env, {});
  const detail = { what: value === undefined ? "unset" : "set", setting: setting.name };
  await recorded(cli, vault, { event: "config-changed", profile: name, host: "", detail }, () =>
    profiles.update((config) => {
      if (!changed(config, name)) throw failure.noProfile(name, Object.keys(config.profiles));
    }),
  );
  return name;

  function changed(config: Parameters<typeof change>[0], profileName: string): boolean {
    try {
      return change(config, profileName, setting, value);
    } catch {
      throw failure.badSetting(setting.name, value ?? "", setting.about);
    }
  }
}
