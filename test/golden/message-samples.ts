import { platformFailure } from "../../src/platform/failures.ts";

/**
 * What the messages in messages.txt are made with. A parameter's name is enough where it says everything; a message that
 * branches, or whose parameter means something of its own, has its calls below.
 */

const host = "https://codemie.example.com";
const server = "https://mcp.example.com";
const issuer = "https://sso.example.com";
const home = "/home/ada/.codemie";
const systemError = (code: string) => Object.assign(new Error("as the system says it"), { code });

/** Words a server chose. No log holds them. */
export const serverWords: Readonly<Record<string, string>> = {
  description: "words of the server",
  detail: "words of the server",
  found: "https://elsewhere.example.com",
  said: "words of the server",
  target: "https://elsewhere.example.com/login",
};

/** One argument by the name of its parameter. */
export const byName: Readonly<Record<string, unknown>> = {
  ...serverWords,
  address: `${server}/.well-known/oauth-protected-resource`,
  asked: "https://other.example.com",
  atMs: Date.UTC(2026, 0, 31, 12),
  before: "Grace Hopper <grace@example.com>",
  bytes: 1_048_576,
  command: "codemie profile",
  example: "https://models.example.com/v1",
  expected: issuer,
  file: `${home}/vault/key`,
  flag: "--client-id",
  folder: `${home}/audit`,
  given: "seven",
  grant: "enterprise",
  issuer,
  least: 12,
  levels: 512,
  log: `${home}/logs/proxy-default.log`,
  method: "sso",
  most: 16_384,
  name: "work",
  now: "Ada Lovelace <ada@example.com>",
  origin: host,
  own: host,
  owner: 1001,
  path: home,
  pid: 4242,
  port: 4001,
  profile: "work",
  profiles: ["default", "work"],
  program: "codemie profile status",
  provider: "keycloak",
  text: "soon",
  title: "Azure OpenAI",
  url: "http://127.0.0.1:4001",
  variable: "CODEMIE_JWT_TOKEN",
};

const redirect = new URL("http://127.0.0.1:4180/callback");

/** The calls of one message: each way it can end has a line. */
export const byMessage: Readonly<Record<string, readonly (readonly unknown[])[]>> = {
  "access/notForProvider": [["session to renew", "openai"]],
  "auth/callbackPortRefused": [[80, "EACCES"]],
  "auth/loginTimedOut": [
    [120, ["--timeout", "--no-browser"]],
    [300, ["--no-browser"]],
    [300, []],
    [120, ["--timeout"], { redirect, clientId: "codemie", isFixed: true }],
    [120, ["--timeout"], { redirect, clientId: "codemie", isFixed: false }],
  ],
  "mcp/timedOut": [
    [server, 120, undefined],
    [server, 120, { redirect, clientId: "codemie", isFixed: true }],
  ],
  "access/passphraseUnusable": [
    ["/run/secrets/passphrase (CODEMIE_VAULT_PASSPHRASE_FILE)", "there is no such file"],
    ["--passphrase-command", "pass is not on PATH", "give the program's name or its absolute path"],
  ],
  "api/forbidden": [[host], [host, serverWords.detail]],
  "api/keyRefused": [[host], [host, serverWords.detail]],
  "api/notAModelApi": [["https://models.example.com/v1", "its list of models has another form"]],
  "api/server": [
    [host, 404, serverWords.detail],
    [host, 429],
    [host, 500],
  ],
  "api/sessionEnded": [[host], [host, "default"], [host, "work"]],
  "api/wrongBaseUrl": [[host, "it sent a web page where data was expected"]],
  "audit/broken": [[`${home}/audit/2026-01.jsonl`, 7, "the line was changed"]],
  "audit/unread": [[["the login of profile work (/home/ada/.codemie/vault/1.json)"]]],
  "audit/unsynced": [[platformFailure.disk(`${home}/audit`, systemError("EIO"))]],
  "auth/badKey": [["it is empty"]],
  "auth/badToken": [["it is not signed (alg none)"]],
  "auth/loginNeeded": [[host], [host, "default"], [host, "work"]],
  "auth/tokenFileMissing": [["/run/secrets/token"]],
  "auth/unsafeCookie": [[host, "_oauth2_proxy"]],
  "cli/noFlag": [
    ["codemie profile status", "--ofline", "--offline"],
    ["codemie profile status", "--zzz", undefined],
  ],
  "cli/noSuch": [
    ["format", "yaml", ["raw", "header", "json"]],
    ["transport", "carrier", ["auto", "http", "sse"], "choices"],
  ],
  "cli/notSeconds": [
    ["--timeout", "soon", 300],
    ["--timeout", "soon", undefined],
  ],
  "cli/bridge/unsendable": [["--header", "X-Api-Key"]],
  "cli/bridge/headerVariableUnset": [
    ["--header-env", "X-Api-Key", "MCP_KEY"],
    ["--header-env", "X-Api-Key", "the-key-itself"],
  ],
  "cli/bridge/notHttps": [["--issuer"]],
  "cli/bridge/url": [
    ["mcp.example.com", "it is not a web address"],
    [
      "http://mcp.example.com/mcp",
      "plain http: sends messages and tokens in clear text",
      "use https:, or --allow-http if you know that nobody listens in between",
    ],
  ],
  "cli/bridge/variableUnset": [
    ["client-secret-env", "MCP_SECRET"],
    ["client-secret-env", "the-secret-itself"],
  ],
  "cli/commands/agentMissing": [["Claude Code", "claude", "npm install -g @anthropic-ai/claude-code"]],
  "cli/commands/badServerName": [["-x"]],
  "cli/commands/badSetting": [["timeout", "never", "seconds a request may wait for its first byte, 0 for ever"]],
  "cli/commands/credentialFlag": [["--jwt-tokn", "--jwt-token"]],
  "cli/commands/exportPassphraseWrong": [["/home/ada/logins.codemie"]],
  "cli/commands/exportUnreadable": [["/home/ada/logins.codemie", "there is no such file"]],
  "cli/commands/noCompletion": [
    ["fsh", ["bash", "fish"], "fish"],
    ["tcsh", ["bash", "fish"], undefined],
  ],
  "cli/commands/noSetting": [
    ["modl", ["model", "project"], "model"],
    ["colour", ["model", "project"], undefined],
  ],
  "cli/commands/nobodyToAsk": [["delete the profile"], ["reset the configuration"]],
  "cli/commands/notAnExport": [["/home/ada/logins.codemie"]],
  "cli/commands/notForToken": [["session to renew", "ci"]],
  "cli/commands/twoKeys": [["--key-file", "--passphrase-stdin"]],
  "cli/frame/noCommand": [
    ["codemie", "login", "profile login"],
    ["codemie", "zzz", undefined],
  ],
  "cli/frame/tooManyWords": [
    ["codemie token", 0],
    ["codemie profile use", 1],
    ["codemie profile rename", 2],
  ],
  "cli/frame/wordMissing": [["codemie profile use", "the profile's name"]],
  "core/asCodemieError": [
    [new Error("a defect at https://user:secret@example.com/path?key=secret")],
    ["not even an error"],
  ],
  "core/badHost": [
    ["ftp://codemie.example.com", "only https: is supported"],
    [`${host}/elsewhere`, "a CodeMie host has no path but /code-assistant-api", `try ${host}`],
  ],
  "daemon/badPort": [["seven", "--port"]],
  "daemon/notRunning": [[], ["work"]],
  "daemon/running": [["work"], ["work", "http://127.0.0.1:4001"]],
  "gateway/portTaken": [
    [4001, false],
    [80, true],
  ],
  "mcp/nameIssuer": [[issuer, "id.example.com"]],
  "mcp/headerRefused": [[server, 401]],
  "mcp/justAsked": [[server]],
  "mcp/loginNeeded": [[server]],
  "mcp/lost": [[server]],
  "mcp/noLogin": [[server]],
  "oauth/noRegistration": [
    [issuer, false],
    [issuer, true],
  ],
  "mcp/notMcp": [[server, "it sent a web page"]],
  "mcp/notReopened": [[server, serverWords.said]],
  "mcp/redirect": [[`${server}/mcp`, serverWords.target]],
  "oauth/registrationRefused": [
    [issuer, 400],
    [issuer, 400, serverWords.detail],
  ],
  "mcp/resource": [[`${server}/mcp`, serverWords.found]],
  "mcp/scope": [
    [server, undefined],
    [server, "tools:write"],
  ],
  "mcp/silent": [[server, 600_000]],
  "mcp/status": [
    [server, 400],
    [server, 403, serverWords.detail],
    [server, 404],
    [server, 405],
    [server, 413],
    [server, 429],
    [server, 503],
  ],
  "mcp/tokenRefused": [[server]],
  "mcp/unanswered": [[server]],
  "oauth/address": [["the token endpoint", "http://elsewhere.example.com/token"]],
  "auth/idToken": [[issuer, "its nonce belongs to another login"]],
  "oauth/key": [["it is neither a PKCS#8 PEM nor a private JWK"]],
  "auth/provider": [
    [issuer, "its metadata names another issuer"],
    [
      issuer,
      "its metadata names another issuer",
      `it calls itself ${issuer}/realms/one; if you trust that one, give it with --issuer`,
    ],
  ],
  "auth/providerRefused": [
    [issuer, "access_denied", ""],
    [issuer, "invalid_scope", serverWords.description],
  ],
  "mcp/refused": [
    [issuer, "access_denied", serverWords.description],
    [issuer, "invalid_client", ""],
    [issuer, "unauthorized_client", ""],
    [issuer, "invalid_scope", ""],
    [issuer, "invalid_target", ""],
    [issuer, "server_error", ""],
  ],
  "mcp/token": [[issuer, "the token endpoint answered 503"]],
  "platform/badAnswer": [[host, "it has a length beside chunks"]],
  "platform/browserFailed": [["the system's browser"]],
  "platform/caFile": [["CODEMIE_CA_CERTS", "/etc/company.pem", "there is no certificate in it"]],
  "platform/output": [[systemError("ENOSPC")]],
  "platform/disk": [
    [`${home}/vault/default`, systemError("ENOSPC")],
    [`${home}/vault/default`, systemError("EDQUOT")],
    [`${home}/vault/default`, systemError("EROFS")],
    [`${home}/vault/default`, systemError("EACCES")],
    [`${home}/vault/default`, systemError("EFBIG")],
    [`${home}/vault/default`, systemError("ENOTDIR")],
    [`${home}/vault/default`, systemError("ENOENT")],
    [`${home}/vault/default`, systemError("EIO")],
    [`${home}/vault/default`, new Error("without a code")],
  ],
  "platform/exists": [["/home/ada/logins.codemie"]],
  "platform/locked": [
    ["the vault", 10_000],
    ["the vault", 10_000, 4242],
  ],
  "platform/relativePath": [["CODEMIE_HOME", "codemie"]],
  "platform/tls": [[host, "self signed certificate"]],
  "platform/unreachable": [[host, "no such host"]],
  "platform/unreadable": [[`${home}/vault/default`, "permission denied"]],
  "profiles/badName": [["-work"]],
  "profiles/configDamaged": [[`${home}/codemie-cli.config.json`, "line 3, profiles.work: expected object"]],
  "profiles/hostsDiffer": [[host, "https://other.example.com"]],
  "profiles/none": [
    ["wrok", []],
    ["wrok", ["default", "work"]],
  ],
  "profiles/otherService": [["work", "bedrock"]],
  "setup/badProfileName": [["-work"]],
  "setup/loginOfOther": [["--token-stdin", "sso"]],
  "vault/damaged": [[`${home}/vault/data-key`]],
  "vault/dataKeyMissing": [[`${home}/vault/data-key`]],
  "vault/hasKeyFile": [[`${home}/vault/key`, "CODEMIE_VAULT_PASSPHRASE"]],
  "vault/passphraseWrong": [["from CODEMIE_VAULT_PASSPHRASE_FILE"], ["you typed"]],
  "vault/recordDamaged": [["login work", `${home}/vault/9f2c`]],
};
