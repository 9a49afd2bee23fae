import { CodemieError } from "../core/errors.ts";
import { profileFailure } from "../profiles/failures.ts";

const otherName = "choose another name with --profile";

/** Set-up needs a value, and nobody is there to type it. */
const needs = (what: string, hint: string) => new CodemieError("usage", `setup needs ${what}`, hint);

/** Failures of the set-up, as users see them. */
export const setupFailure = {
  profileHasOtherHost: (name: string, origin: string) =>
    new CodemieError("usage", `profile ${name} belongs to ${origin}`, otherName),
  badProfileName: (name: string) => {
    const { message, hint } = profileFailure.badName(name);
    return new CodemieError("usage", message, `${otherName}; ${hint}`);
  },
  loginOfOther: (flag: string, method: string) =>
    new CodemieError(
      "usage",
      `${flag} does not go with --method ${method}`,
      "leave it out, or give the --method it belongs to",
    ),
  needsHost: () => needs("the address of the host", "for example codemie setup --url https://codemie.example.com"),
  needsBaseUrl: (title: string, example: string) => needs(`the base URL of ${title}`, `for example --url ${example}`),
  needsIssuer: () => needs("the OpenID provider", "for example --issuer https://sso.example.com"),
  needsClientId: () => needs("the client ID at the OpenID provider", "give it with --client-id ID"),
  needsKey: () => needs("the API key", "pass it on standard input with --key-stdin"),
  needsProvider: () => new CodemieError("usage", "an API key needs its provider", "for example --provider openai"),
  takesNoKey: (origin: string) =>
    new CodemieError(
      "usage",
      `${origin} is a CodeMie host, which takes no API key`,
      "leave out --method api-key and --key-stdin, or give the address of a model provider",
    ),
  takesKeyOnly: (method: string) =>
    new CodemieError("usage", `a model provider takes an API key, not --method ${method}`, "use --method api-key"),
  isIssuer: (issuer: string) =>
    new CodemieError(
      "usage",
      `${issuer} is an OpenID provider, not a CodeMie host`,
      `give the host's address, and --issuer ${issuer} to log in at the provider`,
    ),
  /** The message does not repeat the value: it may be the token itself instead of a name. */
  notAVariable: () =>
    new CodemieError("usage", "--token-env takes the name of a variable", "for example --token-env MY_TOKEN"),
  nothingToSave: () => new CodemieError("usage", "there is nothing to save"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
