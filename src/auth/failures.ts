import { CodemieError } from "../core/errors.ts";
import { type ExpectedRedirect, login, loginCommand, mustAllow, providersTrouble } from "../core/hints.ts";
import { printable } from "../core/text.ts";

const ownPages = "the provider wants to show its pages: log in with --prompt login";

/** Hints about refusals, by their codes (OpenID Connect Core 1.0 section 3.1.2.6, RFC 6749 sections 4.1.2.1 and 5.2). */
const refusalHints: ReadonlyMap<string, string> = new Map(
  Object.entries({
    access_denied: "the login was declined; run the command again to allow it",
    account_selection_required: "log in with --prompt select_account",
    consent_required:
      "log in with --prompt consent, or have the provider's administrator give the consent for everyone",
    interaction_required: ownPages,
    invalid_client: "check --client-id: the provider does not know this client, or wants a secret of it",
    invalid_grant: "log in anew with codemie profile login",
    invalid_scope: "name only scopes that the provider offers to this client, with --scope",
    login_required: ownPages,
    server_error: providersTrouble,
    temporarily_unavailable: providersTrouble,
    slow_down: providersTrouble,
    unauthorized_client:
      "have the provider's administrator allow this client what it asks for, or name another one with --client-id",
  }),
);

/** A flag of the commands that log in through a browser. */
export type LoginFlag = "--timeout" | "--no-browser";

const waysOut: Readonly<Record<LoginFlag, string>> = {
  "--timeout": "--timeout SECONDS for more time",
  "--no-browser": "--no-browser to open the URL yourself",
};

/** Failures of logins and credentials, as users see them. */
export const authFailure = {
  /**
   * @param atProvider the login is one at an OpenID provider, which may give codes for a browser elsewhere
   * @param isCi nobody comes by later either
   */
  nobodyToLogIn: (origin: string, profile: string | undefined, atProvider: boolean, isCi: boolean) =>
    new CodemieError(
      "auth_needed",
      `${origin} needs a login, and nobody can log in here: there is no terminal, and no browser opens`,
      isCi
        ? "a job in CI needs none of its own: give its command a bearer token (CODEMIE_JWT_TOKEN) or its identity (--id-token)"
        : atProvider
          ? `run ${loginCommand(origin, profile)} --device: it prints a code for a browser on any other device`
          : `run ${loginCommand(origin, profile)} in a terminal; --no-browser prints the address and waits`,
    ),
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
  providersTokenRefused: (origin: string, issuer: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} did not accept the token of ${printable(issuer, 120)}, so nothing was stored`,
      "the host must trust this issuer, and the audience of its tokens: check --issuer, --client-id and --scope with the host's administrator",
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
  /**
   * @param unused flags of the command that would help and are not given
   * @param expected where the provider should have sent the browser; undefined at the host's own single sign-on
   */
  loginTimedOut: (seconds: number, unused: readonly LoginFlag[], expected?: ExpectedRedirect) => {
    const flags = unused.map((flag) => waysOut[flag]).join(" or ");
    const again = `close the page of the login, then run the command again${flags && `, with ${flags}`}`;
    return new CodemieError(
      "auth_timeout",
      `no login within ${seconds} s`,
      expected ? `${mustAllow(expected)}; ${again}` : again,
    );
  },
  callbackPortInUse: (port: number) =>
    new CodemieError(
      "usage",
      `port ${port} is in use`,
      "choose another port with --callback-port, or end the program that uses it",
    ),
  callbackPortRefused: (port: number, code: string) =>
    new CodemieError(
      "usage",
      `port ${port} cannot be used (${code})`,
      "choose another port with --callback-port; those below 1024 belong to the system",
    ),
  noIpv6Callback: () =>
    new CodemieError("usage", "this machine has no ::1 for the callback", "use --callback-host 127.0.0.1"),
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
      "get a new one: this one has ended, or is for another host",
    ),
  /** @param from the flag or variable; its value may be a token, and is not repeated */
  badIdentitySource: (from: string) =>
    new CodemieError("usage", `${from} must be github, env:NAME or file:PATH`, `for example ${from} github`),
  noGithubIdentity: () =>
    new CodemieError(
      "auth_needed",
      "this job may not ask GitHub Actions for an identity token (ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN)",
      "give the job the permission id-token: write; pull requests from forks do not get it",
    ),
  notGithub: () =>
    new CodemieError(
      "auth_refused",
      "the address for this job's identity token (ACTIONS_ID_TOKEN_REQUEST_URL) is not an https: one of GitHub Actions, so it was not asked",
      "it must be below actions.githubusercontent.com, or on the server that GITHUB_SERVER_URL names; see what in this job changes it",
    ),
  githubAnswered: (origin: string, status: number) =>
    new CodemieError(
      "server_error",
      `${origin} answered ${status} without an identity token`,
      "this is GitHub's own trouble: run the job again",
    ),
  /** @param isEmpty false: it is not set at all */
  identityVariableEmpty: (name: string, isEmpty: boolean) =>
    new CodemieError(
      "auth_needed",
      `the variable ${name}, which should hold the identity token, is ${isEmpty ? "empty" : "not set"}`,
      "name it under id_tokens in the job (GitLab)",
    ),
  identityFile: (path: string, why: string) =>
    new CodemieError(
      "auth_needed",
      `cannot read an identity token from ${printable(path, 200)}: ${why}`,
      "mount the projected token there (Kubernetes), and let this user read it",
    ),
  /** @param named the audiences of the token */
  wrongAudience: (named: readonly string[], audience: string) =>
    new CodemieError(
      "auth_refused",
      `it is for ${printable(named.join(", ") || "nobody", 200)}, not for ${printable(audience, 200)}`,
      "set that audience where the token is made (aud in GitLab, audience in Kubernetes), or give the one that the host wants with --audience",
    ),
  /** @param cause what is wrong with the token that came from this place */
  ofIdentity: (place: string, cause: CodemieError) =>
    new CodemieError(
      cause.code,
      `the identity token from ${printable(place, 200)} was not used: ${cause.message}`,
      cause.code === "auth_expired"
        ? "it ended before the job did: have it made later or for longer; if it should still be valid, check this machine's clock"
        : cause.hint,
      { cause },
    ),
  /** @param identity what the token says of itself, and whom it was for */
  identityRefused: (
    origin: string,
    { subject, issuer, audience }: { subject: string; issuer: string; audience: string },
  ) =>
    new CodemieError(
      "auth_expired",
      `${origin} did not accept the identity of ${printable(subject || "this job", 200)}`,
      `its administrator must trust the issuer ${printable(issuer || "of the token", 120)} for the audience ${printable(audience, 120)}; else name the provider that gives a token for it, with --issuer and --client-id`,
    ),
  /** @param refusals each way that was tried, and the provider's answer; none when its metadata rules out both */
  identityNotExchanged: (issuer: string, subject: string, refusals: readonly string[]) =>
    new CodemieError(
      "auth_refused",
      `the identity provider ${printable(issuer, 120)} gives no token for the identity of ${printable(subject || "this job", 200)}: ${printable(refusals.join("; ") || "it offers neither client assertions nor token exchange", 300)}`,
      "check --client-id, --scope and --audience with the provider's administrator, who must let this client in by that identity",
    ),
  notAtProvider: (profile: string) =>
    new CodemieError(
      "auth_needed",
      `profile ${profile} is not logged in at an OpenID provider, which --grant enterprise needs`,
      "log in with codemie profile login --issuer URL --client-id ID, or give --idp-token-endpoint, --idp-client-id and --id-token-env",
    ),
  /** @param place where the client's secret or key was, for example `the variable NAME` */
  clientProofMissing: (place: string) =>
    new CodemieError(
      "auth_needed",
      `the client's secret or key cannot be read: ${printable(place, 200)} is missing or empty`,
      "put it there, or log in once with --keep-client-secret, which seals it in the vault",
    ),
  /** @param cause why the provider could not renew the login; its own hint is the better one */
  notRenewedNow: (issuer: string, cause: CodemieError) =>
    new CodemieError(
      cause.code === "tls" ? "tls" : "unreachable",
      `the OpenID provider ${printable(issuer, 120)} cannot renew the login now: ${cause.message}`,
      `the login is kept; ${cause.hint}`,
      { cause },
    ),
  provider: (issuer: string, why: string, hint = "check --issuer, or ask the provider's administrator") =>
    new CodemieError(
      "server_error",
      `the identity provider ${printable(issuer, 120)} cannot be used: ${printable(why)}`,
      hint,
    ),
  providerRefused: (issuer: string, code: string, description: string) =>
    new CodemieError(
      "auth_refused",
      `the identity provider ${printable(issuer, 120)} refused: ${printable(code, 60)}${description ? ` (${printable(description, 200)})` : ""}`,
      refusalHints.get(code) ?? "check --client-id and --scope",
    ),
  deviceRefused: (issuer: string, code: string, description: string) =>
    new CodemieError(
      "auth_refused",
      `the identity provider ${printable(issuer, 120)} refused a login by device code: ${printable(code, 60)}${description ? ` (${printable(description, 200)})` : ""}`,
      code === "invalid_client"
        ? refusalHints.get("invalid_client")
        : "if its rules forbid device codes, log in without --device: where the browser is on another machine, paste the address it ends at",
    ),
  codeEnded: (issuer: string) =>
    new CodemieError(
      "auth_timeout",
      `the code of the identity provider ${printable(issuer, 120)} ended before the login was finished`,
      "run the command again, and enter the new code sooner",
    ),
  noRefreshToken: (issuer: string) =>
    new CodemieError(
      "auth_needed",
      `the identity provider ${printable(issuer, 120)} gave no refresh token, so the login ends with its access token`,
      "log in again when it ends; a refresh token needs offline_access in --scope, and often --prompt consent",
    ),
  noBoundTokens: (issuer: string) =>
    new CodemieError(
      "server_error",
      `the identity provider ${printable(issuer, 120)} does not bind tokens to a key of ours (DPoP with ES256, RFC 9449)`,
      "log in without --dpop, naming the provider again with --issuer and --client-id",
    ),
  takesUnproved: (origin: string) =>
    new CodemieError(
      "failed",
      `${origin} knows no proofs (RFC 9449): it takes the access token from anybody who has it`,
      "the refresh token is of no use without this login's key",
    ),
  idToken: (issuer: string, why: string) =>
    new CodemieError(
      "auth_refused",
      `the ID token of ${printable(issuer, 120)} was not accepted: ${printable(why)}`,
      "nothing was stored; check this machine's clock, --issuer and --client-id",
    ),
  /** @param hadOne true: one came with the login, and has ended */
  noIdToken: (issuer: string, profile: string, hadOne: boolean) =>
    new CodemieError(
      "auth_needed",
      `the identity provider ${printable(issuer, 120)} sends no ID token with a renewal${hadOne ? ", and that of the login has ended" : ""}`,
      hadOne
        ? `run codemie profile login --profile ${profile} for a new one; to need none, have the provider's administrator turn on ID tokens at refresh`
        : `have the provider's administrator turn on ID tokens for this client, then run codemie profile login --profile ${profile}`,
    ),
  idTokenEncrypted: (issuer: string, clientId: string) =>
    new CodemieError(
      "auth_refused",
      `the ID token of ${printable(issuer, 120)} is encrypted (JWE), and codemie has no key to read it with`,
      `nothing was stored; have the provider's administrator turn off the encryption of ID tokens for client ${printable(clientId, 80)}; signed ones are enough`,
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
