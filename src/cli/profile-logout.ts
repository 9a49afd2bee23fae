import { Api } from "../api/client.ts";
import { authorizeWithCookies } from "../auth/authorize.ts";
import { loginRecord, type StoredLogin } from "../auth/credential.ts";
import { previousLogin } from "../auth/login.ts";
import { revokeOidc } from "../auth/oidc.ts";
import { CodemieError } from "../core/errors.ts";
import { hostAt } from "../core/host.ts";
import type { Runtime } from "../platform/runtime.ts";
import { resolveProfile } from "../profiles/resolve.ts";
import type { Vault } from "../vault/vault.ts";
import { record } from "./auditing.ts";
import { type Cli, command, stores } from "./command.ts";
import { forProfile } from "./session.ts";
import { version } from "./version.ts";

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
      const { vault, profiles } = stores(runtime);
      const config = await profiles.read();
      const names = args.all
        ? Object.keys(config.profiles)
        : [resolveProfile(config, { profile: args.profile }, runtime.env, {}).name];
      const done: { profile: string; removed: boolean; endedAtHost: boolean }[] = [];
      for (const name of names) {
        const own = forProfile(cli, { name, profile: config.profiles[name] ?? {} });
        const ended = await logout(own, vault, name);
        done.push({ profile: name, removed: ended.removed, endedAtHost: ended.endedAtHost });
        if (!ended.removed) continue;
        const detail = { "ended-at-host": String(ended.endedAtHost) };
        await record(cli, vault, { event: "logout", profile: name, host: ended.host, outcome: "ok", detail });
      }
      output.result(done, () =>
        done.map(({ profile, removed, endedAtHost }) => {
          if (!removed) return `profile ${profile} was not logged in`;
          const remote = endedAtHost ? "the host ended the session" : "the host could not be asked to end the session";
          return `${output.paint("good", "✓")} profile ${profile} is logged out (${remote})`;
        }),
      );
    },
  });

/** The local login goes in any case: also when the host does not answer, or when the record or its key is damaged. */
async function logout({ runtime, output }: Cli, vault: Vault, profile: string) {
  const login = await previousLogin(vault, profile).catch((error: unknown) => {
    if (!(error instanceof CodemieError)) throw error;
    output.say.warn(error.message);
    return "damaged" as const;
  });
  if (login === undefined) return { removed: false, endedAtHost: false, host: "" };
  const name = loginRecord(profile);
  await vault.locked(name, () => vault.remove(name));
  if (login === "damaged") return { removed: true, endedAtHost: false, host: "" };
  return { removed: true, endedAtHost: await endAtOrigin(login, runtime), host: login.origin };
}

/** A session is ended at the host's front, tokens at their provider. */
async function endAtOrigin(login: StoredLogin, runtime: Runtime): Promise<boolean> {
  if (login.method === "oidc") return await revokeOidc(login, runtime);
  const authorize = authorizeWithCookies(login.cookies);
  return await new Api({ host: hostAt(login.origin), authorize, fetch: runtime.fetch, version }).signOut();
}
