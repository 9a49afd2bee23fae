import { CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";

/** What can go wrong with the command line, in the words a person meets. */
export const cliFailure = {
  whichHost: () =>
    new CodemieError(
      "usage",
      "no CodeMie host is known yet, so one has to be named",
      "codemie profile login --url https://codemie.example.com",
    ),
  notForToken: (what: string, profile: string) =>
    new CodemieError(
      "usage",
      `profile ${profile} works with a bearer token from elsewhere, so there is no ${what}`,
      `get a new token from where it came from; codemie setup --method jwt --profile ${profile} stores one`,
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
      "give the file codemie vault export wrote",
    ),
  exportPassphraseWrong: (file: string) =>
    new CodemieError(
      "vault_key",
      `that passphrase does not open ${printable(file, 200)}`,
      "use the passphrase it was exported with; nothing was changed",
    ),
  noSetting: (key: string, known: readonly string[], close: string | undefined) =>
    new CodemieError(
      "usage",
      `there is no setting ${printable(key, 60)}`,
      close ? `did you mean ${close}` : `settings: ${known.join(", ")}`,
    ),
  badSetting: (key: string, value: string, about: string) =>
    new CodemieError("usage", `${printable(value, 60)} is no value for ${key}`, `${key}: ${about}`),
  agentMissing: (name: string, binary: string, install: string) =>
    new CodemieError("agent_missing", `${name} (${binary}) is not on PATH`, `install it: ${install}`),
  mcpUrl: (given: string, why: string, hint = "give the server as https://mcp.example.com/mcp") =>
    new CodemieError("usage", `cannot use ${printable(given, 120)} as MCP server: ${why}`, hint),
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
  declined: () => new CodemieError("failed", "nothing was changed"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
