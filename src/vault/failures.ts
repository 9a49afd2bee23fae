import { CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";

/** Failures of the vault, as users see them. */
export const vaultFailure = {
  keyMissing: (file: string) =>
    new CodemieError(
      "vault_key",
      `the vault's key ${file} is missing`,
      "restore it from a backup, or move the vault folder away and log in again",
    ),
  keyWrong: (file: string) =>
    new CodemieError(
      "vault_key",
      `the key in ${file} does not open this vault`,
      "restore the key that belongs to it, or move the vault folder away and log in again",
    ),
  keyMalformed: (file: string) =>
    new CodemieError("vault_key", `${file} does not hold a vault key`, "restore it from a backup"),
  dataKeyMissing: (file: string) =>
    new CodemieError(
      "vault_key",
      `the vault holds logins, but ${file}, which opens them, is missing`,
      "restore it from a backup, or move the vault folder away and log in again",
    ),
  gone: (file: string) =>
    new CodemieError(
      "vault_key",
      `the vault was moved away while codemie was running: ${file} is missing`,
      "run codemie profile login",
    ),
  keyNotOurs: (file: string) =>
    new CodemieError(
      "vault_key",
      `${file} exists already and is not this vault's key`,
      "move it away, or name another file in CODEMIE_VAULT_KEY_FILE; nothing was changed",
    ),
  hasKeyFile: (file: string, variable: string) =>
    new CodemieError(
      "vault_key",
      `this vault is sealed with the key file ${file}, not with a passphrase, but ${variable} is set`,
      `run codemie vault rekey to seal it with that passphrase, or unset ${variable}`,
    ),
  passphraseMissing: () =>
    new CodemieError(
      "vault_passphrase",
      "this vault is sealed with a passphrase, and none was given",
      "set CODEMIE_VAULT_PASSPHRASE_COMMAND, CODEMIE_VAULT_PASSPHRASE_FILE or CODEMIE_VAULT_PASSPHRASE, or run the command in a terminal",
    ),
  /** @param from its source, as words behind "the passphrase" */
  passphraseWrong: (from: string) =>
    new CodemieError(
      "vault_key",
      `the passphrase ${from} does not open this vault`,
      "try again with the one it was sealed with, or move the vault folder away and log in again",
    ),
  passphraseShort: (least: number) =>
    new CodemieError(
      "usage",
      `a new passphrase needs at least ${least} characters`,
      "use several words, or let a password manager make one; nothing was changed",
    ),
  none: () =>
    new CodemieError("failed", "there is no vault yet", "the first login makes it: run codemie profile login"),
  newer: (file: string) =>
    new CodemieError(
      "vault_damaged",
      `${printable(file, 200)} is sealed in a way this version of codemie does not know`,
      "a newer codemie may have written it: update this one",
    ),
  recordDamaged: (name: string, file: string) =>
    new CodemieError(
      "vault_damaged",
      `the stored record ${printable(name, 80)} is damaged (${file})`,
      "log in again: the damaged file is then kept aside and replaced",
    ),
  damaged: (file: string) =>
    new CodemieError("vault_damaged", `the vault's file ${file} is damaged`, "restore it from a backup"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
