import { CodemieError } from "../core/errors.ts";

/** What can go wrong with the set-up, in the words a person meets. */
export const setupFailure = {
  profileHasOtherHost: (name: string, origin: string) =>
    new CodemieError("usage", `profile ${name} belongs to ${origin}`, "choose another name with --profile"),
  loginOfOther: (flag: string, method: string) =>
    new CodemieError("usage", `${flag} has no place in a login by ${method}`, "leave it out, or name its own --method"),
} satisfies Record<string, (...args: never[]) => CodemieError>;
