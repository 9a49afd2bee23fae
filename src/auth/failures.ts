import { CodemieError } from "../core/errors.ts";
import { login, loginCommand } from "../core/hints.ts";
import { printable } from "../core/text.ts";

/** Failures of logins and credentials, as users see them. */
export const authFailure = {
  loginNeeded: (origin: string, profile?: string) =>
    new CodemieError("auth_needed", `not logged in to ${origin}`, `run ${loginCommand(origin, profile)}`),
  otherOrigin: (profile: string, own: string, asked: string) =>
    new CodemieError("auth_needed", `the login of profile ${profile} is for ${own}, not for ${asked}`, login(asked)),
  loginRefused: (origin: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} did not accept the session it had just handed over, so nothing was stored`,
      `${login(origin)} again; if that does not help, ask the host's administrator to check its single sign-on`,
    ),
  noSessionHandedOver: (origin: string, provider: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} handed over a login without a session (identity provider: ${printable(provider, 40)})`,
      "this host has no single sign-on in front of it; log in with a bearer token, or at an OpenID provider",
    ),
  unsafeCookie: (origin: string, name: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} handed over a cookie that cannot be sent safely (${printable(name, 60)})`,
      "nothing was stored; report it to the administrator of the host",
    ),
  loginTimedOut: (seconds: number) =>
    new CodemieError(
      "auth_timeout",
      `no login within ${seconds} s`,
      "close the page of the login, then run the command again, with --timeout SECONDS for more time or --no-browser to open the URL yourself",
    ),
  callbackPortInUse: (port: number) =>
    new CodemieError("usage", `port ${port} is in use`, "choose another port, or end the program that uses it"),
  noCallbackPort: () => new CodemieError("usage", "no free loopback port for the login", "try again"),
  otherPerson: (now: string, before: string, profile: string) =>
    new CodemieError(
      "other_person",
      `this login is ${now}, but profile ${profile} belongs to ${before}; nothing was changed`,
      "use --yes to replace it, or --profile NAME to keep both",
    ),
  badToken: (why: string) =>
    new CodemieError("auth_refused", `this bearer token cannot be used: ${why}`, "get a new token and pass it whole"),
  tokenExpired: (atMs: number) =>
    new CodemieError(
      "auth_expired",
      `the bearer token expired at ${new Date(atMs).toISOString()}`,
      "get a new token; if it should still be valid, check this machine's clock",
    ),
  /** @param cause what is wrong with the token that the variable gave */
  ofVariable: (variable: string, cause: CodemieError) =>
    new CodemieError(
      cause.code,
      `${cause.message} (it comes from ${variable} in this shell's environment)`,
      `${cause.hint}; without ${variable}, the stored login is used, if there is one`,
      { cause },
    ),
  tokenTooEarly: (atMs: number) =>
    new CodemieError(
      "auth_refused",
      `the bearer token is not valid before ${new Date(atMs).toISOString()}`,
      "check this machine's clock",
    ),
  badKey: (why: string) =>
    new CodemieError("usage", `this API key cannot be used: ${why}`, "pass the key whole, on one line"),
  tokenFileMissing: (path: string) =>
    new CodemieError(
      "auth_needed",
      `there is no token file ${printable(path, 200)}`,
      "check --jwt-token-file or CODEMIE_JWT_TOKEN_FILE",
    ),
  tokenRefused: (origin: string) =>
    new CodemieError(
      "auth_expired",
      `${origin} did not accept the bearer token`,
      "get a new token for this host; codemie profile status shows what the token says",
    ),
  notAtProvider: (profile: string) =>
    new CodemieError(
      "auth_needed",
      `profile ${profile} is not logged in at an OpenID provider, which --grant enterprise needs`,
      "log in with codemie profile login --issuer URL --client-id ID, or give --idp-token-endpoint, --idp-client-id and --id-token-env",
    ),
  /** @param cause why the provider could not renew the login; its own hint is the better one */
  notRenewedNow: (issuer: string, cause: CodemieError) =>
    new CodemieError(
      cause.code === "tls" ? "tls" : "unreachable",
      `the OpenID provider ${printable(issuer, 120)} cannot renew the login now: ${cause.message}`,
      `the login is kept; ${cause.hint}`,
      { cause },
    ),
  provider: (issuer: string, why: string) =>
    new CodemieError(
      "server_error",
      `the identity provider ${printable(issuer, 120)} cannot be used: ${printable(why)}`,
      "check --issuer, or ask the provider's administrator",
    ),
  providerRefused: (issuer: string, code: string, description: string) =>
    new CodemieError(
      "auth_refused",
      `the identity provider ${printable(issuer, 120)} refused: ${printable(code, 60)}${description ? ` (${printable(description, 200)})` : ""}`,
      code === "access_denied"
        ? "the login was declined; run the command again to allow it"
        : "check --client-id and --scope",
    ),
  idToken: (issuer: string, why: string) =>
    new CodemieError(
      "auth_refused",
      `the ID token of ${printable(issuer, 120)} was not accepted: ${printable(why)}`,
      "nothing was stored; check this machine's clock, --issuer and --client-id",
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
