import { recorded } from "../../../access/audit.ts";
import { storesToChange } from "../../../access/stores.ts";
import { profileFailure } from "../../../profiles/failures.ts";
import { type Cli, command } from "../../frame/command.ts";

/** `codemie profile use NAME`; `switch` is another name of it. */
export const profileUse = (cli: Cli) =>
  command({
    meta: { name: "use", description: "Make a profile the active one" },
    examples: ["codemie profile use work"],
    args: { name: { type: "positional", required: true, description: "the profile" } },
    async run({ args }) {
      const { vault, profiles } = await storesToChange(cli.runtime);
      const { name } = args;
      const fact = { event: "config-changed", profile: name, host: "", detail: { what: "use" } } as const;
      await recorded(cli, vault, fact, () =>
        profiles.update((config) => {
          if (!Object.hasOwn(config.profiles, name)) throw profileFailure.none(name, Object.keys(config.profiles));
          config.activeProfile = name;
        }),
      );
      cli.output.result({ profile: name }, () => [
        `${cli.output.paint("good", "✓")} ${name} is now the active profile`,
      ]);
    },
  });
