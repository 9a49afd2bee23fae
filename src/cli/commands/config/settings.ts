import { recorded } from "../../../access/audit.ts";
import { callApi, credentialsFor, forProfile, listModels } from "../../../access/credentials.ts";
import { forwarderOf, sendLast } from "../../../access/forwarding.ts";
import { stores, storesToChange } from "../../../access/stores.ts";
import { CodemieError } from "../../../core/errors.ts";
import { closest, nearest, printable } from "../../../core/text.ts";
import { stoppableFetch } from "../../../platform/network.ts";
import { profileFailure } from "../../../profiles/failures.ts";
import { resolveProfile, settleProfile } from "../../../profiles/resolve.ts";
import { change, type Setting, settings } from "../../../profiles/settings.ts";
import type { Cli } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";

/** Names of flags and environment, and the settings that they stand for. */
const otherNames: Readonly<Record<string, string>> = {
  project: "codemieproject",
  codemieurl: "url",
  baseurl: "url",
  host: "url",
};

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

/** How long the host may take to list what a setting may be, ms: the setting is stored by then. */
const listMs = 10_000;

/** Claude Code's own names for models, which it resolves itself. */
const agentsOwn = /^(?:haiku|sonnet|opus|fable|best|opusplan|default)(?:\[1m\])?$/i;

/**
 * Warns when the profile's host lists no such model or project, with the nearest ones. It also warns when it
 * cannot have the list now, for want of an answer for example, unless no login is stored yet.
 *
 * @param profile the profile's name
 * @param value the stored value
 * @throws failures of the vault, and interruptions
 */
export async function warnUnlisted(outer: Cli, profile: string, setting: Setting, value: string): Promise<void> {
  if (setting.of === undefined || agentsOwn.test(value)) return;
  try {
    const runtime = { ...outer.runtime, fetch: stoppableFetch(outer.runtime.fetch, AbortSignal.timeout(listMs)) };
    const { vault, profiles } = stores(runtime);
    const resolved = resolveProfile(await profiles.read(), { profile }, runtime.env, {});
    const cli = forProfile({ ...outer, runtime }, resolved);
    const credentials = credentialsFor(cli, vault, resolved);
    const isCodemie = resolved.host.value.kind === "codemie";
    if (setting.of === "projects" && !isCodemie) return;
    const listed =
      setting.of === "models"
        ? (await listModels(cli, credentials, resolved)).map(({ id }) => id)
        : await callApi(cli, credentials, resolved.host.value, (api) => api.projects());
    if (listed.length === 0 || listed.includes(value)) return;
    const near = closest(value, listed, 3).map((one) => printable(one, 60));
    const what = setting.of === "models" ? "this account's models" : "your projects";
    const list = setting.of === "models" ? " (see codemie models)" : "";
    outer.output.say.warn(
      `${printable(value, 60)} is not one of ${what}${near.length > 0 ? `; the nearest are ${near.join(", ")}` : list}`,
    );
  } catch (error) {
    if (!(error instanceof CodemieError) || error.exitCode > 5) throw error;
    if (error.code === "auth_needed") return;
    const list = setting.of === "models" ? "this account's models" : "your projects";
    outer.output.say.warn(`whether ${printable(value, 60)} is one of ${list} could not be checked: ${error.message}`);
  }
}

/**
 * Changes a setting of the named profile, or of the active one, in the configuration file, and audits the change.
 *
 * @param profile the `--profile` flag
 * @param value as typed; undefined removes the setting
 * @returns the profile's name (empty for a setting of all), the stored value, and the names of members that the change removed besides
 * @throws usage error for an unusable value or an unknown profile; `config_damaged`, `disk`, `vault_locked`
 */
export async function changeSetting(
  cli: Cli,
  profile: string | undefined,
  setting: Setting,
  value: string | undefined,
): Promise<{ name: string; stored: unknown; dropped: readonly string[] }> {
  const { vault, profiles } = await storesToChange(cli.runtime);
  const before = await profiles.read();
  if (setting.isOfAll && profile !== undefined) throw commandFailure.settingOfAll(setting.name);
  const name = setting.isOfAll ? "" : settleProfile(before, { profile }, cli.runtime.env, {}).name;
  if (setting.write && value === undefined) throw commandFailure.hostNeeded(name);
  const detail = { what: value === undefined ? "unset" : "set", setting: setting.name };
  let stored: unknown;
  let dropped: readonly string[] = [];
  await recorded(cli, vault, { event: "config-changed", profile: name, host: "", detail }, () =>
    profiles.update(async (config) => {
      try {
        const before = Object.keys(config.profiles[name] ?? {});
        stored = change(config, name, setting, value);
        const after = Object.keys(config.profiles[name] ?? {});
        dropped = before.filter((member) => member !== setting.name && !after.includes(member));
      } catch (error) {
        if (error instanceof CodemieError) throw error;
        throw commandFailure.badSetting(setting.name, value ?? "", setting.about);
      }
      if (stored === false) throw profileFailure.none(name, Object.keys(config.profiles));
      // Lines from before somebody set a receiver stay on this machine.
      if (setting.name === "auditForward" && stored !== undefined) await forwarderOf(cli).begin();
    }),
  );
  if (setting.name === "auditForward" && value === undefined) sendLast(cli, before.auditForward);
  return { name, stored, dropped };
}
