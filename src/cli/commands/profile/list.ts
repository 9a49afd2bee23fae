import { stores } from "../../../access/stores.ts";
import { printable } from "../../../core/text.ts";
import { methodOf, usableHostOf } from "../../../profiles/resolve.ts";
import { type Cli, command } from "../../frame/command.ts";

/** `codemie profile list`. It reads the configuration only: no vault, no host. */
export const profileList = (cli: Cli) =>
  command({
    meta: { name: "list", description: "List the profiles, the active one marked" },
    examples: ["codemie profile", "codemie profile list --json"],
    args: {},
    async run() {
      const { output } = cli;
      const config = await stores(cli.runtime).profiles.read();
      const rows = Object.entries(config.profiles).map(([name, profile]) => ({
        name,
        active: name === config.activeProfile,
        url: usableHostOf(profile)?.origin ?? null,
        method: methodOf(profile),
        model: profile.model ?? null,
      }));
      output.result(rows, () =>
        rows.length === 0
          ? ["no profiles yet: run codemie setup"]
          : output.table([
              [" ", "PROFILE", "HOST", "LOGIN", "MODEL"],
              ...rows.map(({ name, active, url, method, model }) => [
                active ? "*" : " ",
                printable(name, 64),
                url ?? "-",
                method,
                printable(model ?? "-", 60),
              ]),
            ]),
      );
    },
  });
