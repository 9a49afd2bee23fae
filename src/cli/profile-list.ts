import { usableHostOf } from "../profiles/resolve.ts";
import { type Cli, command, stores } from "./command.ts";

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
        model: profile.model ?? null,
      }));
      output.result(rows, () =>
        rows.length === 0
          ? ["no profiles yet: run codemie profile login --url https://codemie.example.com"]
          : output.table([
              [" ", "PROFILE", "HOST", "MODEL"],
              ...rows.map(({ name, active, url, model }) => [active ? "*" : " ", name, url ?? "-", model ?? "-"]),
            ]),
      );
    },
  });
