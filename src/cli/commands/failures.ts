import { CodemieError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";

/** Failures of commands, as users see them. */
export const commandFailure = {
  whichHost: () =>
    new CodemieError(
      "usage",
      "no CodeMie host is known yet",
      "run codemie setup in a terminal, or name the host, for example codemie profile login codemie.example.com",
    ),
  noCodemie: (origin: string) =>
    new CodemieError(
      "wrong_base_url",
      `${origin} does not answer like a CodeMie host`,
      "give the address you open CodeMie at in the browser; codemie setup takes model providers too",
    ),
  twoHosts: () => new CodemieError("usage", "the host is given twice", "give it either as a word or with --url"),
  issuerMissing: () =>
    new CodemieError("usage", "an OpenID login needs --issuer", "for example --issuer https://sso.example.com"),
  oneProfileOnly: () =>
    new CodemieError(
      "usage",
      "a host or credential for this run goes with one profile, not with --all",
      "leave out --all",
    ),
  clientIdMissing: () =>
    new CodemieError("usage", "an OpenID login needs --client-id", "ask the provider's administrator for it"),
  badPrompt: () =>
    new CodemieError(
      "usage",
      "--prompt takes names of what the provider may ask, separated by blanks",
      "for example --prompt login, --prompt consent, or --prompt default to leave it to the provider",
    ),
  /** @param what a noun: the thing the command works on */
  notForToken: (what: string, profile: string) =>
    new CodemieError(
      "usage",
      `profile ${profile} works with a bearer token from elsewhere, so there is no ${what}`,
      `get a new token where you got the old one; codemie setup --method jwt --profile ${profile} stores one`,
    ),
  tokenNotRenewable: () =>
    new CodemieError(
      "usage",
      "codemie cannot renew a bearer token from the environment",
      "get a new one where you got the old one, or unset CODEMIE_JWT_TOKEN, CODEMIE_JWT_TOKEN_FILE and CODEMIE_ID_TOKEN",
    ),
  otherMethod: (profile: string) =>
    new CodemieError(
      "usage",
      `profile ${profile} works with a bearer token, and this login would replace that; nothing was changed`,
      "use --yes to replace it, --issuer to log in at an OpenID provider, or --profile NAME for another profile",
    ),
  noRawForm: () =>
    new CodemieError(
      "usage",
      "a browser session has no raw form: it is a set of cookies",
      "use --format header, or start the agent through codemie-claude",
    ),
  boundToken: () =>
    new CodemieError(
      "usage",
      "this login's token is bound to a key (DPoP): no other program can use it",
      "start a gateway for the program with codemie proxy start, or log in without --dpop",
    ),
  profileExists: (name: string) =>
    new CodemieError("usage", `there is already a profile ${name}`, "choose another name"),
  /** @param whether the action, as words behind "whether to" */
  nobodyToAsk: (whether: string) =>
    new CodemieError("usage", `cannot ask whether to ${whether}: there is no terminal`, "add --yes"),
  declined: () => new CodemieError("failed", "nothing was changed"),
  keyAndToken: () =>
    new CodemieError(
      "usage",
      "standard input holds a key or a token, not both",
      "use either --key-stdin or --token-stdin",
    ),
  exportFileMissing: () =>
    new CodemieError(
      "usage",
      "codemie vault export needs the file to write",
      "for example codemie vault export logins.codemie",
    ),
  importFileMissing: () =>
    new CodemieError(
      "usage",
      "codemie vault import needs the file to read",
      "for example codemie vault import logins.codemie",
    ),
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
      "give a file that codemie vault export wrote",
    ),
  exportPassphraseWrong: (file: string) =>
    new CodemieError(
      "vault_key",
      `that passphrase does not open ${printable(file, 200)}`,
      "use the passphrase it was exported with; nothing was changed",
    ),
  twoKeys: (flag: string, other: string) =>
    new CodemieError("usage", `${flag} and ${other} name two keys`, "use only one of them: the vault has one key"),
  noSetting: (key: string, known: readonly string[], close: string | undefined) =>
    new CodemieError(
      "usage",
      `there is no setting ${printable(key, 60)}`,
      close ? `did you mean ${close}` : `settings: ${known.join(", ")}`,
    ),
  badSetting: (key: string, value: string, about: string) =>
    new CodemieError("usage", `cannot set ${key} to ${printable(value, 60)}`, `${key}: ${about}`),
  settingOfAll: (key: string) =>
    new CodemieError("usage", `${key} counts for all profiles, so there is none to name`, "leave out --profile"),
  noLinesReceived: (file: string) =>
    new CodemieError(
      "failed",
      `there is no line of the audit trail in ${printable(file, 200)}`,
      "give the file that the receiver of auditForward wrote",
    ),
  noReceivedFile: (file: string) =>
    new CodemieError(
      "usage",
      `the receiver's file ${printable(file, 200)} does not exist`,
      "give the file that the receiver of auditForward wrote",
    ),
  noTrailKey: () =>
    new CodemieError(
      "failed",
      "this machine has no audit trail, so it has no key to check one with",
      "check the file on the machine whose trail it is",
    ),
  hostNeeded: (profile: string) =>
    new CodemieError(
      "usage",
      `profile ${profile} needs its host`,
      `codemie config set url gives it another one, codemie profile delete ${profile} removes it`,
    ),
  endlessDocument: () =>
    new CodemieError("usage", "--follow has no end, so there is no document for --json", "leave out one of them"),
  notADate: (given: string) =>
    new CodemieError(
      "usage",
      `--since ${printable(given, 60)} is not a date`,
      "for example 2026-11-01, yesterday, 3d or 12h",
    ),
  notACount: (given: string) =>
    new CodemieError("usage", `--last ${printable(given, 60)} is not a number`, "for example --last 20"),
  noCompletion: (shell: string, known: readonly string[], close: string | undefined) =>
    new CodemieError(
      "usage",
      `there is no completion for ${printable(shell, 60)}`,
      close ? `did you mean ${close}` : `shells: ${known.join(", ")}`,
    ),
  /** @param title the agent's name */
  crashed: (title: string) =>
    new CodemieError(
      "internal",
      `codemie crashed, so ${title} was stopped: its gateway is gone`,
      "start it again; if that happens often, report it with the output of codemie --version",
    ),
  crashedAlone: (title: string) =>
    new CodemieError(
      "internal",
      `codemie crashed, and ${title} could not be stopped: it goes on without its gateway`,
      "stop it yourself; if that happens often, report it with the output of codemie --version",
    ),
  agentMissing: (name: string, binary: string, install: string) =>
    new CodemieError(
      "agent_missing",
      `${name} (${binary}) is not on PATH`,
      `install it: codemie install ${binary}, or ${install}`,
    ),
  npmMissing: (title: string, install: string) =>
    new CodemieError(
      "agent_missing",
      `${title} is installed with npm, which is not on PATH`,
      `install Node.js, then: ${install}`,
    ),
  npmFailed: (title: string, install: string) =>
    new CodemieError("failed", `npm did not install ${title}`, `its words are above; to try it yourself: ${install}`),
  notOnPath: (title: string, binary: string) =>
    new CodemieError(
      "agent_missing",
      `${title} is installed, but ${binary} is not on PATH`,
      "add the bin folder below npm prefix -g to PATH",
    ),
  clientProofNeeded: (url: string) =>
    new CodemieError(
      "usage",
      `the login at ${printable(url, 200)} is that of a client with a secret or a key, which revoking its tokens needs too`,
      "add --client-secret-env, --client-key-env or --client-key as for the bridge, or --no-revoke to remove the login alone",
    ),
  /** @param own our flag that it resembles */
  credentialFlag: (flag: string, own: string) =>
    new CodemieError(
      "usage",
      `${printable(flag, 60)} looks like ${own}; it was not passed on, since the process list would show its value`,
      "to pass it to the agent anyway, put it after --",
    ),
  /** @param instead the long flag of the agent, or of ours, that takes the value */
  unclearFlag: (program: string, flag: string, value: string, instead: string) =>
    new CodemieError(
      "usage",
      `${flag} is short for --silent here, and takes no ${printable(value, 40)}`,
      `to hand it to the agent, write ${instead} ${printable(value, 40)}; for no notes, ${program} --silent`,
    ),
  /** @param close the flag of ours that was probably meant */
  agentFlag: (program: string, flag: string, close: string) =>
    new CodemieError(
      "usage",
      `${program} has no flag ${printable(flag, 60)}, and the agent is not known to have it`,
      `did you mean ${close}? To pass ${printable(flag, 60)} to the agent, put it after --`,
    ),
  /** @param addresses how many servers of that name there are */
  noServer: (name: string, addresses: number, close: string | undefined) =>
    new CodemieError(
      "usage",
      addresses > 1
        ? `Claude Code has several servers ${printable(name, 60)}`
        : `Claude Code has no server ${printable(name, 60)} through codemie`,
      close && addresses === 0
        ? `did you mean ${printable(close, 60)}`
        : "give the server's address; codemie mcp list shows names and addresses",
    ),
  badServerName: (name: string) =>
    new CodemieError(
      "usage",
      `${printable(name, 60)} cannot be the name of a server`,
      "use letters, digits, dashes and underscores, and no dash at the start",
    ),
  notForRegistration: () =>
    new CodemieError("usage", "--help, --version and --explain cannot be registered", "see codemie-mcp-proxy --help"),
  mcpAdd: (name: string, said: string) =>
    new CodemieError(
      "failed",
      `Claude Code did not add the server: ${printable(said)}`,
      `see claude mcp list; a server of that name may be there already (claude mcp remove ${name})`,
    ),
  mcpRelayFlags: () =>
    new CodemieError(
      "usage",
      "flags of the bridge mean nothing with --via-proxy: the agent itself logs in at the server",
      "leave out -- and what follows, or leave out --via-proxy",
    ),
  mcpRelayProfile: () =>
    new CodemieError("usage", "--profile names the gateway to use, so it goes with --via-proxy", "leave it out"),
  mcpHeader: () =>
    new CodemieError(
      "usage",
      "a header's value cannot be registered: the agent shows it in the process list, and keeps it in its file",
      "name a variable that holds the value, for example --header-env 'X-Api-Key: MCP_KEY'",
    ),
  mcpParameter: (name: string) =>
    new CodemieError(
      "usage",
      `${printable(name, 100)} is a secret and cannot be registered: the agent shows it in the process list, and keeps it in its file`,
      "leave it out, or start codemie-mcp-proxy yourself with it",
    ),
  mcpVariable: () =>
    new CodemieError(
      "usage",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text itself
      "the agent fills in ${VARIABLE} itself, so the process list would show its value",
      "name the variable instead, for example --header-env 'X-Api-Key: MCP_KEY'",
    ),
  /** @param count how many sessions begin so */
  noSession: (id: string, count: number) =>
    new CodemieError(
      "usage",
      count > 1 ? `${count} sessions begin with ${printable(id, 60)}` : `there is no session ${printable(id, 60)}`,
      count > 1
        ? "give more of the id: codemie sessions list --json"
        : "codemie sessions list shows those that were counted",
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
