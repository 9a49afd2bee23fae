import { forProfile } from "../../../access/credentials.ts";
import { type Ended, endLogin } from "../../../access/end-login.ts";
import { storesToChange } from "../../../access/stores.ts";
import { hostOf, type Method, resolveProfile } from "../../../profiles/resolve.ts";
import { type Cli, command } from "../../frame/command.ts";

/** `codemie profile logout`. It exits 0 even if the profile was not logged in, or its host did not answer. */
export const profileLogout = (cli: Cli) =>
  command({
    meta: { name: "logout", description: "End the session at the host and remove it here" },
    examples: ["codemie profile logout", "codemie profile logout --all"],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "profile to log out" },
      all: { type: "boolean", description: "every profile" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const { vault, profiles } = await storesToChange(runtime);
      const config = await profiles.read();
      const names = args.all
        ? Object.keys(config.profiles)
        : [resolveProfile(config, { profile: args.profile }, runtime.env, {}).name];
      const done: Ended[] = [];
      for (const name of names) {
        const own = forProfile(cli, { name, profile: config.profiles[name] ?? {} });
        const where = hostOf(config.profiles[name] ?? {})?.origin ?? name;
        done.push(await output.awaiting(where, () => endLogin(own, vault, name)));
      }
      const data = done.map(({ method: _, ...said }) => said);
      output.result(data, () =>
        done.map(({ profile, removed, endedAtHost, method, left }) => {
          if (!removed) return `profile ${profile} was not logged in`;
          const remote = endedAtHost ? endedBy(method) : (left ?? leftOver(method));
          return `${output.paint("good", "✓")} profile ${profile} is logged out (${remote})`;
        }),
      );
    },
  });

const endedBy = (method: Method | undefined) =>
  method === "oidc" ? "the provider ended the login" : "the host ended the session";

/** Says what the host or provider still accepts after a logout that it did not take part in. */
function leftOver(method: Method | undefined): string {
  if (method === "api-key") return "the key itself stays valid until its provider revokes it";
  if (method === "jwt") return "the token itself stays valid until it expires";
  return "the host could not be asked to end the session";
}
