import { CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";

/** Failures of a run's credential, and of the vault's passphrase, as users see them. */
export const accessFailure = {
  tokenMissing: (origin: string, variable: string) =>
    new CodemieError(
      "auth_needed",
      `no bearer token for ${origin}`,
      `set ${variable} to the token, or CODEMIE_JWT_TOKEN_FILE to a file that holds it`,
    ),
  noLoginInCi: (origin: string) =>
    new CodemieError(
      "auth_needed",
      `no login for ${origin}, and nobody to log in by browser in CI`,
      "set CODEMIE_JWT_TOKEN to a bearer token, or CODEMIE_JWT_TOKEN_FILE to a file that holds it, or use this job's own identity (--id-token)",
    ),
  tokenEmpty: (variable: string) =>
    new CodemieError(
      "auth_needed",
      `${variable} is set but empty`,
      "check that the secret is there and that this job may read it",
    ),
  credentialTwice: () =>
    new CodemieError(
      "usage",
      "--id-token and another flag both give a credential",
      "use only one of --id-token, --jwt-token, --jwt-token-file and --api-key",
    ),
  identityMissing: () =>
    new CodemieError(
      "usage",
      "--audience, --issuer, --client-id and --scope say how to use an identity token, and there is none",
      "add --id-token github, env:NAME or file:PATH",
    ),
  exchangeIncomplete: () =>
    new CodemieError(
      "usage",
      "an exchange of the identity token needs the provider's address and a client there",
      "give both --issuer URL and --client-id ID",
    ),
  keyMissing: (origin: string, profile: string) =>
    new CodemieError(
      "auth_needed",
      `no API key for ${origin}`,
      `run codemie setup --method api-key --profile ${profile}, or set CODEMIE_API_KEY`,
    ),
  keyWithoutProvider: (profile: string, origin: string) =>
    new CodemieError(
      "usage",
      `profile ${profile} is for ${origin} and takes no API key`,
      "set up a profile for the key's provider: codemie setup --method api-key",
    ),
  /** @param what a noun: the thing the command works on */
  notForProvider: (what: string, profile: string) =>
    new CodemieError(
      "usage",
      `profile ${profile} works with an API key, so there is no ${what}`,
      `to store another key, run codemie setup --method api-key --profile ${profile}`,
    ),
  /** @param from the terminal, file, variable or flag that should have given it */
  passphraseUnusable: (from: string, why: string, hint?: string) =>
    new CodemieError("vault_passphrase", `cannot get a passphrase from ${from}: ${printable(why, 160)}`, hint),
  passphrasesDiffer: () =>
    new CodemieError("usage", "the two passphrases are not the same; nothing was changed", "run the command again"),
  passphraseGivenTwice: () =>
    new CodemieError(
      "usage",
      "--passphrase-stdin and --passphrase-command both give the passphrase",
      "use only one of them",
    ),
  passphraseNotGiven: () =>
    new CodemieError(
      "usage",
      "a passphrase is needed, and there is no terminal to type it in",
      "use --passphrase-stdin or --passphrase-command",
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
