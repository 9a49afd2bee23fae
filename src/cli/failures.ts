import { CodemieError } from "../core/errors.ts";
import { nearest, printable } from "../core/text.ts";

/** Failures of any of our command lines, as users see them. Commands, frame and bridge have more of their own. */
export const cliFailure = {
  /** @param close the flag that was probably meant */
  noFlag: (program: string, flag: string, close: string | undefined) =>
    new CodemieError(
      "usage",
      `${program} has no flag ${printable(flag, 60)}`,
      close ? `did you mean ${close}` : `see ${program} --help`,
    ),
  takesNoValue: (program: string, flag: string) =>
    new CodemieError("usage", `${flag} takes no value`, `see ${program} --help`),
  needsValue: (program: string, flag: string) =>
    new CodemieError("usage", `${flag} needs a value`, `see ${program} --help`),
  /** @param example seconds to show in the hint; undefined: the hint explains 0 instead */
  notSeconds: (flag: string, text: string, example: number | undefined) =>
    new CodemieError(
      "usage",
      `${flag} ${printable(text, 60)} is not a number of seconds`,
      example === undefined ? "give a number of seconds; 0 waits for ever" : `for example ${flag} ${example}`,
    ),
  secretOrKey: () =>
    new CodemieError(
      "usage",
      "a client proves itself with a secret or a key, not with both",
      "leave out one of --client-secret-env and --client-key",
    ),
  nothingToKeep: () =>
    new CodemieError(
      "usage",
      "--keep-client-secret has no secret or key to keep",
      "add --client-secret-env or --client-key",
    ),
  notAVariableName: (flag: string) =>
    new CodemieError(
      "usage",
      `${flag} takes the name of a variable, not a secret`,
      `write for example: ${flag} CLIENT_SECRET`,
    ),
  badCallbackPort: (text: string) =>
    new CodemieError(
      "usage",
      `--callback-port: ${printable(text, 40)} is not a port`,
      "a port is a number from 1 to 65535",
    ),
  /** @param list plural of `what`, for the hint */
  noSuch: (what: string, given: string, known: readonly string[], list = `${what}s`) => {
    const close = nearest(given, known);
    return new CodemieError(
      "usage",
      `there is no ${what} ${printable(given, 60)}`,
      close ? `did you mean ${close}` : `${list}: ${known.join(", ")}`,
    );
  },
} satisfies Record<string, (...args: never[]) => CodemieError>;
