import { recorded } from "../../../access/audit.ts";
import { moveLeftovers } from "../../../access/legacy-secrets.ts";
import { storesToChange } from "../../../access/stores.ts";
import { loginRecord, storedLogin } from "../../../auth/credential.ts";
import { storeLogin } from "../../../auth/stored-login.ts";
import { profileName } from "../../../profiles/config.ts";
import { profileFailure } from "../../../profiles/failures.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";

/** `codemie profile rename OLD NEW`. Login, leftover secrets and the active mark move along. */
export const profileRename = (cli: Cli) =>
  command({
    meta: { name: "rename", description: "Give a profile another name; it keeps its login" },
    examples: ["codemie profile rename default work"],
    args: {
      old: { type: "positional", required: true, description: "its present name" },
      new: { type: "positional", required: true, description: "its new name" },
    },
    async run({ args }) {
      const { vault, profiles } = await storesToChange(cli.runtime);
      const [before, after] = [args.old, args.new];
      const { profiles: known } = await profiles.read();
      if (!Object.hasOwn(known, before)) throw profileFailure.none(before, Object.keys(known));
      if (!profileName.test(after)) throw profileFailure.badName(after);
      if (Object.hasOwn(known, after)) throw commandFailure.profileExists(after);

      const fact = {
        event: "config-changed",
        profile: after,
        host: "",
        detail: { what: "rename", from: before },
      } as const;
      await recorded(cli, vault, fact, async () => {
        // Copy the login first, remove the original last: at every moment in between the profile has a login.
        const [from, to] = [loginRecord(before), loginRecord(after)];
        await profiles.update(async (config) => {
          const profile = Object.hasOwn(config.profiles, before) ? config.profiles[before] : undefined;
          if (!profile) throw profileFailure.none(before, Object.keys(config.profiles));
          if (Object.hasOwn(config.profiles, after)) throw commandFailure.profileExists(after);
          await vault.locked(to, () => vault.remove(to)); // left by a profile of that name that is gone
          const login = await vault.read(from, storedLogin);
          if (login) await storeLogin(vault, after, login);
          delete config.profiles[before];
          config.profiles[after] = { ...profile, name: after };
          if (config.activeProfile === before) config.activeProfile = after;
        });
        await vault.locked(from, () => vault.remove(from));
        await moveLeftovers(vault, before, after);
      });
      const text = `${cli.output.paint("good", "✓")} profile ${before} is now ${after}`;
      cli.output.result({ from: before, to: after }, () => [text]);
    },
  });
