import { recorded } from "../../../access/audit.ts";
import { endLogin } from "../../../access/end-login.ts";
import { moveLeftovers } from "../../../access/legacy-secrets.ts";
import { storesToChange } from "../../../access/stores.ts";
import { stopSignal } from "../../../platform/signals.ts";
import { profileFailure } from "../../../profiles/failures.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";

/** `codemie profile delete NAME`: ends the login, then removes the profile and makes another active if it was. */
export const profileDelete = (cli: Cli) =>
  command({
    meta: { name: "delete", description: "Remove a profile and its login" },
    examples: ["codemie profile delete old", "codemie profile delete old --yes"],
    args: {
      name: { type: "positional", required: true, description: "the profile" },
      yes: { type: "boolean", alias: "y", description: "do not ask" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const { vault, profiles } = await storesToChange(runtime);
      const { name } = args;
      const { profiles: known } = await profiles.read();
      if (!Object.hasOwn(known, name)) throw profileFailure.none(name, Object.keys(known));
      if (!args.yes) {
        if (!runtime.terminal.interactive) throw commandFailure.nobodyToAsk("delete the profile");
        if (!(await output.confirm(`delete profile ${name} and its login?`, stopSignal())))
          throw commandFailure.declined();
      }
      const fact = { event: "config-changed", profile: name, host: "", detail: { what: "delete" } } as const;
      const active = await recorded(cli, vault, fact, async () => {
        await endLogin(cli, vault, name);
        await moveLeftovers(vault, name, undefined);
        let next: string | undefined;
        await profiles.update((config) => {
          delete config.profiles[name];
          if (config.activeProfile === name) delete config.activeProfile;
          next = config.activeProfile ?? Object.keys(config.profiles)[0];
          if (next !== undefined) config.activeProfile = next;
        });
        return next;
      });
      output.result({ profile: name, active: active ?? null }, () => [
        `${output.paint("good", "✓")} profile ${name} is deleted${active ? `; ${active} is the active one` : ""}`,
      ]);
      const { ProxyStates } = await import("../../../daemon/state.ts");
      const gateway = await new ProxyStates(runtime.home).running(name).catch(() => undefined);
      if (!gateway) return;
      output.say.warn(`its gateway (process ${gateway.pid}) still runs: codemie proxy stop --profile ${name} ends it`);
    },
  });
