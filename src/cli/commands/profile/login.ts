import { recorded } from "../../../access/audit.ts";
import { forProfile } from "../../../access/credentials.ts";
import { endReplaced } from "../../../access/end-login.ts";
import { accessFailure } from "../../../access/failures.ts";
import { storesToChange } from "../../../access/stores.ts";
import { type ClientProof, proofIn, proofPlace } from "../../../auth/client-proof.ts";
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
import { defaultScope, lackOf, type OidcClient, promptIn, rememberedClient } from "../../../auth/login/oidc.ts";
import { describe, previousLogin, samePerson, storeLogin } from "../../../auth/stored-login.ts";
import { asCodemieError, type CodemieError, failure } from "../../../core/errors.ts";
import { callbackIn, hostOfPage } from "../../../core/host.ts";
import { version } from "../../../core/version.ts";
import { stopSignal } from "../../../platform/signals.ts";
import type { Profile } from "../../../profiles/config.ts";
import { environmentForOthers } from "../../../profiles/environment.ts";
import { hostOf, type Method, methodOf, type Resolved, resolveProfile } from "../../../profiles/resolve.ts";
import { movedTo } from "../../../profiles/settings.ts";
import type { ProfileStore } from "../../../profiles/store.ts";
import { setupFailure } from "../../../setup/failures.ts";
import type { Vault } from "../../../vault/vault.ts";
import { readCallback } from "../../callback-flags.ts";
import { clientArgs, readClientProof } from "../../client-flags.ts";
import { type Cli, command } from "../../frame/command.ts";
import { callbackArgs, dialogueOf, loginOptionsOf, standardTime } from "../../frame/login-dialogue.ts";
import { commandFailure } from "../failures.ts";

/**
 * Asks for the host until one answers there that looks like CodeMie.
 *
 * @throws usage error where nobody can answer; `interrupted`
 */
async function askForHost({ runtime, output }: Cli): Promise<string> {
  if (!runtime.terminal.interactive || output.json) throw commandFailure.whichHost();
  const { realPrompts } = await import("../../../platform/prompts.ts");
  const { detect } = await import("../../../setup/detect.ts");
  const prompts = await realPrompts(stopSignal(), runtime.terminal.unicode);
  const words = ({ message, hint }: CodemieError) => [message, hint].filter(Boolean).join("; ");
  for (let initial = ""; ; ) {
    const answer = await prompts.text("Which CodeMie host?", {
      initial,
      placeholder: "codemie.example.com, as you open it in the browser",
      check: (typed) => {
        try {
          hostOfPage(typed);
          return undefined;
        } catch (error) {
          return words(asCodemieError(error));
        }
      },
    });
    if (typeof answer !== "string") throw failure.interrupted();
    const { origin } = hostOfPage(answer).host;
    try {
      const found = await output.during(`looking at ${origin}`, () => detect(answer, runtime));
      if (found.kind === "codemie") return answer;
      output.say.warn(words(commandFailure.noCodemie(origin)));
    } catch (error) {
      if (asCodemieError(error).exitCode !== 5) throw error;
      output.say.warn(words(asCodemieError(error)));
    }
    initial = answer;
  }
}

/** Reads the host that a person gives; where it is the address of a page, says what is used. @throws as {@link hostOfPage} */
function readHost({ output }: Cli, typed: string): string {
  const { host, note } = hostOfPage(typed);
  if (note) output.say.warn(note);
  return host.origin;
}

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
      timeout: { type: "string", valueHint: "SECONDS", description: `give up after this time${standardTime}` },
      issuer: { type: "string", valueHint: "URL", description: "log in at this OpenID provider instead" },
      "client-id": { type: "string", valueHint: "ID", description: "our client ID at that provider" },
      scope: { type: "string", valueHint: "'A B'", description: `scopes to request there (default ${defaultScope})` },
      prompt: {
        type: "string",
        valueHint: "VALUE",
        description: "what its pages ask: none, login, consent, select_account; default leaves it to the provider",
      },
      device: { type: "boolean", description: "log in with a device code, without a browser on this machine" },
      ...callbackArgs,
      ...clientArgs,
      yes: { type: "boolean", alias: "y", description: "replace another person's login, or a bearer token" },
    },
    async run({ args }) {
      const { env } = given.runtime;
      const { vault, profiles } = await storesToChange(given.runtime);
      const options = loginOptionsOf(args, env);
      const config = await profiles.read();
      if (args.host && args.url) throw commandFailure.twoHosts();
      const isKnown = Object.keys(config.profiles).length > 0 || env.CODEMIE_URL || env.CODEMIE_BASE_URL;
      const typed = (args.url ?? args.host) || (isKnown ? undefined : await askForHost(given));
      const url = typed && readHost(given, typed);
      const resolved = resolveProfile(config, { profile: args.profile, url }, env, {});
      if (methodOf(resolved.profile) === "api-key") throw accessFailure.notForProvider("browser login", resolved.name);
      const cli = forProfile(given, resolved);
      const { runtime, output } = cli;
      const host = resolved.host.value;
      const own = resolved.exists ? hostOf(resolved.profile) : undefined;
      if (own && own.origin !== host.origin) throw setupFailure.profileHasOtherHost(resolved.name, own.origin);
      const proof = await readClientProof(args, runtime);
      await vault.prepare();
      const before = await previousLogin(vault, resolved.name);
      const client = clientOf(args, resolved.profile, proof, before);
      const stop = stopSignal();
      // Flags of an OpenID login name the method; without them nobody asked for another one.
      if (resolved.exists && methodOf(resolved.profile) === "jwt" && !client && !args.yes) {
        await confirmOtherMethod(cli, resolved, stop);
      }

      const login = await recorded(
        cli,
        vault,
        { event: "login", profile: resolved.name, host: host.origin },
        async () => {
          const { login, asks } = await logIn<{ login: Login; asks: PersonalLogin | undefined }>(
            {
              host,
              profile: resolved.exists ? resolved.name : undefined,
              version,
              client,
              device: client?.device,
              runtime,
              dialogue: dialogueOf(cli, host.origin),
              ...options,
              browserEnv: environmentForOthers(
                { ...runtime, secretVariables: [args["client-secret-env"] ?? ""] },
                profiles,
              ),
              stop,
              stored: before,
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
              await store(cli, vault, profiles, resolved, login, client, before);
              return { result: { login, asks: undefined }, page: pages.loggedIn(who, host.origin) };
            },
          );
          if (asks) {
            const question = `profile ${resolved.name} belongs to ${describe(asks.identity)}; replace it with ${describe(login.identity)}?`;
            if (!(await output.confirm(question, stop))) {
              await endReplaced(cli, login, undefined);
              throw authFailure.otherPerson(describe(login.identity), describe(asks.identity), resolved.name);
            }
            await store(cli, vault, profiles, resolved, login, client, before);
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

/** Asks whether the profile shall no longer work with a bearer token. @throws usage error when that is not wanted */
async function confirmOtherMethod({ runtime, output }: Cli, { name }: Resolved, stop: AbortSignal): Promise<void> {
  const question = `profile ${name} works with a bearer token; log it in ${waysIn.sso} instead?`;
  if (runtime.terminal.interactive && (await output.confirm(question, stop))) return;
  throw commandFailure.otherMethod(name);
}

/** Ways to log in, as words behind "logs in". */
const waysIn: Readonly<Record<Method, string>> = {
  sso: "through the host's own single sign-on",
  oidc: "at an OpenID provider",
  jwt: "with a bearer token",
  "api-key": "with an API key",
};

/** Values of `prompt`, separated by blanks (OpenID Connect Core 1.0 section 3.1.2.1); providers have some of their own. */
const promptForm = /^[A-Za-z0-9_-]+( [A-Za-z0-9_-]+)*$/;

/** The OpenID client to log in with, by the flags, else by the profile; undefined: the host's own single sign-on. */
function clientOf(
  args: {
    [name in "issuer" | "client-id" | "scope" | "prompt" | "callback-host" | "callback-port"]: string | undefined;
  } & { [name in "device" | "dpop"]: boolean | undefined },
  profile: Profile,
  proof: ClientProof,
  before: StoredLogin | undefined | "damaged",
): OidcClient | undefined {
  const callback = readCallback(args["callback-host"], args["callback-port"]);
  const hasCallback = Object.keys(callback).length > 0;
  const hasProof = Object.keys(proof).length > 0;
  const issuer = args.issuer ?? profile.oidc?.issuer;
  const clientId = args["client-id"] ?? profile.oidc?.clientId;
  const isAsked = args.scope || args.prompt !== undefined || args.device || args.dpop || hasCallback || hasProof;
  if (!issuer && !clientId && !isAsked) return undefined;
  if (!issuer) throw commandFailure.issuerMissing();
  if (!clientId) throw commandFailure.clientIdMissing();
  const prompt = args.prompt ?? profile.oidc?.prompt;
  if (prompt && !promptForm.test(prompt)) throw commandFailure.badPrompt();
  const scope = args.scope ?? profile.oidc?.scope ?? defaultScope;
  // A secret goes to the provider and client that it was given for, and to no other.
  const isOf = (other: Pick<OidcClient, "issuer" | "clientId"> | undefined) =>
    !hasProof && other?.issuer === issuer && other.clientId === clientId;
  const remembered = isOf(profile.oidc) ? proofPlace(profile.oidc ?? {}) : {};
  const sealed = typeof before === "object" && before.method === "oidc" && isOf(before) ? proofIn(before) : {};
  // A provider that is named anew is a choice anew.
  const device = args.device || (args.issuer === undefined && profile.oidc?.device === true);
  const dpop = args.dpop || (args.issuer === undefined && profile.oidc?.dpop === true);
  const choices = { ...promptIn({ prompt }), device, dpop, ...callbackIn({ ...profile.oidc, ...callback }) };
  return { issuer, clientId, scope, ...choices, ...remembered, ...sealed, ...proof };
}

/** The kinds of login this command makes. */
type Login = SsoLogin | OidcLogin;

function isOtherPerson(before: StoredLogin | undefined | "damaged", now: Login): before is PersonalLogin {
  return typeof before === "object" && before.method !== "api-key" && !samePerson(before.identity, now.identity);
}

/** Stores the login first, then the profile: a profile never points at a login that was not stored. */
async function store(
  cli: Cli,
  vault: Vault,
  profiles: ProfileStore,
  resolved: Resolved,
  login: Login,
  client: OidcClient | undefined,
  before: StoredLogin | undefined | "damaged",
) {
  const { output } = cli;
  const kept = await storeLogin(vault, resolved.name, login);
  if (kept) output.say.warn(`the stored login was damaged and is kept as ${kept}`);
  const host = resolved.host.value;
  await profiles.update((config) => {
    const { jwtConfig: _, ...before } = movedTo(config.profiles[resolved.name] ?? {}, host.origin);
    config.profiles[resolved.name] = {
      name: resolved.name,
      ...before,
      provider: client ? "bearer-auth" : "ai-run-sso",
      codeMieUrl: host.origin,
      baseUrl: host.api,
      ...(client ? { oidc: rememberedClient(client) } : {}),
    };
    config.activeProfile = resolved.name;
  });
  await endReplaced(cli, before, login);
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
    ...(login.method === "oidc" ? { renewable: login.refreshToken !== undefined } : {}),
  };
  output.result(data, () => [
    `${output.paint("good", "✓")} logged in to ${login.origin} as ${output.paint("bold", describe(login.identity))}`,
    `  profile ${resolved.name}, now the active one`,
  ]);
  const lack = lackOf(login);
  if (lack) output.say.info(lack);
  if (runtime.terminal.interactive) {
    output.say.info(`${output.paint("dim", "next:", "err")} codemie-claude --task "say hello"`);
  }
}
