import { type Env, isCi } from "../core/env.ts";
import { type Host, parseHost, parseProvider } from "../core/host.ts";
import { type Config, type Profile, profileName, type RepositoryProfile } from "./config.ts";
import { profileFailure } from "./failures.ts";
import { providerOf, providers } from "./providers.ts";

/** The source of a value. */
export type Source = "flag" | "environment" | "repository" | "profile" | "default";

/** A value with its source. */
export interface Sourced<T> {
  readonly value: T;
  readonly source: Source;
}

/** The choices that a command's flags make. */
export interface ProfileChoice {
  readonly profile?: string | undefined;
  readonly url?: string | undefined;
  readonly model?: string | undefined;
  /** seconds */
  readonly timeout?: number | undefined;
}

/** The profile that a command works with. */
export interface Resolved {
  readonly name: string;
  /** true: the profile is in the configuration file */
  readonly exists: boolean;
  readonly profile: Profile;
  readonly host: Sourced<Host>;
  readonly model: Sourced<string> | undefined;
  readonly project: Sourced<string> | undefined;
  /** seconds a request may wait for its first byte, 0 for ever */
  readonly timeout: Sourced<number>;
}

/** The profile that a command works with, whether it has a host or not. */
export type Settled = Omit<Resolved, "host"> & { readonly host: Sourced<Host> | undefined };

/**
 * Decides profile, host and settings: flag over environment over repository over profile over default.
 *
 * Without a named profile, a host from flag or environment picks a profile of that host, the active one first. A
 * profile named by flag keeps its own host, unless a flag gives a host too; with one named by `CODEMIE_PROFILE`,
 * `CODEMIE_URL` counts as well.
 *
 * @throws `auth_needed` when nothing names a host; usage errors: a bearer token without a host, no such profile, a
 *   profile of another service, and as {@link settleProfile}
 */
export function resolveProfile(
  config: Config,
  choice: ProfileChoice,
  env: Env,
  repository: RepositoryProfile,
): Resolved {
  const settled = settleProfile(config, choice, env, repository);
  const { host, name, profile, exists } = settled;
  if (host) return { ...settled, host };
  if (!exists && Object.keys(config.profiles).length > 0) throw profileFailure.none(name, Object.keys(config.profiles));
  if (!isCodemie(profile)) throw profileFailure.otherService(name, profile.provider ?? "");
  throw env.CODEMIE_JWT_TOKEN || env.CODEMIE_JWT_TOKEN_FILE || env.CODEMIE_ID_TOKEN
    ? profileFailure.tokenWithoutHost()
    : profileFailure.noHost(isCi(env));
}

/**
 * As {@link resolveProfile}, for commands that need no host.
 *
 * @throws usage errors: no such profile, not a profile's name, two variables that contradict each other, an address
 *   that cannot be used
 */
export function settleProfile(config: Config, choice: ProfileChoice, env: Env, repository: RepositoryProfile): Settled {
  const askedName = choice.profile ?? (env.CODEMIE_PROFILE || undefined);
  const variable = choice.profile === undefined && askedName !== undefined ? "CODEMIE_PROFILE" : undefined;
  const askedHost = hostAskedFor(choice.profile === undefined ? env : {}, choice.url);
  const name = askedName ?? pickName(config, askedHost?.value);
  const known = Object.hasOwn(config.profiles, name) ? config.profiles[name] : undefined;
  if (!known && !profileName.test(name)) throw profileFailure.badName(name, variable);
  if (askedName !== undefined && !known && !askedHost) {
    throw profileFailure.none(name, Object.keys(config.profiles), variable);
  }
  const profile: Profile = known ?? {};
  const own = askedHost ? undefined : hostOf(profile);
  return {
    name,
    exists: known !== undefined,
    profile,
    host: askedHost ?? (own && { value: own, source: "profile" as const }),
    model: first([
      ["flag", choice.model],
      ["environment", env.CODEMIE_MODEL],
      ["repository", repository.model],
      ["profile", profile.model],
    ]),
    project: first([
      ["environment", env.CODEMIE_PROJECT],
      ["repository", repository.codeMieProject],
      ["profile", profile.codeMieProject],
    ]),
    timeout: first([
      ["flag", choice.timeout],
      ["profile", profile.timeout],
    ]) ?? { value: 0, source: "default" },
  };
}

/**
 * @returns the host a profile belongs to, or undefined when it names none
 * @throws usage error when its address cannot be used
 */
export function hostOf(profile: Profile): Host | undefined {
  const provider = providerOf(profile.provider);
  if (provider) {
    const url = profile.baseUrl ?? providers[provider].url;
    return url === undefined ? undefined : parseProvider(url);
  }
  if (!isCodemie(profile)) return undefined;
  const url = profile.codeMieUrl ?? profile.baseUrl;
  return url === undefined ? undefined : parseHost(url);
}

/** True when `provider` is a CodeMie host's; every other value is some service that gets no credential of ours. */
export const isCodemie = ({ provider }: Profile) =>
  provider === undefined || provider === "ai-run-sso" || provider === "bearer-auth";

/** @returns the host as {@link hostOf}, or undefined when its address cannot be used: to show or skip a profile */
export function usableHostOf(profile: Profile): Host | undefined {
  try {
    return hostOf(profile);
  } catch {
    return undefined;
  }
}

/** How a profile logs in. */
export const methods = ["sso", "oidc", "jwt", "api-key"] as const;
export type Method = (typeof methods)[number];

/** The variable that holds the bearer token, unless the profile names another one. */
export const tokenVariable = "CODEMIE_JWT_TOKEN";

/** The variable that names a file with the bearer token. */
export const tokenFileVariable = "CODEMIE_JWT_TOKEN_FILE";

/** The variable that names the source of the job's identity token. */
export const identityVariable = "CODEMIE_ID_TOKEN";

/** @returns the method by which a profile logs in */
export function methodOf(profile: Profile): Method {
  if (providerOf(profile.provider)) return "api-key";
  if (profile.oidc) return "oidc";
  return profile.jwtConfig ? "jwt" : "sso";
}

/**
 * @returns the host that a flag or the environment asks for, or undefined
 * @throws usage error when it is no address, or when two variables contradict each other
 */
export function hostAskedFor(env: Env, url: string | undefined): Sourced<Host> | undefined {
  if (url !== undefined) return { value: parseHost(url), source: "flag" };
  const [a, b] = [env.CODEMIE_URL, env.CODEMIE_BASE_URL];
  const given = a || b;
  if (!given) return undefined;
  const host = parseHost(given);
  if (a && b && parseHost(b).origin !== host.origin) throw profileFailure.hostsDiffer(a, b);
  return { value: host, source: "environment" };
}

/**
 * @param host the wanted host, if flag or environment gives one
 * @returns the name of the profile to use when none was named: the active one, unless another host is wanted; then a
 *   profile of that host, or a new name for one
 */
export function pickName(config: Config, host: Host | undefined): string {
  const active = config.activeProfile ?? Object.keys(config.profiles)[0];
  if (!host) return active ?? "default";
  const belongs = (name: string | undefined) => {
    const own = name === undefined ? undefined : usableHostOf(config.profiles[name] ?? {});
    return own?.kind === host.kind && own.origin === host.origin;
  };
  if (active !== undefined && belongs(active)) return active;
  const other = Object.keys(config.profiles).find(belongs);
  if (other) return other;
  if (Object.keys(config.profiles).length === 0) return "default";
  return freeName(hostName(host), config);
}

/** @returns a host's name, in a form that a profile's name may have */
export function hostName(host: Host | undefined): string {
  return host ? new URL(host.origin).host.replace(/[^A-Za-z0-9.-]/g, "-").replace(/^[^A-Za-z0-9]+/, "") : "profile";
}

/** @returns the wanted name, with a number at its end when a profile has that name already */
export function freeName(wanted: string, config: Config): string {
  let name = wanted.slice(0, 60);
  for (let n = 2; Object.hasOwn(config.profiles, name); n++) name = `${wanted.slice(0, 60)}-${n}`;
  return name;
}

function first<T extends string | number>(candidates: [Source, T | undefined][]): Sourced<T> | undefined {
  for (const [source, value] of candidates) if (value !== undefined && value !== "") return { value, source };
  return undefined;
}
