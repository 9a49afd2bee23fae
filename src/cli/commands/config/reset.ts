import { recorded } from "../../../access/audit.ts";
import { endLogin } from "../../../access/end-login.ts";
import { sendLast } from "../../../access/forwarding.ts";
import { moveLeftovers } from "../../../access/legacy-secrets.ts";
import { stores, storesToChange } from "../../../access/stores.ts";
import { loginRecord } from "../../../auth/credential.ts";
import { CodemieError } from "../../../core/errors.ts";
import { stopSignal } from "../../../platform/signals.ts";
import type { Vault } from "../../../vault/vault.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";

/** `codemie config path`. It does not read the file, so it also works for a damaged one. */
export const configPath = (cli: Cli) =>
  command({
    meta: { name: "path", description: "Print where the configuration file is" },
    examples: ["codemie config path"],
    args: {},
    async run() {
      const { file } = stores(cli.runtime).profiles;
      cli.output.result({ path: file }, () => [file]);
    },
  });

/** `codemie config reset`: moves the file aside; with `--credentials` also ends every login, at its host too. */
export const configReset = (cli: Cli) =>
  command({
    meta: { name: "reset", description: "Start anew: move the configuration aside, and remove the logins if you want" },
    examples: ["codemie config reset", "codemie config reset --credentials --yes"],
    args: {
      credentials: { type: "boolean", description: "remove the logins of all profiles too" },
      yes: { type: "boolean", alias: "y", description: "do not ask" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const { vault, profiles } = stores(runtime);
      if (!args.yes && !runtime.terminal.interactive) throw commandFailure.nobodyToAsk("reset the configuration");
      let credentials = args.credentials ?? false;
      if (!args.yes) {
        const stop = stopSignal();
        if (!(await output.confirm("move the configuration aside and start anew?", stop)))
          throw commandFailure.declined();
        credentials ||= await output.confirm("remove the logins of all profiles as well?", stop);
      }
      // A file that is damaged, or not ours, must not stop a reset: resets exist to get rid of it.
      const config = await profiles.read().catch((error: unknown) => {
        if (!(error instanceof CodemieError) || !["config_damaged", "vault_unreadable"].includes(error.code))
          throw error;
      });
      if (config) await storesToChange(runtime);
      const detail = { what: "reset", credentials: String(credentials) };
      const fact = { event: "config-changed", profile: "", host: "", detail } as const;
      const removed: string[] = [];
      const backup = await recorded(cli, vault, fact, async () => {
        for (const name of credentials ? await profilesWithLogin(vault) : []) {
          if ((await endLogin(cli, vault, name)).removed) removed.push(name);
          await moveLeftovers(vault, name, undefined);
        }
        return await profiles.reset(runtime.now());
      });
      sendLast(cli, config?.auditForward);
      output.result({ backup: backup ?? null, removed }, () => [
        backup ? `${output.paint("good", "✓")} the configuration was moved to ${backup}` : "there was no configuration",
        ...(removed.length ? [`  logged out: ${removed.join(", ")}`] : []),
      ]);
    },
  });

/** Names of all profiles that have a login in the vault, including those that the configuration does not list. */
async function profilesWithLogin(vault: Vault): Promise<string[]> {
  const prefix = loginRecord("");
  const names = (await vault.records()).map(({ name }) => name ?? "");
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}
