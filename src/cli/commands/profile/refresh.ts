import { recorded } from "../../../access/audit.ts";
import { brokerFor, callApi, forProfile } from "../../../access/credentials.ts";
import { accessFailure } from "../../../access/failures.ts";
import { givenIn } from "../../../access/given.ts";
import { stores } from "../../../access/stores.ts";
import { expiryOf, type PersonalLogin, type StoredLogin } from "../../../auth/credential.ts";
import { loginAgain } from "../../../auth/login/again.ts";
import { problemOf } from "../../../auth/renew-login.ts";
import type { Renewal } from "../../../auth/renewal.ts";
import { describe } from "../../../auth/stored-login.ts";
import { CodemieError } from "../../../core/errors.ts";
import { version } from "../../../core/version.ts";
import { stopSignal } from "../../../platform/signals.ts";
import { environmentForOthers } from "../../../profiles/environment.ts";
import { methodOf, resolveProfile } from "../../../profiles/resolve.ts";
import { type Cli, command } from "../../frame/command.ts";
import { dialogueOf, loginOptionsOf, standardTime } from "../../frame/login-dialogue.ts";
import { commandFailure } from "../failures.ts";

/** How a refresh went. */
type Outcome = "renewed" | "valid" | "logged-in";

/** `codemie profile refresh`. The browser opens only with `--force`, or when the session is no longer valid. */
export const profileRefresh = (given: Cli) =>
  command({
    meta: { name: "refresh", description: "Renew the session; open a browser only when it must" },
    examples: ["codemie profile refresh", "codemie profile refresh --force"],
    args: {
      profile: { type: "string", valueHint: "NAME", description: "profile to refresh" },
      force: { type: "boolean", description: "log in anew even if the session is valid" },
      browser: { type: "boolean", default: true, negativeDescription: "print the URL instead of opening a browser" },
      timeout: { type: "string", valueHint: "SECONDS", description: `give up after this time${standardTime}` },
    },
    async run({ args }) {
      const { vault, profiles } = stores(given.runtime);
      const options = loginOptionsOf(args, given.runtime.env);
      const config = await profiles.read();
      const resolved = resolveProfile(config, { profile: args.profile }, given.runtime.env, {});
      const cli = forProfile(given, resolved);
      const { runtime, output } = cli;
      const host = resolved.host.value;
      const method = methodOf(resolved.profile);
      if (method === "api-key") throw accessFailure.notForProvider("session to renew", resolved.name);
      if (givenIn(runtime.env, resolved)) throw commandFailure.tokenNotRenewable();
      if (method === "jwt") throw commandFailure.notForToken("session to renew", resolved.name);
      const broker = brokerFor(cli, vault, resolved);

      /** Renews without a person, and has the backend prove the result. Undefined: only a new login helps. */
      let found: Renewal<StoredLogin> | undefined;
      const quietly = async (): Promise<Outcome | undefined> => {
        found = await output.awaiting(host.origin, () => broker.probe());
        const problem = problemOf(await broker.stored(), found);
        try {
          await callApi(cli, broker, host, (api) => api.user());
          if (problem?.exitCode === 5) throw problem;
          return found.kind === "renewed" ? "renewed" : "valid";
        } catch (error) {
          if (error instanceof CodemieError && error.code === "auth_expired") return undefined;
          throw error;
        }
      };
      let outcome = args.force ? undefined : await quietly();
      if (!outcome) {
        // A code that nobody reads would be waited for in vain.
        const device = resolved.profile.oidc?.device === true && runtime.terminal.interactive;
        await vault.prepare();
        const dialogue = dialogueOf(cli, host.origin);
        const stop = stopSignal();
        const fact = { event: "refresh", profile: resolved.name, host: host.origin } as const;
        const renewal = {
          host,
          version,
          runtime,
          dialogue,
          ...options,
          oidc: resolved.profile.oidc,
          device,
          browserEnv: environmentForOthers(runtime, profiles),
          stop,
        };
        await recorded(cli, vault, fact, () => loginAgain(vault, resolved.name, renewal));
        outcome = "logged-in";
      }
      const { login } = await broker.current();
      if (login.method === "api-key") throw accessFailure.notForProvider("session to renew", resolved.name);
      await report(cli, resolved.name, login, outcome, found);
    },
  });

/** @param found the answer of host or provider to the renewal without a person, if it was asked for one */
async function report(
  { output }: Cli,
  profile: string,
  login: PersonalLogin,
  outcome: Outcome,
  found: Renewal<StoredLogin> | undefined,
): Promise<void> {
  const expiry = expiryOf(login);
  const data = {
    profile,
    url: login.origin,
    outcome,
    expiresAt: expiry.at === null ? null : new Date(expiry.at).toISOString(),
    expiresFrom: expiry.from,
  };
  const words: Record<Outcome, string> = {
    renewed: "the session is renewed",
    valid: `the session is valid; ${unrenewed(login, found)}`,
    "logged-in": `logged in anew as ${describe(login.identity)}`,
  };
  if (outcome === "valid" && found && "error" in found && found.error) {
    output.say.warn([found.error.message, found.error.hint].filter(Boolean).join("; "));
  }
  output.result(data, () => [`${output.paint("good", "✓")} ${login.origin}: ${words[outcome]}`]);
  if (outcome === "logged-in" && login.method === "oidc") {
    const { lackOf } = await import("../../../auth/login/oidc.ts");
    const lack = lackOf(login);
    if (lack) output.say.info(lack);
  }
}

/** Says why a valid session was not renewed. */
function unrenewed({ method }: PersonalLogin, found: Renewal<StoredLogin> | undefined): string {
  if (method === "oidc" && found?.kind === "ended")
    return "the provider no longer renews it: log in anew when it ends, or now with --force";
  if (method === "oidc" && found?.kind === "unknown") return "it could not be renewed now";
  return "the host does not renew it now, so there is nothing to do";
}
