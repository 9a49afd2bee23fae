import { printable } from "./text.ts";

/** What can go wrong, as scripts see it (`error.code` with `--json`), and the exit code each has by contract. */
const exitCodes = {
  failed: 1,
  internal: 1,
  config_damaged: 1,
  disk: 1,
  audit_unsynced: 1,
  exists: 1,
  agent_missing: 1,
  port_taken: 1,
  server_error: 1,
  wrong_base_url: 1,
  usage: 2,
  auth_needed: 4,
  auth_expired: 4,
  auth_refused: 4,
  auth_timeout: 4,
  other_person: 4,
  unreachable: 5,
  tls: 5,
  vault_key: 6,
  vault_passphrase: 6,
  vault_damaged: 6,
  vault_locked: 6,
  vault_unreadable: 6,
  interrupted: 130,
  terminated: 143,
} as const;

export type ErrorCode = keyof typeof exitCodes;

/** @returns true for a text that is one of our codes */
export const isErrorCode = (text: unknown): text is ErrorCode =>
  typeof text === "string" && Object.hasOwn(exitCodes, text);

/**
 * An expected failure: what happened (`message`), what to do (`hint`), and a stable `code` to switch on. Its `cause` is the error
 * it came from; or, as a text, the message without the words a server chose, for a log that must not hold them.
 */
export class CodemieError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "CodemieError";
    this.code = code;
    this.hint = hint;
  }

  /** the process's exit code by contract */
  get exitCode(): number {
    return exitCodes[this.code];
  }
}

/**
 * @returns the `code` of an operating-system or Bun error (`ENOSPC`, `ConnectionRefused`); an empty string for any other,
 *   ours included
 */
export function systemCode(error: unknown): string {
  const isTheirs = error instanceof Error && !(error instanceof CodemieError) && "code" in error;
  const code = isTheirs ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

/**
 * @param error anything thrown
 * @returns the same error if it is one of ours, else an `internal` one that names it without its stack and without addresses,
 *   which may hold a key
 */
export function asCodemieError(error: unknown): CodemieError {
  if (error instanceof CodemieError) return error;
  const text = (error instanceof Error ? error.message : String(error)).replace(
    /\bhttps?:\/\/[^\s"'<>]+/gi,
    "an address",
  );
  return new CodemieError(
    "internal",
    `unexpected: ${printable(text)}`,
    "this is a defect in codemie, please report it with the output of codemie --version",
    error,
  );
}

const login = (url?: string) => `run codemie profile login${url ? ` --url ${url}` : ""}`;

/**
 * The command that logs a profile in. One host may have several profiles: unless it is the first one's, the name has to be
 * said.
 */
export const loginCommand = (origin: string, profile?: string) =>
  profile === undefined || profile === "default"
    ? `codemie profile login --url ${origin}`
    : `codemie profile login --profile ${printable(profile, 64)}`;

const mcpStatusHints: Readonly<Record<number, string>> = {
  403: "ask the server's administrator for access",
  404: "check the path of the address: it is often /mcp or /sse",
  405: "check the path of the address, or choose --transport http or sse",
  413: "the message is longer than the server takes",
  429: "the server asks for fewer requests; try again later",
};

const mcpRefusalHints: Readonly<Record<string, string>> = {
  access_denied: "the authorization was declined; try again in a minute to be asked once more",
  invalid_client: "check --client-id and its secret or key",
  unauthorized_client: "this client may not use this grant; check --client-id and --grant",
  invalid_scope: "check --scope",
  invalid_target: "check --resource, or leave it out with --no-resource",
};

/** Every message a person can meet, in one place: lower case, no full stop, the next command in the hint. */
export const failure = {
  usage: (message: string, hint?: string) => new CodemieError("usage", message, hint),
  badHost: (given: string, why: string, hint = "give the host as https://codemie.example.com") =>
    new CodemieError("usage", `cannot use ${printable(given, 120)} as CodeMie host: ${why}`, hint),
  hostsDiffer: (a: string, b: string) =>
    new CodemieError(
      "usage",
      `CODEMIE_URL (${a}) and CODEMIE_BASE_URL (${b}) name different hosts`,
      "unset one of them",
    ),
  noHost: () =>
    new CodemieError(
      "auth_needed",
      "not logged in to any CodeMie host yet",
      "run codemie profile login --url https://codemie.example.com",
    ),
  whichHost: () =>
    new CodemieError(
      "usage",
      "no CodeMie host is known yet, so one has to be named",
      "codemie profile login --url https://codemie.example.com",
    ),
  noProfile: (name: string, known: readonly string[]) =>
    new CodemieError(
      "usage",
      `there is no profile ${printable(name, 60)}`,
      known.length
        ? `profiles: ${known.map((one) => printable(one, 60)).join(", ")}`
        : "run codemie profile login --url https://codemie.example.com",
    ),
  otherService: (profile: string, provider: string) =>
    new CodemieError(
      "usage",
      `profile ${printable(profile, 60)} is for ${printable(provider, 60)}, which codemie does not log in to`,
      "choose another profile with --profile, or set one up with codemie setup",
    ),
  badProfileName: (name: string) =>
    new CodemieError(
      "usage",
      `${printable(name, 60)} is not a profile name`,
      "use up to 64 letters, digits, dots, dashes and underscores, starting with a letter or digit",
    ),
  profileHasOtherHost: (name: string, origin: string) =>
    new CodemieError("usage", `profile ${name} belongs to ${origin}`, "choose another name with --profile"),

  loginNeeded: (origin: string, profile?: string) =>
    new CodemieError("auth_needed", `not logged in to ${origin}`, `run ${loginCommand(origin, profile)}`),
  otherOrigin: (profile: string, own: string, asked: string) =>
    new CodemieError("auth_needed", `the login of profile ${profile} is for ${own}, not for ${asked}`, login(asked)),
  sessionEnded: (origin: string, profile?: string) =>
    new CodemieError(
      "auth_expired",
      `the session at ${origin} is no longer valid`,
      `run ${loginCommand(origin, profile)}`,
    ),
  forbidden: (origin: string, detail?: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} does not allow this account in${detail ? `: ${printable(detail)}` : ""}`,
      "ask the administrator of the host for access, or log in with another account",
    ),
  loginRefused: (origin: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} did not accept the session it had just handed over, so nothing was stored`,
      `${login(origin)} again; if it stays so, the host's single sign-on needs its administrator`,
    ),
  noSessionHandedOver: (origin: string, provider: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} handed over a login without a session (identity provider: ${printable(provider, 40)})`,
      "this host has no browser single sign-on in front of it",
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
      "run the command again, with --timeout SECONDS for more time or --no-browser to open the URL yourself",
    ),
  otherPerson: (now: string, before: string, profile: string) =>
    new CodemieError(
      "other_person",
      `this login is ${now}, but profile ${profile} belongs to ${before}; nothing was changed`,
      "use --yes to replace it, or --profile NAME to keep both",
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
  badToken: (why: string) =>
    new CodemieError(
      "auth_refused",
      `this is not a bearer token that can be used: ${why}`,
      "get a new token and pass it whole",
    ),
  tokenExpired: (atMs: number) =>
    new CodemieError(
      "auth_expired",
      `the bearer token expired at ${new Date(atMs).toISOString()}`,
      "get a new token; if it should still be valid, check this machine's clock",
    ),
  tokenTooEarly: (atMs: number) =>
    new CodemieError(
      "auth_refused",
      `the bearer token is not valid before ${new Date(atMs).toISOString()}`,
      "check this machine's clock",
    ),
  tokenMissing: (origin: string, variable: string) =>
    new CodemieError(
      "auth_needed",
      `no bearer token for ${origin}`,
      `set ${variable}, or use --jwt-token-file FILE or --jwt-token - (standard input)`,
    ),
  loginOfOther: (flag: string, method: string) =>
    new CodemieError("usage", `${flag} has no place in a login by ${method}`, "leave it out, or name its own --method"),
  tokenEmpty: (variable: string) =>
    new CodemieError(
      "auth_needed",
      `${variable} is set but empty`,
      "check that the secret is there and that this job may read it",
    ),
  tokenWithoutHost: () =>
    new CodemieError(
      "usage",
      "a bearer token is given, but no CodeMie host",
      "set CODEMIE_URL=https://codemie.example.com, or use --base-url",
    ),
  keyMissing: (origin: string, profile: string) =>
    new CodemieError(
      "auth_needed",
      `no API key for ${origin}`,
      `run codemie setup --method api-key --profile ${profile}, or set CODEMIE_API_KEY`,
    ),
  keyRefused: (origin: string, detail?: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} did not accept the API key${detail ? `: ${printable(detail, 200)}` : ""}`,
      "check the key and what it is allowed to do; codemie setup --method api-key stores another one",
    ),
  badKey: (why: string) =>
    new CodemieError("usage", `this is not an API key that can be used: ${why}`, "pass the key whole, on one line"),
  keyWithoutProvider: (profile: string, origin: string) =>
    new CodemieError(
      "usage",
      `profile ${profile} logs in to ${origin} without an API key`,
      "set up a profile for the key's provider: codemie setup --method api-key",
    ),
  notForProvider: (what: string, profile: string) =>
    new CodemieError(
      "usage",
      `profile ${profile} works with an API key, so there is no ${what}`,
      `another key is stored with codemie setup --method api-key --profile ${profile}`,
    ),
  notForToken: (what: string, profile: string) =>
    new CodemieError(
      "usage",
      `profile ${profile} works with a bearer token from elsewhere, so there is no ${what}`,
      `get a new token from where it came from; codemie setup --method jwt --profile ${profile} stores one`,
    ),
  notAModelApi: (url: string, what: string) =>
    new CodemieError(
      "wrong_base_url",
      `${url} does not answer like a model API: ${what}`,
      "check --url and --provider; the provider's documentation calls it the base URL",
    ),
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
      "get a new token for this host; run codemie profile status to see what it says",
    ),

  unreachable: (origin: string, why: string) =>
    new CodemieError("unreachable", `cannot reach ${origin}: ${why}`, "check the address, the network and the VPN"),
  tls: (origin: string, why: string) =>
    new CodemieError(
      "tls",
      `the certificate of ${origin} cannot be trusted: ${why}`,
      "if your company runs its own certificate authority, name its file in CODEMIE_CA_CERTS",
    ),
  wrongBaseUrl: (origin: string, what: string) =>
    new CodemieError(
      "wrong_base_url",
      `${origin} does not answer like CodeMie: ${what}`,
      "check the URL: it is the address you open CodeMie at in the browser",
    ),
  server: (origin: string, status: number, detail?: string) =>
    new CodemieError(
      "server_error",
      `${origin} answered ${status}${detail ? `: ${printable(detail)}` : ""}`,
      status >= 500 || status === 429 ? "try again in a moment" : undefined,
    ),

  vaultKeyMissing: (file: string) =>
    new CodemieError(
      "vault_key",
      `the vault's key ${file} is missing`,
      "restore it from a backup, or move the vault folder away and log in again",
    ),
  vaultKeyWrong: (file: string) =>
    new CodemieError(
      "vault_key",
      `the key in ${file} does not open this vault`,
      "restore the key that belongs to it, or move the vault folder away and log in again",
    ),
  vaultKeyMalformed: (file: string) =>
    new CodemieError("vault_key", `${file} does not hold a vault key`, "restore it from a backup"),
  dataKeyMissing: (file: string) =>
    new CodemieError(
      "vault_key",
      `the vault holds logins, but ${file}, which opens them, is missing`,
      "restore it from a backup, or move the vault folder away and log in again",
    ),
  vaultGone: (file: string) =>
    new CodemieError(
      "vault_key",
      `the vault was moved away while this ran: ${file} is missing`,
      "run codemie profile login",
    ),
  vaultKeyNotOurs: (file: string) =>
    new CodemieError(
      "vault_key",
      `${file} is there already and is not this vault's key`,
      "move it away, or name another file in CODEMIE_VAULT_KEY_FILE; nothing was changed",
    ),
  vaultHasKeyFile: (file: string, variable: string) =>
    new CodemieError(
      "vault_key",
      `this vault is sealed with the key file ${file}, not with a passphrase, but ${variable} is set`,
      `run codemie vault rekey to seal it with that passphrase, or unset ${variable}`,
    ),
  passphraseMissing: () =>
    new CodemieError(
      "vault_passphrase",
      "this vault is sealed with a passphrase, and there is none",
      "set CODEMIE_VAULT_PASSPHRASE_COMMAND, CODEMIE_VAULT_PASSPHRASE_FILE or CODEMIE_VAULT_PASSPHRASE, or run it in a terminal",
    ),
  passphraseWrong: (from: string) =>
    new CodemieError(
      "vault_key",
      `the passphrase ${from} does not open this vault`,
      "try again with the one it was sealed with, or move the vault folder away and log in again",
    ),
  passphraseUnusable: (from: string, why: string, hint?: string) =>
    new CodemieError("vault_passphrase", `no passphrase could be had from ${from}: ${printable(why, 160)}`, hint),
  passphraseShort: (least: number) =>
    new CodemieError(
      "usage",
      `a new passphrase needs at least ${least} characters`,
      "take several words, or let a password manager make one; nothing was changed",
    ),
  passphrasesDiffer: () =>
    new CodemieError("usage", "the two passphrases are not the same; nothing was changed", "run the command again"),
  passphraseNotGiven: () =>
    new CodemieError(
      "usage",
      "a passphrase is needed, and nobody is there to type it",
      "use --passphrase-stdin or --passphrase-command",
    ),
  noVault: () =>
    new CodemieError("failed", "there is no vault yet", "it is made at the first login: codemie profile login"),
  exists: (file: string) =>
    new CodemieError("exists", `${printable(file, 200)} exists, and is not overwritten`, "give another name"),
  notAnExport: (file: string) =>
    new CodemieError(
      "vault_damaged",
      `${printable(file, 200)} is not an export of a vault, or is damaged`,
      "nothing was changed; make a new one with codemie vault export",
    ),
  exportUnreadable: (file: string, why: string) =>
    new CodemieError(
      "usage",
      `cannot read ${printable(file, 200)}: ${why}`,
      "give the file codemie vault export wrote",
    ),
  exportPassphraseWrong: (file: string) =>
    new CodemieError(
      "vault_key",
      `that passphrase does not open ${printable(file, 200)}`,
      "use the passphrase it was exported with; nothing was changed",
    ),
  vaultNewer: (file: string) =>
    new CodemieError(
      "vault_damaged",
      `${printable(file, 200)} is sealed in a way this version of codemie does not know`,
      "a newer codemie may have written it: update this one",
    ),
  symbolicLink: (path: string) =>
    new CodemieError(
      "vault_unreadable",
      `${path} is a symbolic link, and is not followed`,
      "put the real one in its place; CODEMIE_HOME and CODEMIE_VAULT_KEY_FILE name other places",
    ),
  foreignOwner: (path: string, owner: number) =>
    new CodemieError(
      "vault_unreadable",
      `${path} belongs to another user (${owner}), and is not used`,
      "change its owner, or set CODEMIE_HOME to a folder of your own",
    ),
  sharedFolder: (path: string) =>
    new CodemieError(
      "vault_unreadable",
      `everybody may write in ${path}, so nothing of ours is read or kept there`,
      "set CODEMIE_HOME to a folder of your own",
    ),
  auditHeadDamaged: (file: string, folder: string) =>
    new CodemieError(
      "vault_damaged",
      `the sealed end of the audit trail is damaged (${file})`,
      `move that file and the folder ${folder} away to begin a new trail; keep both, they are evidence`,
    ),
  auditUnsynced: (why: CodemieError) =>
    new CodemieError(
      "audit_unsynced",
      `the line is written, but perhaps not on the disk yet: ${why.message}`,
      "codemie audit list shows it; a power cut now may lose it",
      why,
    ),
  auditEndMissing: (file: string, folder: string) =>
    new CodemieError(
      "vault_damaged",
      `the audit trail in ${folder} has no sealed end, or more than one`,
      `move that folder and ${file} away to begin a new trail; keep both, they are evidence`,
    ),
  recordDamaged: (name: string, file: string) =>
    new CodemieError(
      "vault_damaged",
      `the stored record ${printable(name, 80)} is damaged (${file})`,
      "log in again: the damaged file is then kept aside and replaced",
    ),
  vaultDamaged: (file: string) =>
    new CodemieError("vault_damaged", `the vault's file ${file} is damaged`, "restore it from a backup"),
  vaultUnreadable: (file: string, why: string) =>
    new CodemieError("vault_unreadable", `cannot read ${file}: ${why}`, "check the owner and mode of the file"),
  /** @param holder number of the process that holds the lock, where it is known */
  locked: (what: string, waitedMs: number, holder?: number) =>
    new CodemieError(
      "vault_locked",
      `${what} has been locked by another codemie for ${Math.round(waitedMs / 1000)} s`,
      holder === undefined ? "end the other process or try again" : `end process ${holder} or try again`,
    ),
  auditBroken: (file: string, line: number, why: string) =>
    new CodemieError(
      "failed",
      `the audit trail does not hold at ${file}:${line}: ${why}`,
      "what stands before this line is as it was written; nothing after it is vouched for",
    ),
  noSetting: (key: string, known: readonly string[], close: string | undefined) =>
    new CodemieError(
      "usage",
      `there is no setting ${printable(key, 60)}`,
      close ? `did you mean ${close}` : `settings: ${known.join(", ")}`,
    ),
  badSetting: (key: string, value: string, about: string) =>
    new CodemieError("usage", `${printable(value, 60)} is no value for ${key}`, `${key}: ${about}`),
  configDamaged: (file: string, why: string) =>
    new CodemieError(
      "config_damaged",
      `${file} cannot be read: ${printable(why, 200)}`,
      "correct the file, or begin anew with codemie config reset, which keeps it aside; nothing was overwritten",
    ),
  disk: (file: string, error: unknown) => {
    const why: Record<string, string> = {
      ENOSPC: "the disk is full",
      EDQUOT: "the disk quota is used up",
      EROFS: "the file system is read-only",
      EACCES: "permission denied",
      EPERM: "permission denied",
      EFBIG: "the file size limit is reached",
      ENOTDIR: "a part of the path is not a folder",
      ENOENT: "the folder is not there",
      SQLITE_FULL: "the disk is full",
      SQLITE_READONLY: "the file system is read-only",
      SQLITE_CANTOPEN: "permission denied",
    };
    const code = systemCode(error);
    return new CodemieError(
      "disk",
      `cannot write ${file}: ${why[code] ?? (code || "unknown error")}`,
      "free or unlock the place, or set CODEMIE_HOME to another folder; what was stored before is unchanged",
      error,
    );
  },

  portTaken: (port: number, forbidden: boolean) =>
    new CodemieError(
      "port_taken",
      forbidden ? `this account may not listen on port ${port}` : `port ${port} is taken by another program`,
      "choose another with --port or CODEMIE_PROXY_PORT, or end that program; codemie proxy status shows our own",
    ),
  badPort: (given: string, from: string) =>
    new CodemieError("usage", `${from}: ${printable(given, 40)} is not a port`, "a port is a number from 1 to 65535"),
  caFile: (variable: string, file: string, why: string) =>
    new CodemieError(
      "usage",
      `${variable} names ${printable(file, 200)}, and ${why}`,
      "give the absolute path of a file with certificates in PEM",
    ),
  relativePath: (variable: string, path: string) =>
    new CodemieError(
      "usage",
      `${variable} is ${printable(path, 200)}, a relative path: the folder you stand in would decide what it names`,
      "give an absolute path",
    ),
  proxyRuns: (profile: string, url = "an address not known yet") =>
    new CodemieError(
      "failed",
      `a gateway for profile ${profile} runs already at ${url}`,
      "see codemie proxy status, or end it with codemie proxy stop",
    ),
  noProxyRuns: (profile?: string) =>
    new CodemieError(
      "failed",
      profile === undefined ? "no gateway is running" : `no gateway is running for profile ${printable(profile, 64)}`,
      "start one with codemie proxy start --detach",
    ),
  proxyDied: (log: string) =>
    new CodemieError("failed", "the gateway ended while it started", `what it said is in ${log}`),
  whichProxy: (profiles: readonly string[]) =>
    new CodemieError("usage", "several gateways are running", `use --all, or --profile: ${profiles.join(", ")}`),
  proxySilent: (url: string, pid: number) =>
    new CodemieError(
      "failed",
      `the gateway at ${url} does not answer, so process ${pid} may be another one here, and is left alone`,
      `stop it where it was started; if that is here, with kill ${pid}`,
    ),
  proxyStays: (pid: number) =>
    new CodemieError("failed", `the gateway (process ${pid}) does not end`, `end it with kill -9 ${pid}`),

  agentMissing: (name: string, binary: string, install: string) =>
    new CodemieError("agent_missing", `${name} (${binary}) is not on PATH`, `install it: ${install}`),
  browserFailed: (program: string) =>
    new CodemieError("failed", `could not start ${printable(program, 120)}`, "open the URL above yourself"),
  mcpUrl: (given: string, why: string, hint = "give the server as https://mcp.example.com/mcp") =>
    new CodemieError("usage", `cannot use ${printable(given, 120)} as MCP server: ${why}`, hint),
  mcpStatus: (origin: string, status: number, detail?: string) =>
    new CodemieError(
      status === 403 ? "auth_refused" : "server_error",
      `${origin} answered ${status}${detail ? `: ${printable(detail)}` : ""}`,
      mcpStatusHints[status] ?? (status >= 500 ? "try again in a moment" : "check the address of the MCP server"),
      `${origin} answered ${status}`,
    ),
  mcpNotMcp: (origin: string, what: string) =>
    new CodemieError(
      "wrong_base_url",
      `${origin} does not answer like an MCP server: ${printable(what)}`,
      "check the address; run codemie mcp-proxy --explain with it to see what it answers",
      `${origin} does not answer like an MCP server`,
    ),
  mcpRedirect: (address: string, target: string) =>
    new CodemieError(
      "wrong_base_url",
      `${address} redirects to ${printable(target, 200)}, which is not followed`,
      "register the address it leads to, if you trust it",
      "a redirect was not followed",
    ),
  mcpLost: (origin: string) =>
    new CodemieError(
      "unreachable",
      `the connection to ${origin} ended before the answer came; whether the request had its effect is not known`,
      "look at the result before you try again",
    ),
  mcpMessageTooLong: (bytes: number) =>
    new CodemieError(
      "server_error",
      `the server sent a message longer than ${bytes} bytes, which was not taken`,
      "ask for less at a time",
    ),
  mcpCancelled: () => new CodemieError("interrupted", "the request was cancelled before it was sent"),
  mcpNotReopened: (origin: string, said: string) =>
    new CodemieError(
      "server_error",
      `${origin} does not open the session again: ${printable(said)}`,
      "do what it says, or start the server anew in the client",
      `${origin} does not open the session again`,
    ),
  mcpSilent: (origin: string, ms: number) =>
    new CodemieError(
      "unreachable",
      `${origin} sent nothing for ${Math.round(ms / 1000)} s`,
      "try again; a server that needs longer can be given more time with --timeout SECONDS",
    ),
  mcpUnanswered: (origin: string) =>
    new CodemieError("server_error", `${origin} took the request and gave no answer to it`, "report it to the server"),
  mcpClosing: () => new CodemieError("terminated", "the bridge is ending", "start it again"),
  mcpHeaderRefused: (origin: string, status: number) =>
    new CodemieError(
      "auth_refused",
      `${origin} answered ${status} to the Authorization header given with --header`,
      "check it, or leave it out to log in through the browser",
    ),
  mcpTokenRefused: (origin: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} does not accept the access token that was issued for it`,
      "run codemie mcp-proxy --explain with its address, and show the result to its administrator",
    ),
  mcpAddress: (what: string, address: string) =>
    new CodemieError(
      "auth_refused",
      `${what} that the server names cannot be used: ${printable(address, 200)}`,
      "only https: addresses are followed (http: on this machine, for a server on this machine); report it to the server",
      `${what} that the server names cannot be used`,
    ),
  mcpTooLong: (address: string, bytes: number) =>
    new CodemieError(
      "server_error",
      `${printable(address, 200)} sent more than ${bytes} bytes`,
      "this is no metadata; report it to the server",
      "a document was too long",
    ),
  mcpIssuer: (expected: string, found: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(expected, 120)} says it is ${printable(found, 120)} (RFC 8414 section 3.3)`,
      "report it to the server's administrator: the issuer has to be the address its metadata is found at",
      "the authorization server says it is another one",
    ),
  mcpOtherIssuer: (expected: string, found: string) =>
    new CodemieError(
      "auth_refused",
      `the server leads to the authorization server ${printable(found, 120)}, not to ${printable(expected, 120)}`,
      "if that is as it should be, start the bridge again, with another --issuer if you named one",
      "the server leads to another authorization server",
    ),
  mcpNameIssuer: (found: string) =>
    new CodemieError(
      "auth_refused",
      `the server leads to the authorization server ${printable(found, 120)}, and the client's secret is not sent there unasked`,
      `if the client is registered there, say so with --issuer ${printable(found, 120)}`,
      "the client's secret is not sent to another host than the server's without --issuer",
    ),
  mcpResource: (address: string, found: string) =>
    new CodemieError(
      "auth_refused",
      `the metadata of ${printable(address, 120)} is for another resource, ${printable(found, 120)} (RFC 9728 section 3.3)`,
      "report it to the server's administrator, or name the resource with --resource if you trust it",
      "the metadata is for another resource",
    ),
  mcpNoMetadata: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} has no metadata at its well-known addresses (RFC 8414 section 3)`,
      "report it to the server's administrator",
      "the authorization server has no metadata at its well-known addresses",
    ),
  mcpNoPkce: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} does not support PKCE with S256 (RFC 7636)`,
      "an authorization without it could be stolen; report it to the server's administrator",
    ),
  mcpNoCode: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} does not support the authorization code flow`,
      "try --grant client-credentials with a client of your own",
    ),
  mcpNoRegistration: (issuer: string, takesDocuments: boolean) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} does not register clients by itself (RFC 7591)`,
      `register one with its administrator and name it with --client-id${takesDocuments ? ", or give --client-metadata-url" : ""}`,
    ),
  mcpRegistration: (issuer: string, status: number, detail?: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} refused to register this client: ${status}${detail ? ` ${printable(detail)}` : ""}`,
      "register one with its administrator and name it with --client-id",
      `${printable(issuer, 120)} refused the registration: ${status}`,
    ),
  mcpClientNeeded: (grant: string) =>
    new CodemieError(
      "usage",
      `--grant ${grant} needs a client the authorization server knows`,
      "name it with --client-id, and its secret with --client-secret-env or its key with --client-key",
    ),
  mcpNoProvider: (profile: string) =>
    new CodemieError(
      "auth_needed",
      `profile ${profile} is not logged in at an OpenID provider, which --grant enterprise needs`,
      "log in with codemie profile login --issuer URL --client-id ID, or give --idp-token-endpoint, --idp-client-id and --id-token-env",
    ),
  mcpAdd: (said: string) =>
    new CodemieError(
      "failed",
      `Claude Code did not take the server: ${printable(said)}`,
      "see claude mcp list; a server of that name may be there already (claude mcp remove NAME)",
    ),
  mcpVariable: () =>
    new CodemieError(
      "usage",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text itself
      "the agent fills in ${VARIABLE} itself, and its value would then stand in the list of processes",
      "name the variable instead, for example --header-env 'X-Api-Key: MCP_KEY'",
    ),
  mcpKey: (why: string) =>
    new CodemieError("usage", `the client's key cannot be used: ${why}`, "check --client-key or --client-key-env"),
  mcpToken: (issuer: string, why: string) =>
    new CodemieError(
      "auth_refused",
      `no token from ${printable(issuer, 120)}: ${printable(why)}`,
      "try again; if it stays so, report it to the server's administrator",
    ),
  mcpOtherAnswer: (issuer: string) =>
    new CodemieError(
      "auth_refused",
      `the answer in the browser did not come from ${printable(issuer, 120)} (RFC 9207)`,
      "nothing was accepted; report it to the server's administrator",
    ),
  mcpRefused: (issuer: string, code: string, description: string) =>
    new CodemieError(
      "auth_refused",
      `${printable(issuer, 120)} refused: ${printable(code, 60)}${description ? ` (${printable(description, 200)})` : ""}`,
      mcpRefusalHints[code] ?? "run codemie mcp-proxy --explain with the server's address to see each step",
      `${printable(issuer, 120)} refused`,
    ),
  mcpTimedOut: (issuer: string, seconds: number) =>
    new CodemieError(
      "auth_timeout",
      `nobody finished the authorization at ${printable(issuer, 120)} within ${seconds} s`,
      "try again in a minute; --auth-timeout SECONDS gives more time, and the address to open is in logs/mcp-proxy.log",
    ),
  mcpNoLogin: (origin: string) =>
    new CodemieError(
      "auth_refused",
      `${printable(origin, 120)} demands a credential and offers no login`,
      "if it takes a key, name the variable it is in, for example --header-env 'Authorization: Bearer MCP_KEY'",
    ),
  mcpJustAsked: (origin: string) =>
    new CodemieError(
      "auth_needed",
      `another window asked for access to ${origin} and did not get it`,
      "try again in a minute to be asked once more",
    ),
  mcpLoginNeeded: (origin: string) =>
    new CodemieError("auth_needed", `${origin} demands an authorization`, "use one of its tools to start it"),
  mcpScope: (origin: string, scope: string | undefined) =>
    new CodemieError(
      "auth_refused",
      `${origin} demands ${scope === undefined ? "more than it was granted" : `the scope ${printable(scope, 120)}`}, and asking for it did not help`,
      "ask the server's administrator for the permission",
      `${origin} demands a scope, and asking for it did not help`,
    ),
  declined: () => new CodemieError("failed", "nothing was changed"),
  interrupted: () => new CodemieError("interrupted", "interrupted"),
  terminated: () => new CodemieError("terminated", "terminated"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
