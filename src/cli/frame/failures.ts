import { CodemieError } from "../../core/errors.ts";

const counted = (words: number) => (words === 0 ? "flags only" : words === 1 ? "one word only" : `${words} words only`);

/** What can go wrong before a command runs, in the words a person meets. */
export const frameFailure = {
  /** @param close the command that was probably meant */
  noCommand: (path: string, name: string, close: string | undefined) =>
    new CodemieError(
      "usage",
      `${path} has no command ${name}`,
      close ? `did you mean ${path} ${close}` : `see ${path} --help`,
    ),
  nothingAfterDashes: (path: string) =>
    new CodemieError("usage", `${path} takes nothing after --`, `see ${path} --help`),
  /** The surplus word may be a key that was meant for standard input: the message does not repeat it. */
  tooManyWords: (path: string, most: number) =>
    new CodemieError("usage", `${path} takes ${counted(most)}`, `see ${path} --help`),
  wordMissing: (path: string, about: string) =>
    new CodemieError("usage", `${path} needs ${about}`, `see ${path} --help`),
  nobodyToAnswer: () => new CodemieError("usage", "a question came up and nobody is there to answer it"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
