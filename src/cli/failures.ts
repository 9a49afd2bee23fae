import { CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";

/** What can go wrong with any command line of ours, in the words a person meets. Commands, frame and bridge have their own. */
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
  /** @param example seconds that suit the flag; undefined for a flag whose 0 needs explaining */
  notSeconds: (flag: string, text: string, example: number | undefined) =>
    new CodemieError(
      "usage",
      `${flag} ${printable(text, 60)} is not a number of seconds`,
      example === undefined ? "give a number of seconds; 0 waits for ever" : `for example ${flag} ${example}`,
    ),
  /** @param list what the known ones are called */
  noSuch: (what: string, given: string, known: readonly string[], list = `${what}s`) =>
    new CodemieError("usage", `there is no ${what} ${printable(given, 60)}`, `${list}: ${known.join(", ")}`),
} satisfies Record<string, (...args: never[]) => CodemieError>;
