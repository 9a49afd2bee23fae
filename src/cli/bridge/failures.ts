import { CodemieError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";

const see = "see codemie-mcp-proxy --help";

/** Failures of the bridge's command line, as users see them. */
export const bridgeFailure = {
  url: (given: string, why: string, hint = "give the server as https://mcp.example.com/mcp") =>
    new CodemieError("usage", `cannot use ${printable(given, 120)} as MCP server: ${why}`, hint),
  urlMissing: () =>
    new CodemieError(
      "usage",
      "codemie-mcp-proxy needs the address of an MCP server",
      "codemie-mcp-proxy https://mcp.example.com/mcp",
    ),
  surplusWord: (word: string) => new CodemieError("usage", `codemie-mcp-proxy does not take ${word}`, see),
  secretAndKey: () => new CodemieError("usage", "a client has a secret or a key, not both", see),
  clientIdMissing: () => new CodemieError("usage", "--client-id is missing", see),
  badMetadataUrl: () => new CodemieError("usage", "--client-metadata-url has to be an https: address with a path", see),
  providerIncomplete: () =>
    new CodemieError("usage", "--idp-token-endpoint, --idp-client-id and --id-token-env belong together", see),
  /** @param flag without its dashes */
  variableUnset: (flag: string, variable: string) =>
    new CodemieError("usage", `--${flag} names the variable ${variable}, which is not set`, see),
  notHttps: (flag: string) => new CodemieError("usage", `${flag} has to be an https: address`, see),
  resourceAndNone: () => new CodemieError("usage", "--resource and --no-resource contradict each other", see),
  badResource: () =>
    new CodemieError("usage", "--resource has to be an address", "for example --resource https://mcp.example.com/mcp"),
  badCallbackPort: (text: string) => new CodemieError("usage", `--callback-port ${text} is no port`, see),
  /** The message does not repeat the value: it may be a credential. */
  unsendable: (flag: string, name: string) =>
    new CodemieError("usage", `the value of ${flag} ${name} cannot be sent as a header`, see),
  headerVariableUnset: (flag: string, name: string, variable: string) =>
    new CodemieError("usage", `${flag} ${name} needs the variable ${variable}, which is not set`, see),
  /** The message does not repeat the line: it may hold a credential. */
  badHeader: () => new CodemieError("usage", "a --header is not of the form 'Name: value'", see),
  badHeaderEnv: () =>
    new CodemieError("usage", "a --header-env is not of the form 'Name: VARIABLE'", "for example 'X-Api-Key: MCP_KEY'"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
