import { z } from "zod";
import { readApiKey } from "../auth/api-key.ts";
import { isBearerToken } from "../auth/bearer-token.ts";
import { sameSet, takeSessionCookies } from "../auth/cookies.ts";
import { loginRecord, type StoredLogin, storedLogin } from "../auth/credential.ts";
import { parseHost } from "../core/host.ts";
import { type Profile, profile as profileShape } from "../profiles/config.ts";
import { usableHostOf } from "../profiles/resolve.ts";

/** What an export holds, once opened. */
export const portable = z.strictObject({
  records: z.array(z.strictObject({ name: z.string(), record: z.unknown() })),
  /** the profiles the logins belong to, as in the configuration */
  profiles: z.record(z.string(), z.unknown()),
});
export type Portable = z.infer<typeof portable>;

/** Largest export that is read, bytes: some thousand logins. */
export const largestExport = 64 * 1024 * 1024;

/**
 * Logins mean something on another machine. The end of the audit trail does not: it belongs to the lines beside it, and
 * its key would let whoever opens the file forge them.
 *
 * @returns the profile whose login a record is, or undefined when it is something else
 */
export function profileOfRecord(name: string): string | undefined {
  const prefix = loginRecord("");
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
}

/** @returns a record's content as a login, or undefined when it is none that this version knows, or could break a header */
export function asLogin(record: unknown): StoredLogin | undefined {
  const login = storedLogin.safeParse(record).data;
  return login && isOrigin(login.origin) && isSendable(login) ? login : undefined;
}

function isOrigin(origin: string): boolean {
  try {
    return parseHost(origin).origin === origin;
  } catch {
    return false;
  }
}

/** What a bearer token may be made of (RFC 6750 section 2.1): a provider's need not be a JWT. */
const bearerToken = /^[A-Za-z0-9._~+/-]+=*$/;

/** A login of our own was checked when it was stored; one out of a file is checked alike. */
function isSendable(login: StoredLogin): boolean {
  switch (login.method) {
    case "sso": {
      const taken = takeSessionCookies(login.cookies);
      return "set" in taken && Object.keys(taken.set).length > 0 && sameSet(taken.set, login.cookies);
    }
    case "oidc":
      return bearerToken.test(login.accessToken);
    case "jwt":
      return isBearerToken(login.token);
    case "api-key":
      return isKey(login.key);
  }
}

function isKey(text: string): boolean {
  try {
    return readApiKey(text).reveal() === text;
  } catch {
    return false;
  }
}

/** Settings that may come along with a login: none of them says where to go, what to believe or what to send. */
const { model, haikuModel, sonnetModel, opusModel, codeMieProject, timeout } = profileShape.shape;
const harmless = {
  model,
  haikuModel,
  sonnetModel,
  opusModel,
  codeMieProject,
  codeMieIntegration: z.object({ id: z.string(), alias: z.string().optional() }),
  timeout,
};

/** Members that follow from the login itself. */
const fromLogin = new Set(["name", "provider", "authMethod", "codeMieUrl", "baseUrl"]);

/**
 * The profile of an imported login. Where it leads and how it logs in is what the login says; of a provider's base URL
 * the path is the file's to say, since no login holds it.
 *
 * @param given the profile as the file has it
 * @returns the profile, and the names of the members that do not come along
 */
export function importedProfile(
  name: string,
  login: StoredLogin,
  given: unknown,
): { profile: Profile; leftOut: string[] } {
  const said = z.record(z.string(), z.unknown()).safeParse(given).data ?? {};
  const settings: Record<string, unknown> = {};
  const leftOut: string[] = [];
  for (const [member, value] of Object.entries(said)) {
    const shape = Object.hasOwn(harmless, member) ? harmless[member as keyof typeof harmless] : undefined;
    const read = shape?.safeParse(value);
    if (read?.success) settings[member] = read.data;
    else if (member === "jwtConfig") leftOut.push(...Object.keys(Object(value)).map((inner) => `jwtConfig.${inner}`));
    else if (!fromLogin.has(member) && !(member === "oidc" && login.method === "oidc")) leftOut.push(member);
  }
  return { profile: { ...settings, name, ...leadsTo(login, given) }, leftOut };
}

function leadsTo(login: StoredLogin, given: unknown): Profile {
  if (login.method === "api-key") {
    const said = profileShape.safeParse(given).data;
    const base = said && usableHostOf({ ...said, provider: login.provider });
    const baseUrl = base?.origin === login.origin ? base.api : `${login.origin}/v1`;
    return { provider: login.provider, authMethod: "api-key", baseUrl };
  }
  const host = parseHost(login.origin);
  const at = { codeMieUrl: host.origin, baseUrl: host.api };
  switch (login.method) {
    case "sso":
      return { ...at, provider: "ai-run-sso" };
    case "oidc": {
      const { issuer, clientId, scope } = login;
      return { ...at, provider: "bearer-auth", oidc: { issuer, clientId, scope } };
    }
    case "jwt":
      return { ...at, provider: "bearer-auth", authMethod: "jwt", jwtConfig: {} };
  }
}
