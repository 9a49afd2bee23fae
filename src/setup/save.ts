import type { StoredLogin } from "../auth/credential.ts";
import { authFailure } from "../auth/failures.ts";
import { rememberedClient } from "../auth/login/oidc.ts";
import { describe, previousLogin, samePerson, storeLogin } from "../auth/stored-login.ts";
import type { Profile } from "../profiles/config.ts";
import { movedTo } from "../profiles/settings.ts";
import type { ProfileStore } from "../profiles/store.ts";
import type { Draft, SetupContext } from "./draft.ts";
import { setupFailure } from "./failures.ts";

/** Members that set-up decides. It drops their old values, which would contradict the new ones. */
const decided: readonly string[] = [
  "provider",
  "authMethod",
  "codeMieUrl",
  "baseUrl",
  "oidc",
  "jwtConfig",
  "model",
  "codeMieProject",
  "codeMieIntegration",
];

/**
 * Stores the result of a set-up: the login first, then the profile that leads to it.
 *
 * @param replace true: replaces another person's login without asking
 * @returns the profile's name, and the file a damaged login was moved to, if there was one
 * @throws `other_person`, `interrupted`, usage error for a draft without host or name, and what the vault and the
 *   configuration file throw
 */
export async function save(
  draft: Draft,
  profiles: ProfileStore,
  context: SetupContext,
  replace: boolean,
): Promise<{ name: string; kept: string | undefined }> {
  const { host, name, held } = draft;
  if (!host || !name) throw setupFailure.nothingToSave();
  const { vault } = context;
  let kept: string | undefined;
  if (held && !held.passing) {
    await vault.prepare();
    if (!replace) await ask(held.login, name, context);
    kept = await storeLogin(vault, name, held.login);
  }
  await profiles.update((config) => {
    const before = Object.hasOwn(config.profiles, name) ? config.profiles[name] : undefined;
    const rest = Object.fromEntries(
      Object.entries(movedTo(before ?? {}, host.origin)).filter(([member]) => !decided.includes(member)),
    );
    config.profiles[name] = { ...rest, name, ...membersOf(draft) };
    config.activeProfile = name;
  });
  return { name, kept };
}

/** The members of a profile of this method, in the existing CLI's format (CodeMie fact 8.1). */
function membersOf({ host, method, provider, client, tokenEnv, model, project, integration }: Draft): Profile {
  const chosen = { model, codeMieProject: project, codeMieIntegration: integration && { ...integration } };
  if (host?.kind === "provider") return { ...defined(chosen), provider, authMethod: "api-key", baseUrl: host.api };
  const at = { ...defined(chosen), codeMieUrl: host?.origin, baseUrl: host?.api };
  switch (method) {
    case "jwt":
      return { ...at, provider: "bearer-auth", authMethod: "jwt", jwtConfig: defined({ tokenEnvVar: tokenEnv }) };
    case "oidc":
      return { ...at, provider: "bearer-auth", ...(client ? { oidc: rememberedClient(client) } : {}) };
    default:
      return { ...at, provider: "ai-run-sso" };
  }
}

function defined<T extends Record<string, unknown>>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}

/** Asks before a login replaces another person's. @throws `other_person` unless somebody says yes */
async function ask(now: StoredLogin, name: string, { vault, prompts }: SetupContext): Promise<void> {
  const before = await previousLogin(vault, name);
  if (typeof before !== "object" || before.method === "api-key" || now.method === "api-key") return;
  if (samePerson(before.identity, now.identity)) return;
  const [was, is] = [describe(before.identity), describe(now.identity)];
  const yes = await prompts?.confirm(`Profile ${name} belongs to ${was}. Replace it with ${is}?`, false);
  if (yes !== true) throw authFailure.otherPerson(is, was, name);
}
