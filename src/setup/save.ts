import { loginRecord, type StoredLogin, storedLogin } from "../auth/credential.ts";
import { describe, previousLogin, storeLogin } from "../auth/login.ts";
import { failure } from "../core/errors.ts";
import type { Profile } from "../profiles/config.ts";
import type { ProfileStore } from "../profiles/store.ts";
import type { Context, Draft } from "./draft.ts";

/** What a profile of another method held; it would contradict the new one. */
const methodMembers = ["oidc", "jwtConfig", "authMethod", "codeMieUrl", "baseUrl", "provider"] as const;

/**
 * Stores what was set up: the login first, then the profile that leads to it.
 *
 * @param replace true: another person's login may be replaced without asking
 * @returns the profile's name, and the file a damaged login was moved to, if there was one
 * @throws `other_person`, `interrupted`, what the vault and the configuration's file throw
 */
export async function save(
  draft: Draft,
  profiles: ProfileStore,
  context: Context,
  replace: boolean,
): Promise<{ name: string; kept: string | undefined }> {
  const { host, name, held, keeps } = draft;
  if (!host || !name) throw failure.usage("there is nothing to save");
  const { vault } = context;
  const login = held && !held.passing ? held.login : keeps && keeps !== name ? await stored(keeps, context) : undefined;
  let kept: string | undefined;
  if (login) {
    await vault.prepare();
    if (!replace) await ask(login, name, context);
    kept = await storeLogin(vault, name, login);
  }
  await profiles.update((config) => {
    const before = config.profiles[name] ?? draft.before;
    const rest = Object.fromEntries(Object.entries(before).filter(([key]) => !methodMembers.includes(key as never)));
    config.profiles[name] = { ...rest, name, ...membersOf(draft) };
    for (const member of ["model", "codeMieProject", "codeMieIntegration"] as const) {
      if (config.profiles[name]?.[member] === undefined) delete config.profiles[name]?.[member];
    }
    config.activeProfile = name;
  });
  return { name, kept };
}

async function stored(profile: string, { vault }: Context): Promise<StoredLogin | undefined> {
  return await vault.read(loginRecord(profile), storedLogin);
}

/** The members a profile has by its method, in the existing CLI's format (CodeMie fact 8.1). */
function membersOf({ host, method, provider, client, tokenEnv, model, project, integration }: Draft): Profile {
  const chosen = { model, codeMieProject: project, codeMieIntegration: integration && { ...integration } };
  if (host?.kind === "provider") return { ...defined(chosen), provider, authMethod: "api-key", baseUrl: host.api };
  const at = { ...defined(chosen), codeMieUrl: host?.origin, baseUrl: host?.api };
  switch (method) {
    case "jwt":
      return { ...at, provider: "bearer-auth", authMethod: "jwt", jwtConfig: defined({ tokenEnvVar: tokenEnv }) };
    case "oidc":
      return { ...at, provider: "bearer-auth", ...(client ? { oidc: { ...client } } : {}) };
    default:
      return { ...at, provider: "ai-run-sso" };
  }
}

function defined<T extends Record<string, unknown>>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}

/** A login that takes another person's place is asked about. */
async function ask(now: StoredLogin, name: string, { vault, prompts }: Context): Promise<void> {
  const before = await previousLogin(vault, name);
  if (typeof before !== "object" || before.method === "api-key" || now.method === "api-key") return;
  if (before.identity.id === now.identity.id) return;
  const [was, is] = [describe(before.identity), describe(now.identity)];
  const yes = await prompts?.confirm(`Profile ${name} belongs to ${was}. Replace it with ${is}?`, false);
  if (yes !== true) throw failure.otherPerson(is, was, name);
}
