import { CodemieError } from "../core/errors.ts";
import { forwardExamples } from "../core/forward-to.ts";
import { nearest, printable } from "../core/text.ts";

/** Failures of profiles and the configuration file, as users see them. */
export const profileFailure = {
  hostsDiffer: (a: string, b: string) =>
    new CodemieError(
      "usage",
      `CODEMIE_URL (${a}) and CODEMIE_BASE_URL (${b}) name different hosts`,
      "unset one of them",
    ),
  /** @param inCi true: nobody can log in by browser */
  noHost: (inCi: boolean) =>
    new CodemieError(
      "auth_needed",
      "not logged in to any CodeMie host yet",
      inCi ? "set CODEMIE_URL, and CODEMIE_ID_TOKEN, CODEMIE_JWT_TOKEN or CODEMIE_JWT_TOKEN_FILE" : "run codemie setup",
    ),
  /** @param variable the variable that names it, if one does */
  none: (name: string, known: readonly string[], variable?: string) => {
    const close = nearest(name, known);
    const list =
      known.length > 8 ? "see codemie profile list" : `profiles: ${known.map((one) => printable(one, 60)).join(", ")}`;
    return new CodemieError(
      "usage",
      `there is no profile ${printable(name, 60)}${variable ? `, which ${variable} names in this shell's environment` : ""}`,
      known.length === 0 ? "run codemie setup" : close ? `did you mean ${printable(close, 60)}` : list,
    );
  },
  otherService: (profile: string, provider: string) =>
    new CodemieError(
      "usage",
      `profile ${printable(profile, 60)} is for ${printable(provider, 60)}, which codemie does not log in to`,
      "choose another profile with --profile, or set one up with codemie setup",
    ),
  /** @param variable the variable that holds it, if one does */
  badName: (name: string, variable?: string) =>
    new CodemieError(
      "usage",
      `${printable(name, 60)}${variable ? `, as ${variable} says,` : ""} is not a profile name`,
      "use up to 64 letters, digits, dots, dashes and underscores, starting with a letter or digit",
    ),
  tokenWithoutHost: () =>
    new CodemieError(
      "usage",
      "a bearer token is given, but no CodeMie host",
      "set CODEMIE_URL=https://codemie.example.com",
    ),
  /** @param why in words that repeat nothing of the value, which may hold a password */
  badReceiver: (why: string) =>
    new CodemieError("usage", `that is no receiver for the audit trail: ${why}`, `for example ${forwardExamples}`),
  configDamaged: (file: string, why: string) =>
    new CodemieError(
      "config_damaged",
      `${file} cannot be read: ${printable(why, 200)}`,
      "correct the file, or start anew with codemie config reset, which keeps the old file; nothing was overwritten",
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
