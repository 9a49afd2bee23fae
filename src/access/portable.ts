import * as z from "zod/mini";
import { readApiKey } from "../auth/api-key.ts";
import { isBearerToken } from "../auth/bearer-token.ts";
import { sameSet, takeSessionCookies } from "../auth/cookies.ts";
import { loginRecord, type OidcLogin, type StoredLogin, storedLogin } from "../auth/credential.ts";
import { parseHost } from "../core/host.ts";
import { listOfOnly } from "../core/json.ts";
import { type Profile, profile as profileShape } from "../profiles/config.ts";
import { usableHostOf } from "../profiles/resolve.ts";

/** The content of an export, decrypted. */
export const portable = z.strictObject({
  records: listOfOnly(z.strictObject({ name: z.string(), record: z.unknown() })),
  /** the profiles of these logins, as in the configuration */
  profiles: z.record(z.string(), z.unknown()),
});
export type Portable = z.infer<typeof portable>;

/** Largest export that we read, bytes: some thousand logins. */
export const largestExport = 64 * 1024 * 1024;

/**
 * Tells logins, which may move to another machine, from other records. The end of the audit trail must not move: it
 * belongs to the lines on this machine, and with its key anyone who opens the export could forge them.
 *
 * @param name the record's name in the vault
 * @returns the profile whose login the record holds, or undefined for any other record
 */
export function profileOfRecord(name: string): string | undefined {
  const prefix = loginRecord("");
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
}

/**
 * @param record the content of a record, from outside
 * @returns the login; undefined when this version does not know its form, or it could break a header
 */
export function asLogin(record: unknown): StoredLogin | undefined {
  const found = storedLogin.safeParse(record).data;
  const login = found?.method === "oidc" ? withoutPlaces(found) : found;
  return login && isOrigin(login.origin) && isSendable(login) ? login : undefined;
}

/** An export from elsewhere must not name a variable or file of this machine, whose content would go to its provider. */
function withoutPlaces({ clientSecretEnv: _, clientKeyFile: __, ...login }: OidcLogin): OidcLogin {
  return login;
}

function isOrigin(origin: string): boolean {
  try {
    return parseHost(origin).origin === origin;
  } catch {
    return false;
  }
}

/** The form of a bearer token (RFC 6750 section 2.1): a provider's token need not be a JWT. */
const bearerToken = /^[A-Za-z0-9._~+/-]+=*$/;

/** Repeats, for a login from a file, the checks that our own logins pass before they are stored. */
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

/** Settings that an import may bring: none decides where requests go, whom we trust or which credential we send. */
const { model, haikuModel, sonnetModel, opusModel, codeMieProject, timeout } = profileShape.shape;
const harmless = {
  model,
  haikuModel,
  sonnetModel,
  opusModel,
  codeMieProject,
  codeMieIntegration: z.object({ id: z.string(), alias: z.optional(z.string()) }),
  timeout,
};

/** Members that we derive from the login itself. */
const fromLogin = new Set(["name", "provider", "authMethod", "codeMieUrl", "baseUrl"]);

/**
 * Makes the profile of an imported login. The login decides host and method. Only the path of a provider's base URL
 * comes from the file, since a login does not hold it.
 *
 * @param name the profile's name
 * @param given the profile in the file, untrusted
 * @returns the profile, and the names of the members that were left out
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
      const { issuer, clientId, scope, prompt } = login;
      const oidc = { issuer, clientId, scope, ...(prompt === undefined ? {} : { prompt }) };
      return { ...at, provider: "bearer-auth", oidc };
    }
    case "jwt":
      return { ...at, provider: "bearer-auth", authMethod: "jwt", jwtConfig: {} };
  }
}
