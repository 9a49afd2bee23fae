import { CodemieError } from "../core/errors.ts";
import { profileFailure } from "../profiles/failures.ts";

const otherName = "choose another name with --profile";

/** Set-up needs a value, and nobody is there to type it. */
const needs = (what: string, flag: string) => new CodemieError("usage", `setup needs ${what}`, flag);

/** Failures of the set-up, as users see them. */
export const setupFailure = {
  profileHasOtherHost: (name: string, origin: string) =>
    new CodemieError("usage", `profile ${name} belongs to ${origin}`, otherName),
  badProfileName: (name: string) => new CodemieError("usage", profileFailure.badName(name).message, otherName),
  loginOfOther: (flag: string, method: string) =>
    new CodemieError("usage", `${flag} has no place in a login by ${method}`, "leave it out, or name its own --method"),
  needsHost: () => needs("the address of the host", "codemie setup --url https://codemie.example.com"),
  needsBaseUrl: (title: string, example: string) => needs(`the base URL of ${title}`, `--url ${example}`),
  needsIssuer: () => needs("the OpenID provider", "--issuer https://sso.example.com"),
  needsClientId: () => needs("the client id at the OpenID provider", "--client-id ID"),
  needsKey: () => needs("the key", "pass it on standard input with --key-stdin"),
  needsProvider: () => new CodemieError("usage", "an API key needs its provider", "--provider openai"),
  noBaseUrl: (title: string, example: string) =>
    new CodemieError("usage", `${title} needs its base URL`, `--url ${example}`),
  takesNoKey: (origin: string) => new CodemieError("usage", `${origin} is a CodeMie host, which takes no key`),
  takesKeyOnly: (method: string) =>
    new CodemieError("usage", `a model provider is reached with an API key, not by ${method}`, "--method api-key"),
  isIssuer: (issuer: string) =>
    new CodemieError(
      "usage",
      `${issuer} is an OpenID provider, not a CodeMie host`,
      `give the host's address; with --issuer ${issuer} the login goes there`,
    ),
  /** The message does not repeat the value: it may be the token itself instead of a name. */
  notAVariable: () => new CodemieError("usage", "--token-env takes the name of a variable", "--token-env MY_TOKEN"),
  nothingToSave: () => new CodemieError("usage", "there is nothing to save"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
