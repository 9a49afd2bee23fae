import { hostOfPage } from "../../../core/host.ts";
import { type Setting, settings } from "../../../profiles/settings.ts";
import { type Cli, command } from "../../frame/command.ts";
import { changeSetting, settingOf, warnUnlisted } from "./settings.ts";

const names = settings.map(({ name }) => name).join(", ");

const named = ({ name, isOfAll }: Setting, profile: string) => (isOfAll ? name : `${name} of profile ${profile}`);

/** `codemie config set KEY VALUE`. Fails as {@link changeSetting}. */
export const configSet = (cli: Cli) =>
  command({
    meta: { name: "set", description: `Change a setting: ${names}` },
    examples: [
      "codemie config set model claude-sonnet-4-6",
      "codemie config set project demo",
      "codemie config set timeout 600 --profile work",
    ],
    args: {
      key: { type: "positional", required: true, description: "the setting" },
      value: { type: "positional", required: true, description: "its new value" },
      profile: { type: "string", valueHint: "NAME", description: "profile to change (default: the active one)" },
    },
    async run({ args }) {
      const setting = settingOf(args.key);
      const { name: profile, stored, dropped } = await changeSetting(cli, args.profile, setting, args.value);
      const lines = [`${cli.output.paint("good", "✓")} ${named(setting, profile)} is now ${stored}`];
      if (dropped.length > 0)
        lines.push(`  no longer set, since the other host gave it a meaning: ${dropped.join(", ")}`);
      if (setting.name === "auditForward")
        lines.push("  from this change on, each line goes there too: codemie doctor shows whether it arrives");
      if (setting.name === "url")
        lines.push("  a login stays with its own host: codemie profile status shows whether one is there");
      const { host, note } = setting.name === "url" ? hostOfPage(args.value) : {};
      if (note && stored === host?.origin) cli.output.say.warn(note);
      cli.output.result({ profile: profile || null, key: setting.name, value: stored }, () => lines);
      if (typeof stored === "string") await warnUnlisted(cli, profile, setting, stored);
    },
  });

/** `codemie config unset KEY`. Fails as {@link changeSetting}. */
export const configUnset = (cli: Cli) =>
  command({
    meta: { name: "unset", description: "Remove a setting, so that the default applies" },
    examples: ["codemie config unset model"],
    args: {
      key: { type: "positional", required: true, description: "the setting" },
      profile: { type: "string", valueHint: "NAME", description: "profile to change (default: the active one)" },
    },
    async run({ args }) {
      const setting = settingOf(args.key);
      const { name: profile } = await changeSetting(cli, args.profile, setting, undefined);
      const text = `${cli.output.paint("good", "✓")} ${named(setting, profile)} is no longer set`;
      cli.output.result({ profile: profile || null, key: setting.name, value: null }, () => [text]);
    },
  });
