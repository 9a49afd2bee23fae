import { CodemieError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";

const counted = (words: number) => (words === 0 ? "flags only" : words === 1 ? "one word only" : `${words} words only`);

/** Failures before a command runs, as users see them. */
export const frameFailure = {
  /**
   * @param close the command that was probably meant
   * @param hint what else is to be done
   */
  noCommand: (command: string, name: string, close: string | undefined, hint: string | undefined) =>
    new CodemieError(
      "usage",
      `${command} has no command ${printable(name, 60)}`,
      hint ?? (close ? `did you mean ${command} ${close}` : `see ${command} --help`),
    ),
  nothingAfterDashes: (command: string) =>
    new CodemieError("usage", `${command} takes nothing after --`, `see ${command} --help`),
  /**
   * The message does not repeat the surplus word: it may be a key that was meant for standard input.
   *
   * @param hint what to do instead, where that is known
   */
  tooManyWords: (command: string, most: number, hint: string | undefined) =>
    new CodemieError("usage", `${command} takes ${counted(most)}`, hint ?? `see ${command} --help`),
  wordMissing: (command: string, about: string, hint: string | undefined) =>
    new CodemieError("usage", `${command} needs ${about}`, hint ?? `see ${command} --help`),
  /** @param example a command with the flag where it belongs */
  flagBeforeCommand: (flag: string, example: string) =>
    new CodemieError("usage", `${printable(flag, 60)} stands before the command`, `write it behind: ${example}`),
  flagOfBridge: (command: string, flag: string) =>
    new CodemieError(
      "usage",
      `${printable(flag, 60)} is a flag of the bridge, not of ${command}`,
      `write it at the end: ${command} … -- ${printable(flag, 60)}`,
    ),
  nobodyToAnswer: () =>
    new CodemieError("usage", "cannot ask a question: there is no terminal", "run the command in a terminal"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
