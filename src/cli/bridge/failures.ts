import { CodemieError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";

const see = "see codemie-mcp-proxy --help";

/** Something given instead of a variable's name may be the secret itself: only what looks like such a name is repeated. */
const shown = (variable: string) =>
  /^[A-Z_][A-Z0-9_]{0,63}$/.test(variable)
    ? `the variable ${variable}, which is not set`
    : "a variable that is not set";

/** Failures of the bridge's command line, as users see them. */
export const bridgeFailure = {
  url: (given: string, why: string, hint = "give the server as https://mcp.example.com/mcp") =>
    new CodemieError("usage", `cannot use ${printable(given, 120)} as an MCP server: ${why}`, hint),
  urlMissing: () =>
    new CodemieError(
      "usage",
      "codemie-mcp-proxy needs the address of an MCP server",
      "for example codemie-mcp-proxy https://mcp.example.com/mcp",
    ),
  /** The surplus word may be a key: the message does not repeat it. */
  surplusWord: () => new CodemieError("usage", "codemie-mcp-proxy takes one address and flags", see),
  /** @param place of the word on the command line, from 1; the word may be a key, so the message does not repeat it */
  noFlag: (place: number) =>
    new CodemieError("usage", `word ${place} of the command line is no flag of codemie-mcp-proxy`, see),
  splitHeader: () =>
    new CodemieError(
      "usage",
      "a header was split at its blank, so that its rest became a word of its own",
      "put the whole value, with Bearer, into a variable and write --header-env Authorization:MCP_TOKEN, without a blank; or use --header-file",
    ),
  badPrompt: () =>
    new CodemieError(
      "usage",
      "--prompt takes words",
      "for example --prompt login; --prompt '' leaves it to the provider",
    ),
  badParameter: () =>
    new CodemieError(
      "usage",
      "an --authorize-param is not of the form NAME=VALUE",
      "for example --authorize-param audience=https://api.example.com",
    ),
  ownParameter: (name: string) =>
    new CodemieError(
      "usage",
      `--authorize-param cannot set ${name}: the bridge sets it`,
      "there are flags for scope, resource, prompt and client_id; the others protect the login",
    ),
  /** The message does not repeat the value: only a part of it may be a variable. */
  headerNotFilled: (name: string) =>
    new CodemieError(
      "usage",
      `the value of --header ${printable(name, 60)} holds a variable that nothing replaced by its value`,
      `write it as \${NAME} or \${NAME:-default}, or give the variable's name: --header-env '${printable(name, 60)}: NAME'`,
    ),
  noCredential: (flag: string) =>
    new CodemieError(
      "usage",
      `the Authorization header of ${flag} holds no credential`,
      "the variable in it may not be set: set it, or leave the header out to log in through the browser",
    ),
  /** The message repeats nothing of the file. */
  badHeaderFile: (file: string, line: number) =>
    new CodemieError(
      "usage",
      `line ${line} of ${printable(file, 200)} is not of the form 'Name: value'`,
      "write one header a line; lines that begin with # are left out",
    ),
  noHeaderFile: (file: string) =>
    new CodemieError("usage", `there is no file ${printable(file, 200)}`, "check --header-file"),
  secretAndKey: () => new CodemieError("usage", "a client has a secret or a key, not both", see),
  clientIdMissing: () => new CodemieError("usage", "a client's secret or key needs --client-id", see),
  badMetadataUrl: () => new CodemieError("usage", "--client-metadata-url must be an https: address with a path", see),
  providerIncomplete: () =>
    new CodemieError(
      "usage",
      "--idp-token-endpoint, --idp-client-id and --id-token-env belong together, and --idp-client-secret-env to them",
      see,
    ),
  workloadIncomplete: () =>
    new CodemieError("usage", "--grant jwt-bearer and --id-token belong together, and --audience to them", see),
  badIdToken: () => new CodemieError("usage", "--id-token is not of the form github, env:NAME or file:PATH", see),
  /** @param flag without its dashes */
  variableUnset: (flag: string, variable: string) =>
    new CodemieError("usage", `--${flag} names ${shown(variable)}`, "set the variable, or name another one"),
  notHttps: (flag: string) => new CodemieError("usage", `${flag} must be an https: address`, see),
  resourceAndNone: () => new CodemieError("usage", "--resource and --no-resource contradict each other", see),
  badResource: () =>
    new CodemieError("usage", "--resource must be an address", "for example --resource https://mcp.example.com/mcp"),
  /** The message does not repeat the value: it may be a credential. */
  unsendable: (flag: string, name: string) =>
    new CodemieError("usage", `the value of ${flag} ${printable(name, 60)} cannot be sent as a header`, see),
  headerVariableUnset: (flag: string, name: string, variable: string) =>
    new CodemieError(
      "usage",
      `${flag} ${printable(name, 60)} names ${shown(variable)}`,
      "set the variable, or name another one",
    ),
  /** The message does not repeat the line: it may hold a credential. */
  badHeader: () => new CodemieError("usage", "a --header is not of the form 'Name: value'", see),
  badHeaderEnv: () =>
    new CodemieError("usage", "a --header-env is not of the form 'Name: VARIABLE'", "for example 'X-Api-Key: MCP_KEY'"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
