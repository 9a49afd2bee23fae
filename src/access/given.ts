import { resolve } from "node:path";
import { readApiKey } from "../auth/api-key.ts";
import { endsSoon } from "../auth/bearer-token.ts";
import { unrenewedEnd } from "../auth/credential.ts";
import type { Credentials, Lease } from "../auth/credentials.ts";
import { authFailure } from "../auth/failures.ts";
import { longestTokenFile, type TokenSource } from "../auth/given-token.ts";
import { type GivenIdentity, type IdentityExchange, parseIdentitySource } from "../auth/identity-source.ts";
import type { Env } from "../core/env.ts";
import type { Secret } from "../core/secret.ts";
import { when } from "../core/text.ts";
import { readNamedText } from "../platform/foreign-files.ts";
import { stateOf } from "../platform/path-state.ts";
import { isDescriptor, requireAbsolute } from "../platform/places.ts";
import {
  identityVariable,
  type Resolved,
  tokenFileVariable,
  tokenVariable,
  usableHostOf,
} from "../profiles/resolve.ts";
import { clearKeyOf } from "../profiles/secrets.ts";
import type { Context } from "./context.ts";
import { accessFailure } from "./failures.ts";

/** The parts of a resolved profile that decide its credentials. */
export type Whose = Pick<Resolved, "name" | "profile" | "host">;

/** A credential that is given for this run and stored nowhere. It takes precedence over a stored login. */
export type Given =
  | TokenSource
  | GivenIdentity
  | { readonly kind: "key"; readonly key: Secret; readonly from: "run" | "file" };

/**
 * Reads the credential that the environment gives for this run: a key for a model provider, a bearer token for a
 * CodeMie host.
 *
 * @returns the key, or the source of the token; undefined when there is none
 * @throws usage error for an unusable key, or for a relative path to a token
 */
export function givenIn(env: Env, whose: Whose): Given | undefined {
  const host = whose.host.value;
  if (host.kind === "provider") {
    // A configuration file of the existing CLI may hold the key in clear until a command changes something.
    const key = env.CODEMIE_API_KEY || clearKeyOf(whose.profile);
    return key ? { kind: "key", key: readApiKey(key), from: env.CODEMIE_API_KEY ? "run" : "file" } : undefined;
  }
  // The variable chosen at set-up holds a token for the profile's own host. Do not send it to another host given now.
  const chosen = usableHostOf(whose.profile)?.origin === host.origin ? whose.profile.jwtConfig?.tokenEnvVar : undefined;
  for (const variable of [chosen, tokenVariable]) {
    const text = variable && env[variable];
    if (text) return { kind: "text", text, variable };
  }
  const file = env[tokenFileVariable];
  if (file) return { kind: "file", path: requireAbsolute(tokenFileVariable, file), variable: tokenFileVariable };
  const identity = env[identityVariable];
  return identity ? { ...identityFrom(identity, identityVariable, whose), variable: identityVariable } : undefined;
}

/** Flags that say how a job's identity becomes a credential. */
export interface IdentityFlags {
  /** `github`, `env:NAME` or `file:PATH` */
  readonly idToken?: string | undefined;
  readonly audience?: string | undefined;
  readonly issuer?: string | undefined;
  readonly clientId?: string | undefined;
  readonly scope?: string | undefined;
}

/**
 * @param text the value of `--id-token`, or of its variable
 * @param from which of the two
 * @returns the identity: for the host, or to be exchanged where flags or the host's own profile name a provider and a client
 */
function identityFrom(text: string, from: string, whose: Whose, flags: IdentityFlags = {}): GivenIdentity {
  const exchange = exchangeFor(whose, flags);
  const audience = flags.audience ?? exchange?.issuer ?? whose.host.value.origin;
  return { kind: "identity", source: parseIdentitySource(text, from), audience, exchange };
}

/** Scopes that a person's login asks for (OpenID Connect Core 1.0 sections 5.4 and 11): they mean nothing for a job. */
const personal = ["openid", "profile", "email", "address", "phone", "offline_access"];

function exchangeFor({ profile, host }: Whose, flags: IdentityFlags): IdentityExchange | undefined {
  // The profile's provider gives tokens for the profile's own host.
  const own = usableHostOf(profile)?.origin === host.value.origin ? profile.oidc : undefined;
  const issuer = flags.issuer ?? own?.issuer;
  const clientId = flags.clientId ?? own?.clientId;
  if (issuer === undefined && clientId === undefined) return undefined;
  if (issuer === undefined || clientId === undefined) throw accessFailure.exchangeIncomplete();
  const kept = own?.scope?.split(" ").filter((one) => one !== "" && !personal.includes(one));
  return { issuer, clientId, scope: flags.scope ?? (kept?.join(" ") || undefined) };
}

/** Flags that give a credential for this run. */
export interface CredentialFlags extends IdentityFlags {
  /** the token itself, or `-` for standard input */
  readonly jwtToken: string | undefined;
  readonly jwtTokenFile: string | undefined;
  readonly apiKey: string | undefined;
}

/**
 * Reads the credential given for this run: flag over environment. It is stored nowhere.
 *
 * @returns the credential; a token from a pipe or file descriptor is read now, since nobody can read it again; undefined
 *   when none is given
 * @throws usage error as {@link givenIn}, or for a bearer token for a model provider; `auth_needed` for a missing
 *   descriptor
 */
export async function givenToRun(context: Context, asked: CredentialFlags, whose: Whose): Promise<Given | undefined> {
  const given = await askedFor(context, asked, whose);
  if (given?.kind !== "file") return given;
  const isOnce = isDescriptor(given.path) || (await stateOf(given.path).catch(() => undefined))?.kind === "other";
  if (!isOnce) return given;
  const text = await readNamedText(given.path, longestTokenFile);
  if (text === undefined) throw authFailure.tokenFileMissing(given.path);
  return { kind: "text", text, variable: given.variable };
}

async function askedFor({ runtime }: Context, asked: CredentialFlags, whose: Whose): Promise<Given | undefined> {
  const identity = identityAskedFor(runtime.env, asked, whose);
  if (identity) return identity;
  if (asked.apiKey !== undefined) return { kind: "key", key: readApiKey(asked.apiKey), from: "run" };
  const asksForToken = asked.jwtToken !== undefined || asked.jwtTokenFile !== undefined;
  if (asksForToken && whose.host.value.kind === "provider")
    throw accessFailure.notForProvider("bearer token", whose.name);
  if (asked.jwtToken === "-") return { kind: "text", text: await runtime.terminal.readAll() };
  if (asked.jwtToken !== undefined) return { kind: "text", text: asked.jwtToken };
  if (asked.jwtTokenFile !== undefined) return { kind: "file", path: resolve(runtime.cwd, asked.jwtTokenFile) };
  return givenIn(runtime.env, whose);
}

/** @throws usage error for flags that contradict each other, or that say how to use an identity that is not there */
function identityAskedFor(env: Env, asked: CredentialFlags, whose: Whose): GivenIdentity | undefined {
  const { idToken, audience, issuer, clientId, scope, jwtToken, jwtTokenFile, apiKey } = asked;
  const isOther = [jwtToken, jwtTokenFile, apiKey].some((one) => one !== undefined);
  if (idToken !== undefined && isOther) throw accessFailure.credentialTwice();
  const isQualified = [audience, issuer, clientId, scope].some((one) => one !== undefined);
  if (idToken === undefined && !isQualified) return undefined;
  const text = idToken ?? env[identityVariable];
  if (isOther || !text) throw accessFailure.identityMissing();
  if (whose.host.value.kind === "provider") throw accessFailure.notForProvider("identity token", whose.name);
  return identityFrom(text, idToken === undefined ? identityVariable : "--id-token", whose, asked);
}

/** @returns whom the job's identity names, for the audit trail; nothing for other credentials. Throws as {@link Credentials.current} */
export async function subjectOf(given: Given | undefined, credentials: Credentials): Promise<{ subject?: string }> {
  if (given?.kind !== "identity") return {};
  const { identity } = await credentials.current();
  return identity ? { subject: identity.subject } : {};
}

/** Warns when a credential was given on the command line. */
export function warnOfShown({ output }: Context, { jwtToken, apiKey }: CredentialFlags): void {
  const seen = (what: string, instead: string) =>
    output.say.warn(`other users of this machine can see a ${what} on the command line; use ${instead}`);
  if (apiKey !== undefined) seen("key", "CODEMIE_API_KEY or codemie setup");
  if (jwtToken !== undefined && jwtToken !== "-") {
    seen("token", "CODEMIE_JWT_TOKEN, --jwt-token-file FILE or --jwt-token -");
  }
}

/**
 * Warns when a bearer token ends soon.
 *
 * @throws as {@link Credentials.current}
 */
export async function warnOfTokensEnd({ runtime, output }: Context, credentials: Credentials): Promise<void> {
  const { bearer } = await credentials.current();
  if (bearer?.expiresAt !== undefined && endsSoon(bearer, runtime.now())) {
    output.say.warn(`the bearer token expires ${when(bearer.expiresAt, runtime.now())}`);
  }
}

/** Tell of the end of a credential that nothing renews when it is nearer than this, ms: a run may outlast it. */
const tellAheadMs = 24 * 3600 * 1000;

/**
 * @returns when a credential ends that nothing renews, ms since the epoch; undefined for one that is had anew before, and where
 *   nobody knows
 */
export function endOfLease({ bearer, login, identity }: Lease): number | undefined {
  if (identity) return undefined;
  return bearer ? bearer.expiresAt : login && unrenewedEnd(login);
}

/**
 * Before a run: warns as {@link warnOfTokensEnd}, and tells when a credential that nothing renews ends within a day.
 *
 * @throws as {@link Credentials.current}
 */
export async function tellOfEnd(context: Context, credentials: Credentials): Promise<void> {
  const lease = await credentials.current();
  const { bearer, login, profile, identity } = lease;
  if (identity) return;
  const now = context.runtime.now();
  if (bearer && endsSoon(bearer, now)) return await warnOfTokensEnd(context, credentials);
  const end = endOfLease(lease);
  if (end === undefined || end <= now || end - now >= tellAheadMs) return;
  const { say } = context.output;
  // The hourly token of a CI job always ends soon; only a person can do something about it.
  if ((bearer || !login) && !context.runtime.terminal.interactive) return;
  const at = when(end, now);
  if (bearer || !login) return say.info(`the bearer token expires ${at}`);
  const which = login.method === "sso" ? "the browser session may end" : "the login ends";
  const named = profile === undefined || profile === "default" ? "" : ` --profile ${profile}`;
  say.info(`${which} ${at}; codemie profile refresh --force${named} makes a new one`);
}
