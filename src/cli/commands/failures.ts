import { CodemieError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";

/** Failures of commands, as users see them. */
export const commandFailure = {
  whichHost: () =>
    new CodemieError(
      "usage",
      "no CodeMie host is known yet, so one has to be named",
      "codemie profile login --url https://codemie.example.com",
    ),
  issuerMissing: () =>
    new CodemieError("usage", "an OpenID login needs --issuer", "for example --issuer https://sso.example.com"),
  clientIdMissing: () =>
    new CodemieError("usage", "an OpenID login needs --client-id", "the provider's administrator knows it"),
  /** @param what a noun: the thing the command works on */
  notForToken: (what: string, profile: string) =>
    new CodemieError(
      "usage",
      `profile ${profile} works with a bearer token from elsewhere, so there is no ${what}`,
      `get a new token from where it came from; codemie setup --method jwt --profile ${profile} stores one`,
    ),
  tokenNotRenewable: () =>
    new CodemieError(
      "usage",
      "a bearer token given by the environment cannot be renewed here",
      "get a new one from where it came from, or unset CODEMIE_JWT_TOKEN and CODEMIE_JWT_TOKEN_FILE",
    ),
  noRawForm: () =>
    new CodemieError(
      "usage",
      "a browser session has no raw form: it is a set of cookies",
      "use --format header, or start the agent through codemie-claude",
    ),
  profileExists: (name: string) =>
    new CodemieError("usage", `there is a profile ${name} already`, "choose another name"),
  /** @param whether the action, as words behind "whether to" */
  nobodyToAsk: (whether: string) =>
    new CodemieError("usage", `nobody is there to be asked whether to ${whether}`, "add --yes"),
  declined: () => new CodemieError("failed", "nothing was changed"),
  keyAndToken: () => new CodemieError("usage", "standard input holds a key or a token, not both"),
  exportFileMissing: () =>
    new CodemieError("usage", "the file to write is missing", "for example codemie vault export logins.codemie"),
  importFileMissing: () =>
    new CodemieError("usage", "the file to read is missing", "for example codemie vault import logins.codemie"),
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
  twoKeys: (flag: string, other: string) =>
    new CodemieError("usage", `${flag} and ${other} name two keys`, "the vault has one"),
  noSetting: (key: string, known: readonly string[], close: string | undefined) =>
    new CodemieError(
      "usage",
      `there is no setting ${printable(key, 60)}`,
      close ? `did you mean ${close}` : `settings: ${known.join(", ")}`,
    ),
  badSetting: (key: string, value: string, about: string) =>
    new CodemieError("usage", `${printable(value, 60)} is no value for ${key}`, `${key}: ${about}`),
  notADate: (given: string) => new CodemieError("usage", `--since ${given} is not a date`, "for example 2026-11-01"),
  notACount: (given: string) => new CodemieError("usage", `--last ${given} is not a number`, "for example --last 20"),
  noCompletion: (shell: string, known: readonly string[], close: string | undefined) =>
    new CodemieError(
      "usage",
      `there is no completion for ${shell}`,
      close ? `did you mean ${close}` : `shells: ${known.join(", ")}`,
    ),
  agentMissing: (name: string, binary: string, install: string) =>
    new CodemieError("agent_missing", `${name} (${binary}) is not on PATH`, `install it: ${install}`),
  /** @param own our flag that it resembles */
  credentialFlag: (flag: string, own: string) =>
    new CodemieError(
      "usage",
      `${flag} looks like ${own}; it was not passed on, since the process list would show its value`,
      "to pass it to the agent all the same, put it after --",
    ),
  badServerName: (name: string) =>
    new CodemieError(
      "usage",
      `${name} cannot be the name of a server`,
      "use letters, digits, dashes and underscores, and no dash at the start",
    ),
  notForRegistration: () =>
    new CodemieError(
      "usage",
      "--help, --version and --explain are not for a registration",
      "see codemie-mcp-proxy --help",
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
} satisfies Record<string, (...args: never[]) => CodemieError>;
