import { recorded } from "../../../access/audit.ts";
import { forProfile } from "../../../access/credentials.ts";
import { accessFailure } from "../../../access/failures.ts";
import { storesToChange } from "../../../access/stores.ts";
import {
  expiryOf,
  type OidcLogin,
  type PersonalLogin,
  type SsoLogin,
  type StoredLogin,
} from "../../../auth/credential.ts";
import { authFailure } from "../../../auth/failures.ts";
import { pages } from "../../../auth/login/callback-page.ts";
import { logIn } from "../../../auth/login/index.ts";
import { defaultScope, type OidcClient } from "../../../auth/login/oidc.ts";
import { describe, previousLogin, samePerson, storeLogin } from "../../../auth/stored-login.ts";
import { version } from "../../../core/version.ts";
import { stopSignal } from "../../../platform/signals.ts";
import type { Profile } from "../../../profiles/config.ts";
import { environmentForOthers } from "../../../profiles/environment.ts";
import { hostOf, type Method, methodOf, type Resolved, resolveProfile } from "../../../profiles/resolve.ts";
import type { ProfileStore } from "../../../profiles/store.ts";
import { setupFailure } from "../../../setup/failures.ts";
import type { Vault } from "../../../vault/vault.ts";
import { type Cli, command } from "../../frame/command.ts";
import { dialogueOf, timeoutMsOf } from "../../frame/login-dialogue.ts";
import { commandFailure } from "../failures.ts";

/**
 * `codemie profile login`: logs in, has the host confirm who that is, stores the login, then makes the profile active.
 * A login of another person replaces the stored one only after a yes, or with `--yes`.
 */
export const profileLogin = (given: Cli) =>
  command({
    meta: { name: "login", description: "Log in through the browser and make the profile the active one" },
    examples: [
      "codemie profile login codemie.example.com",
      "codemie profile login --profile work --url https://codemie.example.com",
      "codemie profile login --no-browser",
      "codemie profile login --issuer https://sso.example.com --client-id codemie --device",
    ],
    args: {
      host: { type: "positional", required: false, description: "CodeMie host, as with --url" },
      url: { type: "string", valueHint: "URL", description: "CodeMie host, as you open it in the browser" },
      profile: { type: "string", valueHint: "NAME", description: "profile to log in" },
      browser: { type: "boolean", default: true, negativeDescription: "print the URL instead of opening a browser" },
      timeout: { type: "string", valueHint: "SECONDS", default: "120", description: "give up after this time" },
      issuer: { type: "string", valueHint: "URL", description: "log in at this OpenID provider instead" },
      "client-id": { type: "string", valueHint: "ID", description: "our client ID at that provider" },
      scope: { type: "string", valueHint: "'A B'", description: `scopes to request there (default ${defaultScope})` },
      device: { type: "boolean", description: "log in with a device code, without a browser on this machine" },
      yes: { type: "boolean", alias: "y", description: "replace the login even if it belongs to another person" },
    },
    async run({ args }) {
      const { env } = given.runtime;
      const { vault, profiles } = await storesToChange(given.runtime);
      const timeoutMs = timeoutMsOf(args.timeout);
      const config = await profiles.read();
      if (args.host && args.url) throw commandFailure.twoHosts();
      const url = args.url ?? args.host;
      const named = url || env.CODEMIE_URL || env.CODEMIE_BASE_URL;
      if (!named && Object.keys(config.profiles).length === 0) throw commandFailure.whichHost();
      const resolved = resolveProfile(config, { profile: args.profile, url }, env, {});
      if (methodOf(resolved.profile) === "api-key") throw accessFailure.notForProvider("browser login", resolved.name);
      const cli = forProfile(given, resolved);
      const { runtime, output } = cli;
      const host = resolved.host.value;
      const own = resolved.exists ? hostOf(resolved.profile) : undefined;
      if (own && own.origin !== host.origin) throw setupFailure.profileHasOtherHost(resolved.name, own.origin);
      await vault.prepare();
      const before = await previousLogin(vault, resolved.name);
      const stop = stopSignal();

      const client = clientOf(args, resolved.profile);
      const login = await recorded(
        cli,
        vault,
        { event: "login", profile: resolved.name, host: host.origin },
        async () => {
          const { login, asks } = await logIn<{ login: Login; asks: PersonalLogin | undefined }>(
            {
              host,
              version,
              client,
              device: args.device,
              runtime,
              dialogue: dialogueOf(cli, host.origin),
              timeoutMs,
              mayOpenBrowser: args.browser,
              browserEnv: environmentForOthers(runtime, profiles),
              stop,
            },
            async (login) => {
              const who = describe(login.identity);
              if (isOtherPerson(before, login) && !args.yes) {
                if (!runtime.terminal.interactive) {
                  throw authFailure.otherPerson(who, describe(before.identity), resolved.name);
                }
                const page = pages.otherPerson(who);
                return { result: { login, asks: before }, page, isDoubtful: true };
              }
              await store(cli, vault, profiles, resolved, login, client);
              return { result: { login, asks: undefined }, page: pages.loggedIn(who, host.origin) };
            },
          );
          if (asks) {
            const question = `profile ${resolved.name} belongs to ${describe(asks.identity)}; replace it with ${describe(login.identity)}?`;
            if (!(await output.confirm(question, stop))) {
              throw authFailure.otherPerson(describe(login.identity), describe(asks.identity), resolved.name);
            }
            await store(cli, vault, profiles, resolved, login, client);
          }
          return login;
        },
        (login) => ({ method: login.method, person: describe(login.identity) }),
      );
      const [was, is] = [methodOf(resolved.profile), login.method];
      if (resolved.exists && was !== is) {
        output.say.warn(`profile ${resolved.name} now logs in ${waysIn[is]}; before, ${waysIn[was]}`);
      }
      report(cli, resolved, login);
    },
  });

/** Ways to log in, as words behind "logs in". */
const waysIn: Readonly<Record<Method, string>> = {
  sso: "through the host's own single sign-on",
  oidc: "at an OpenID provider",
  jwt: "with a bearer token",
  "api-key": "with an API key",
};

/** The OpenID client to log in with, by the flags, else by the profile; undefined: the host's own single sign-on. */
function clientOf(
  args: { [name in "issuer" | "client-id" | "scope"]: string | undefined } & { device: boolean | undefined },
  profile: Profile,
): OidcClient | undefined {
  const issuer = args.issuer ?? profile.oidc?.issuer;
  const clientId = args["client-id"] ?? profile.oidc?.clientId;
  if (!issuer && !clientId && !args.scope && !args.device) return undefined;
  if (!issuer) throw commandFailure.issuerMissing();
  if (!clientId) throw commandFailure.clientIdMissing();
  return { issuer, clientId, scope: args.scope ?? profile.oidc?.scope ?? defaultScope };
}

/** The kinds of login this command makes. */
type Login = SsoLogin | OidcLogin;

function isOtherPerson(before: StoredLogin | undefined | "damaged", now: Login): before is PersonalLogin {
  return typeof before === "object" && before.method !== "api-key" && !samePerson(before.identity, now.identity);
}

/** Stores the login first, then the profile: a profile never points at a login that was not stored. */
async function store(
  { output }: Cli,
  vault: Vault,
  profiles: ProfileStore,
  resolved: Resolved,
  login: Login,
  client: OidcClient | undefined,
) {
  const kept = await storeLogin(vault, resolved.name, login);
  if (kept) output.say.warn(`the stored login was damaged and is kept as ${kept}`);
  const host = resolved.host.value;
  await profiles.update((config) => {
    const { jwtConfig: _, ...before } = config.profiles[resolved.name] ?? {};
    config.profiles[resolved.name] = {
      name: resolved.name,
      ...before,
      provider: client ? "bearer-auth" : "ai-run-sso",
      codeMieUrl: host.origin,
      baseUrl: host.api,
      ...(client ? { oidc: { ...client } } : {}),
    };
    config.activeProfile = resolved.name;
  });
}

function report({ runtime, output }: Cli, resolved: Resolved, login: Login): void {
  const expiry = expiryOf(login);
  const data = {
    profile: resolved.name,
    method: login.method,
    url: login.origin,
    authenticated: true,
    user: { name: login.identity.name, email: login.identity.email },
    expiresAt: expiry.at === null ? null : new Date(expiry.at).toISOString(),
    expiresFrom: expiry.from,
  };
  output.result(data, () => [
    `${output.paint("good", "✓")} logged in to ${login.origin} as ${output.paint("bold", describe(login.identity))}`,
    `  profile ${resolved.name}, now the active one`,
  ]);
  if (runtime.terminal.interactive) {
    output.say.info(`${output.paint("dim", "next:", "err")} codemie-claude --task "say hello"`);
  }
}
